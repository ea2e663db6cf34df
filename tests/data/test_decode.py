"""The quick way through simplejpeg beside Pillow's, which it must not differ from."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas.data import decode as room
from convatlas.errors import DataError

pytest.importorskip("simplejpeg")

EXIF = Image.Exif()
EXIF[0x0112] = 6  # by 90° to the right
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def jpeg(mode: str = "RGB", **options: Any) -> bytes:
    levels = np.random.default_rng(0).integers(0, 256, (5, 9, 3), np.uint8)
    kept = BytesIO()
    Image.fromarray(levels).resize((90, 50)).convert(mode).save(kept, "JPEG", **options)
    return kept.getvalue()


@pytest.mark.parametrize("least", [None, 8, 40])
@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize(
    "content",
    [
        jpeg(),
        jpeg("L"),
        jpeg("CMYK"),
        jpeg(progressive=True, subsampling=2),
        jpeg(exif=EXIF),
        jpeg(xmp=XMP),
    ],
    ids=["colour", "grey", "cmyk", "progressive", "exif", "xmp"],
)
def test_the_pixels_are_the_same(
    monkeypatch: pytest.MonkeyPatch, content: bytes, channels: int | None, least: int | None
) -> None:
    quick = room.decode(content, channels, least)
    monkeypatch.setattr(room, "_simplejpeg", lambda: None)
    assert torch.equal(quick, room.decode(content, channels, least))


@pytest.mark.parametrize("content", [jpeg(exif=EXIF), jpeg(xmp=XMP)], ids=["exif", "xmp"])
def test_they_are_upright(content: bytes) -> None:
    assert room.decode(content, 3).shape == (3, 90, 50)


def test_plain_colour_goes_the_quick_way_and_what_is_cut_short_is_refused() -> None:
    assert room._from_jpeg(jpeg(), 3, None) is not None
    with pytest.raises(DataError, match="truncated"):
        room.decode(jpeg()[:-200], 3)
