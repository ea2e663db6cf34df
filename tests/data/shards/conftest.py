from __future__ import annotations

import io
import itertools
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas.data.shards.index import Index
from convatlas.data.shards.writing import Part, write

RNG = np.random.default_rng(0)


def png(*colour: int, side: int = 4) -> bytes:
    """A small picture of one colour (three numbers), or of one grey."""
    file = io.BytesIO()
    mode, value = ("RGB", colour) if len(colour) == 3 else ("L", colour[0])
    Image.new(mode, (side, side), value).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Forty colour pictures of two classes, no two alike or of one size, in three parts."""
    root = tmp_path / "pets"
    for i in range(40):
        part = "train" if i < 26 else "val" if i < 32 else "test"
        folder = root / part / ("cat", "dog")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (10 + i, 50 - i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.{('png', 'jpg')[i % 2]}")
    return root


@pytest.fixture
def numbered(tmp_path: Path) -> Callable[..., Index]:
    """Writes shards of so many grey pictures; the picture says its label, its key its place."""
    contents = [png(label) for label in range(10)]
    made = itertools.count()

    def make(count: int, shards: int) -> Index:
        labels = torch.arange(count) % 10
        held = Part(labels, lambda index: (".png", contents[index % 10]))
        tested = Part(torch.arange(10), lambda index: (".png", contents[index]))
        out, classes = tmp_path / f"set{next(made)}", tuple("abcdefghij")
        parts = {"train": held, "test": tested}
        return write(out, "numbers", classes, 1, parts, shards=shards, seed=0)

    return make


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tar as Python's own library does."""

    def make(name: str, files: Mapping[str, bytes], kind: int = tarfile.USTAR_FORMAT) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w", format=kind) as tar:
            for member, content in files.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return path

    return make
