"""Decoded once, used again, and never half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas import data
from convatlas.data import Pictures, augment, list_pictures, store
from convatlas.data.decode import decode
from convatlas.data.preprocess import Preprocess
from convatlas.data.store.place import place_of
from convatlas.errors import DataError, StorageError

RNG = np.random.default_rng(0)
BARE = Preprocess(12, 12, 3, (0.0,) * 3, (1.0,) * 3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve pictures of three classes, no two alike or of one size, two of them damaged."""
    root = tmp_path / "pets"
    for i in range(12):
        folder = root / "abc"[i % 3]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (20 + i, 30 - i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    (root / "a" / "broken.png").write_bytes((root / "a" / "00.png").read_bytes()[:200])
    (root / "b" / "empty.jpg").touch()
    return root


def pixels_by_file(found: data.Dataset) -> dict[str, torch.Tensor]:
    assert found.listing is not None
    sets = {"train": found.train, "val": found.val, "test": found.test}
    every = {}
    for name, part in sets.items():
        if part is None:
            continue
        for i, number in enumerate(found.listing.part(name).tolist()):
            file = found.listing.files[number]
            assert part.classes[part.labels[i]] == file.split("/")[-2]
            every[file] = part.take(torch.tensor([i]))[0]
    return every


@pytest.mark.parametrize("options", [{}, {"cache": False}, {"full_size": True}])
def test_every_form_gives_the_pictures_that_prediction_sees(
    root: Path, options: dict[str, bool]
) -> None:
    bad = 2
    if options == {"cache": False}:  # finds only what is broken at its beginning
        (root / "a" / "broken.png").unlink()
        bad = 1
    found = data.load(str(root), side=12, **options)
    assert f"{bad} of {12 + bad} pictures cannot be read and are left out" in found.notes[-1]
    every = pixels_by_file(found)
    assert len(every) == 12
    for file, pixels in every.items():
        assert torch.equal(pixels, BARE.fit(BARE.decode(root / file)))


def test_parts_keep_their_files(root: Path) -> None:
    for name in "abc":
        (root / "train").mkdir(exist_ok=True)
        (root / name).rename(root / "train" / name)
        for part in ("val", "test"):
            (root / part / name).mkdir(parents=True)
            Image.new("RGB", (9, 9), (len(part), ord(name), 0)).save(root / part / name / "x.png")
    for options in ({}, {"cache": False}, {"full_size": True}):
        found = data.load(str(root), side=12, **options)
        assert found.val is not None
        for part, images in (("val", found.val), ("test", found.test)):
            seen = images.take(slice(None))[:, :2, 0, 0].tolist()
            assert seen == [[len(part), ord(name)] for name in "abc"]


def test_a_second_look_decodes_nothing(root: Path) -> None:
    first = pixels_by_file(data.load(str(root), side=12))
    changed = root / "a" / "00.png"
    status = changed.stat()
    changed.write_bytes(b"?" * status.st_size)  # the same name, size and time: the same file
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = pixels_by_file(data.load(str(root), side=12))
    assert all(torch.equal(first[file], again[file]) for file in first)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert "a/00.png" not in pixels_by_file(data.load(str(root), side=12))


def test_what_is_in_the_cache_is_told_and_never_grows(root: Path, cache: Path) -> None:
    note = data.load(str(root), side=12).notes[-2]
    assert note.startswith(f"decoded once into {cache / 'pictures'}")
    (root / "a" / "new.png").write_bytes((root / "a" / "00.png").read_bytes())
    data.load(str(root), side=12)
    assert len([p for p in (cache / "pictures").iterdir() if p.is_dir()]) == 1


def test_a_damaged_cache_is_made_anew(root: Path) -> None:
    first = pixels_by_file(data.load(str(root), side=12))
    home = place_of(list_pictures(root), "12")
    with (home / "pixels.u8").open("r+b") as file:
        file.truncate(100)
    again = pixels_by_file(data.load(str(root), side=12))
    assert all(torch.equal(first[file], again[file]) for file in first)


def test_writing_to_the_pixels_does_not_change_the_cache(root: Path) -> None:
    images = data.load(str(root), side=12).train.images
    before = images[:].clone()
    images[:] = 0
    assert torch.equal(data.load(str(root), side=12).train.images[:], before)


def child(code: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | variables,
    )


LOAD = """
import sys
from convatlas import data
found = data.load(sys.argv[1], side=12)
print(found.train.fingerprint(), found.test.fingerprint())
"""

TRY = """
import sys
from convatlas import data
try:
    data.load(sys.argv[1], side=12)
except Exception as error:
    print(type(error).__name__, error)
"""

#: says how many files it decodes, and takes its time over each
SLOWLY = """
import os, sys, time
from convatlas.data.store import equal
real = equal.decode
def slowly(*args, **kwargs):
    os.write(1, b"decoding\\n")  # in one piece, for threads write at once
    time.sleep(0.05)
    return real(*args, **kwargs)
equal.decode = slowly
"""


@pytest.mark.slow
def test_killed_midway_it_leaves_nothing_that_is_used(root: Path, cache: Path) -> None:
    process = child(SLOWLY + LOAD, str(root))
    assert process.stdout is not None
    for _ in range(4):
        assert process.stdout.readline() == "decoding\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = [path.name for path in (cache / "pictures").iterdir()]
    assert any(name.endswith(".part") for name in left)
    assert len(pixels_by_file(data.load(str(root), side=12))) == 12
    assert not [p for p in (cache / "pictures").iterdir() if p.name.endswith(".part")]


@pytest.mark.slow
def test_two_that_start_at_once_decode_once(root: Path) -> None:
    both = [child(SLOWLY + LOAD, str(root)) for _ in range(2)]
    said = [process.communicate()[0].splitlines() for process in both]
    assert said[0][-1] == said[1][-1] != ""
    assert sum(lines.count("decoding") for lines in said) == 14


@pytest.mark.slow
def test_a_disk_that_fills_is_one_line_and_leaves_nothing(root: Path, cache: Path) -> None:
    """The system's limit on the size of a file stands for the disk."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    said, error = child(limit + TRY, str(root)).communicate()
    assert said.startswith("StorageError cannot write"), error
    assert "--no-cache" in said
    assert said.count("\n") == 1
    assert not [path for path in (cache / "pictures").iterdir() if path.is_dir()]


def test_a_cache_that_may_not_be_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root.parent / "file").touch()
    monkeypatch.setenv("CONVATLAS_CACHE", str(root.parent / "file"))
    with pytest.raises(StorageError, match="cannot write"):
        data.load(str(root), side=12)
    assert len(data.load(str(root), side=12, cache=False).train) == 10


@pytest.mark.parametrize("cache", [True, False])
def test_crops_are_of_the_originals(root: Path, cache: bool) -> None:
    (root / "a" / "broken.png").unlink()
    found = data.load(str(root), side=12, full_size=True, cache=cache)
    assert isinstance(found.train.images, Pictures)
    assert found.listing is not None
    numbers = found.listing.part("train")[:4]
    crops = found.train.images.crops(torch.arange(4), 8, torch.Generator().manual_seed(3))
    originals = [decode(found.listing.path(int(i)), 3) for i in numbers]
    sizes = torch.tensor([picture.shape[1:] for picture in originals])
    boxes = augment.draw_boxes(sizes, torch.Generator().manual_seed(3))
    for crop, picture, box in zip(crops, originals, boxes.tolist(), strict=True):
        assert torch.equal(crop, augment.crop_box(picture, box, 8))


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_pipe_is_not_waited_for(root: Path, cache: bool, suffix: str) -> None:
    os.mkfifo(root / "a" / f"pipe{suffix}")
    found = data.load(str(root), side=12, cache=cache)
    assert f"a/pipe{suffix}" in found.notes[-1]
    assert "left out" in found.notes[-1]


def test_from_files_a_picture_that_ends_early_is_named(root: Path) -> None:
    """Its beginning is whole, which is all that is looked at first."""
    for name in "abc":
        (root / "train").mkdir(exist_ok=True)
        (root / name).rename(root / "train" / name)
        (root / "test" / name).mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(root / "test" / "a" / "x.png")
    found = data.load(str(root), side=12, cache=False)
    assert found.notes[-1].startswith("1 of 15 pictures")
    every = torch.arange(len(found.train))
    with pytest.raises(DataError, match=r"broken\.png cannot be read .*without --no-cache"):
        found.train.take(every)


def test_a_class_that_nothing_is_left_of_is_refused(root: Path) -> None:
    for path in (root / "c").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="no picture of the class 'c' can be read"):
        data.load(str(root), side=12)


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("full_size", [False, True])
def test_grey_files_and_one_with_colours(tmp_path: Path, full_size: bool, cache: bool) -> None:
    """The colour hides where the first look does not go."""

    def load() -> data.Dataset:
        return store.dataset(list_pictures(tmp_path), 5, full_size=full_size, cache=cache)

    for i in range(70):
        folder = tmp_path / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        Image.new("L", (5, 5), i).save(folder / f"{i:02}.png")
    grey = load()
    assert grey.listing is not None
    assert grey.train.shape == (1, 5, 5)
    assert grey.train.take(slice(None))[:, 0, 0, 0].tolist() == [
        int(Path(grey.listing.files[i]).stem) for i in grey.listing.part("train")
    ]
    if isinstance(grey.train.images, Pictures):
        crops = grey.train.images.crops(torch.arange(3), 4, torch.Generator().manual_seed(0))
        assert torch.equal(crops[:, :, 0, 0], grey.train.take(torch.arange(3))[:, :, 0, 0])
    Image.new("RGB", (5, 5), (1, 2, 3)).save(tmp_path / "a" / "02.png")
    time.sleep(0.01)
    mixed = load()
    assert mixed.train.shape == (3, 5, 5)
    seen = torch.cat([mixed.train.take(slice(None)), mixed.test.take(slice(None))])[:, :, 0, 0]
    assert sorted(seen.tolist())[:2] == [[0, 0, 0], [1, 1, 1]]
    assert [1, 2, 3] in seen.tolist()
