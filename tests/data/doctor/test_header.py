"""A file's header, for each format and each way to break it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convatlas.data.doctor.examine import examine
from convatlas.data.doctor.facts import Fault
from convatlas.data.doctor.header import fault_of, header
from convatlas.errors import DataError

Picture = Callable[..., Image.Image]
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


def content(image: Image.Image, name: str) -> bytes:
    kept = io.BytesIO()
    image.save(kept, name)
    return kept.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_known_by_its_content(tmp_path: Path, picture: Picture, name: str) -> None:
    path = tmp_path / "picture.bin"
    path.write_bytes(content(picture(0), name))
    known = header(path)
    assert (known.fault, known.format, known.width, known.height) == (None, name, 48, 36)
    others = (known.deep, known.transparent, known.animated, known.orientation)
    assert others == (False, False, False, 1)


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("name", FORMATS)
def test_each_format_cut_short_is_truncated(
    tmp_path: Path, picture: Picture, name: str, share: float
) -> None:
    path, whole = tmp_path / "picture.bin", content(picture(0, (200, 150)), name)
    path.write_bytes(whole[: int(share * len(whole))])
    known = examine(path)
    assert known.pixels is None
    assert known.fault is not None
    assert known.fault.kind == "truncated"
    assert "\n" not in known.fault.reason


def test_levels_of_more_than_8_bits_in_every_format_that_has_them(tmp_path: Path) -> None:
    levels = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    for name in ("grey.png", "grey.tif"):
        Image.fromarray(levels).save(tmp_path / name)
    (tmp_path / "grey.pgm").write_bytes(b"P5 30 20 65535\n" + levels.astype(">u2").tobytes())
    colour = np.repeat(levels[..., None], 3, 2).astype(">u2").tobytes()
    (tmp_path / "colour.ppm").write_bytes(b"P6 30 20 65535\n" + colour)
    assert all(header(path).deep for path in tmp_path.iterdir())


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    fault = header(tmp_path / "pipe.png").fault
    assert fault is not None
    assert (fault.kind, fault.reason) == ("unreadable", "it is no file")


def test_a_link_in_a_circle_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    fault = header(tmp_path / "loop.png").fault
    assert fault is not None
    assert fault.kind == "broken-link"


def test_a_bomb_is_never_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real one: 196 million black pixels in 30 kB. Decoding it would call `load`."""
    from PIL import ImageFile

    Image.new("1", (14_000, 14_000)).save(tmp_path / "black.png", compress_level=1)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("it was decoded"))
    fault = examine(tmp_path / "black.png").fault
    assert fault is not None
    assert fault.kind == "bomb"


def test_what_may_not_be_read_or_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    path = tmp_path / "picture.jpg"
    path.write_bytes(b"x")
    monkeypatch.setattr("convatlas.data.doctor.header.opened", refuse)
    assert header(path).fault == Fault("unreadable", "Permission denied")
    path.unlink()
    assert fault_of(path, DataError("it was here")) == Fault("unreadable", "it was here")
