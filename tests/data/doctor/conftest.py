"""Folders with faults that are known, since they were put there."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (48, 36)) -> Image.Image:
    """A colourful picture that no other seed's resembles."""
    levels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(name="picture")
def _picture() -> Callable[..., Image.Image]:
    return picture


def png(width: int, height: int, bits: int, kind: int, rows: bytes) -> bytes:
    """A PNG put together by hand, for what Pillow does not write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def plant(root: Path) -> None:
    """Forty cats, twelve dogs, three newts; and one of each fault, or a few where they differ."""
    seeds = iter(range(10_000))

    def new(name: str) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    for name, learned, tested in (("cat", 40, 4), ("dog", 12, 4), ("newt", 3, 2)):
        for part, count in (("train", learned), ("test", tested)):
            for number in range(count):
                picture(next(seeds)).save(new(f"{part}/{name}/{number:02}.png"))

    picture(next(seeds)).save(new("train/cat/cut.jpg"))
    cut = root / "train/cat/cut.jpg"
    cut.write_bytes(cut.read_bytes()[:-300])
    new("train/cat/page.jpg").write_text("<html>404</html>")
    grey = np.random.default_rng(1).random((36, 48), np.float32)
    Image.fromarray(grey).save(new("train/cat/float.tif"))
    new("train/cat/empty.jpg").touch()
    new("train/cat/bomb.png").write_bytes(png(40_000, 40_000, 8, 2, b""))
    new("train/cat/gone.jpg").symlink_to("nowhere.jpg")

    picture(next(seeds)).save(new("train/cat/named.jpg"), "PNG")
    turned = Image.Exif()
    turned[0x0112] = 6
    picture(next(seeds)).save(new("train/cat/turned.jpg"), exif=turned)
    picture(next(seeds)).convert("1").save(new("train/cat/one-bit.png"))
    levels = np.asarray(picture(next(seeds)).convert("L"), np.uint16) * 257
    Image.fromarray(levels).save(new("train/cat/deep-grey.png"))
    rows = np.repeat(np.asarray(picture(next(seeds))), 2, axis=2)  # each byte twice: 16 bits
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    new("train/cat/deep-colour.png").write_bytes(png(48, 36, 16, 2, lines))
    picture(next(seeds)).convert("P").save(new("train/cat/palette.png"))
    picture(next(seeds)).convert("CMYK").save(new("train/cat/cmyk.jpg"))
    glass = picture(next(seeds)).convert("RGBA")
    glass.putalpha(100)
    glass.save(new("train/cat/glass.png"))
    frames = [picture(next(seeds)) for _ in range(3)]
    frames[0].save(new("train/cat/moving.png"), save_all=True, append_images=frames[1:])
    picture(next(seeds), (200, 40)).save(new("train/cat/long.png"))
    Image.new("RGB", (48, 36), (9, 9, 9)).save(new("train/cat/constant.png"))
    Image.new("RGB", (48, 36), (9, 9, 9)).save(new("test/cat/constant.png"))  # not a leak as well
    picture(next(seeds)).save(os.fsencode(root) + b"/train/cat/caf\xe9.png")

    def twice(one: str, other: str, **options: int) -> None:
        image = picture(next(seeds))
        image.save(new(one))
        image.save(new(other), **options)

    twice("train/dog/same-1.png", "train/dog/same-2.bmp")
    twice("train/dog/near-1.png", "train/dog/near-2.jpg", quality=70)
    twice("train/dog/leak.png", "test/dog/leak.png", compress_level=1)
    twice("train/dog/near-leak.png", "test/dog/near-leak.jpg", quality=70)
    twice("train/cat/conflict.png", "train/dog/conflict.png")


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of each planted fault: look, and do not write."""
    root = tmp_path_factory.mktemp("planted") / "pets"
    plant(root)
    return root
