"""Written whole or not at all, the same bytes each time, and readable by anybody."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas import data
from convatlas.data import list_pictures
from convatlas.data.shards import shard_arrays, shard_files
from convatlas.data.shards.index import Index
from convatlas.data.shards.samples import samples
from convatlas.errors import ConfigError, DataError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_files_stay_as_they_are_and_keep_their_classes(pets: Path, tmp_path: Path) -> None:
    index = shard_files(list_pictures(pets), tmp_path / "out", shards=4)
    for part in ("train", "val", "test"):
        found = {}
        for shard in index.part(part):
            with tarfile.open(shard.path) as archive:  # as anybody would
                members = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
            for name, content in members.items():
                if not name.endswith(".cls"):
                    label = int(members[name.partition(".")[0] + ".cls"])
                    found[content] = (index.classes[label], Path(name).suffix)
        wanted = {p.read_bytes(): (p.parent.name, p.suffix) for p in (pets / part).rglob("*.*")}
        assert found == wanted


def test_the_index_says_what_there_is(pets: Path, tmp_path: Path) -> None:
    index = shard_files(list_pictures(pets), tmp_path / "out", shards=4)
    written = json.loads((tmp_path / "out" / "index.json").read_text())
    assert written["classes"] == ["cat", "dog"]
    assert written["channels"] == 3
    assert written["parts"]["train"] == {"pictures": 26, "per_class": [13, 13]}
    # 26, 6 and 8 pictures: the other parts have as many shards as make them about as long
    assert Counter(one["part"] for one in written["shards"]) == {"train": 4, "val": 1, "test": 1}
    assert [one["pictures"] for one in written["shards"]] == [6, 7, 6, 7, 6, 8]
    for one in written["shards"]:
        content = (tmp_path / "out" / one["file"]).read_bytes()
        assert one["bytes"] == len(content)
        assert one["sha256"] == hashlib.sha256(content).hexdigest()
    keys = [s.member.partition(".")[0] for x in index.part("train") for s in samples(x.path)]
    assert keys == [f"{key:09}" for key in range(26)]
    assert Index.read(tmp_path / "out" / "index.json") == index


def test_the_same_pictures_are_the_same_bytes(pets: Path, tmp_path: Path) -> None:
    listing = list_pictures(pets)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        os.utime(next(pets.rglob("*.png")))
        shard_files(listing, tmp_path / name, shards=3, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b") != contents(tmp_path / "c")


def test_each_shard_is_a_mixture(numbered: Callable[..., Index]) -> None:
    """Of 1,000 of each class, 250 are expected in each shard; √(250 · 3/4) = 14 off, 4 of these."""
    for shard in numbered(10_000, 4).part("train"):
        counts = Counter(sample.label for sample in samples(shard.path, contents=False))
        assert all(abs(counts[label] - 250) < 4 * 14 for label in range(10))


def test_what_cannot_be_read_is_left_out_and_said(pets: Path, tmp_path: Path) -> None:
    """Also where only the end is missing, which no look at a header finds."""
    whole = pets / "train" / "dog" / "01.jpg"
    (pets / "train" / "dog" / "cut.jpg").write_bytes(whole.read_bytes()[:-200])
    (pets / "test" / "cat" / "empty.png").touch()
    index = shard_files(list_pictures(pets), tmp_path / "out", shards=2)
    said = "2 of 42 pictures cannot be read and are left out: train/dog/cut.jpg, test/cat/empty.png"
    assert index.notes[-1] == f"{said} (convatlas doctor {pets} says why)"
    assert index.count == 40


def test_grey_is_known_only_when_all_are(pets: Path, tmp_path: Path) -> None:
    for path in pets.rglob("*.*"):
        Image.open(path).convert("L").save(path)
    assert shard_files(list_pictures(pets), tmp_path / "grey", shards=1).channels == 1
    Image.new("RGB", (5, 5), "red").save(path)
    assert shard_files(list_pictures(pets), tmp_path / "one", shards=1).channels == 3


def test_a_file_without_a_suffix_is_written_and_read(tmp_path: Path) -> None:
    for i in range(8):
        Image.new("L", (5, 5), i).save(tmp_path / f"{i}", "PNG")
    rows = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(8))
    (tmp_path / "labels.csv").write_text(f"path,label\n{rows}")
    index = shard_files(list_pictures(tmp_path / "labels.csv"), tmp_path / "out", shards=1)
    found = {s.content: s.label for shard in index.shards for s in samples(shard.path)}
    assert found == {(tmp_path / f"{i}").read_bytes(): i % 2 for i in range(8)}


def test_arrays_keep_every_level(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (40, 5, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "some.npz", images=levels, labels=np.arange(40) % 4)
    found = data.load(str(tmp_path / "some.npz"))
    index = shard_arrays(found, tmp_path / "out", shards=3)
    pixels = {}
    for sample in chain.from_iterable(samples(shard.path) for shard in index.shards):
        pixels[np.array(Image.open(io.BytesIO(sample.content))).tobytes()] = sample.label
    assert pixels == {picture.tobytes(): i % 4 for i, picture in enumerate(levels)}
    assert index.channels == 3
    grey = shard_arrays(data.load("digits"), tmp_path / "digits", shards=1)
    assert grey.channels == 1
    assert grey.per_class["test"] == tuple(data.load("digits").test.labels.bincount().tolist())
    again = data.load(str(tmp_path / "out"), side=5)
    with pytest.raises(ConfigError, match="some is in shards already"):
        shard_arrays(again, tmp_path / "again", shards=1)


@pytest.mark.parametrize("shards", [0, 27])
def test_as_many_shards_as_pictures_at_most(pets: Path, tmp_path: Path, shards: int) -> None:
    with pytest.raises(ConfigError, match=f"26 training pictures .* into {shards} shards"):
        shard_files(list_pictures(pets), tmp_path / "out", shards=shards)


def test_nothing_is_written_over_or_into_the_source(pets: Path, tmp_path: Path) -> None:
    listing = list_pictures(pets)
    (tmp_path / "out").mkdir()  # empty: it may be used
    shard_files(listing, tmp_path / "out", shards=1)
    before = contents(tmp_path / "out")
    with pytest.raises(ConfigError, match=r"out is there already: name another"):
        shard_files(listing, tmp_path / "out", shards=2)
    assert contents(tmp_path / "out") == before
    with pytest.raises(ConfigError, match=r"shards lies inside .*pets, which is never changed"):
        shard_files(listing, pets / "shards", shards=1)
    assert not (pets / "shards").exists()


def test_a_class_that_nothing_is_left_of_is_refused(pets: Path, tmp_path: Path) -> None:
    for path in (pets / "train" / "cat").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="no picture of the class 'cat' to learn from"):
        shard_files(list_pictures(pets), tmp_path / "out", shards=1)
    assert not [path for path in tmp_path.iterdir() if path != pets]


WRITE = """
import os, sys, time
from pathlib import Path
from convatlas.data import list_pictures
from convatlas.data.shards import shard_files, sharding
from convatlas.errors import ConvAtlasError
real = Path.read_bytes
def slowly(self):
    if self.suffix in (".png", ".jpg") and len(sys.argv) > 3:
        os.write(1, b"reading\\n")  # in one piece, for threads write at once
        time.sleep(float(sys.argv[3]))
    return real(self)
try:
    listing = list_pictures(Path(sys.argv[1]))
    Path.read_bytes = slowly
    shard_files(listing, Path(sys.argv[2]), shards=5)
except ConvAtlasError as error:
    print(type(error).__name__, error)
"""


def child(*arguments: object, before: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", before + WRITE, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_killed_midway_it_leaves_nothing_that_reads_as_whole(pets: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = child(pets, out, 0.1)
    assert process.stdout is not None
    while not list(tmp_path.glob(".out.part/train-000001.tar")):
        assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.exists()
    assert list(tmp_path.glob(".out.part/*"))
    index = shard_files(list_pictures(pets), out, shards=3)
    assert not (tmp_path / ".out.part").exists()
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["index.json", *(shard.path.name for shard in index.shards)]
    )
    index.check(thoroughly=True)


@pytest.mark.slow
def test_of_two_at_once_one_is_refused(pets: Path, tmp_path: Path) -> None:
    process = child(pets, tmp_path / "out", 0.15)
    assert process.stdout is not None
    while not (tmp_path / ".out.part").exists():
        assert process.stdout.readline() == "reading\n"
    said, _ = child(pets, tmp_path / "out").communicate()
    assert said == f"StorageError another process is writing {tmp_path / 'out'} right now\n"
    process.communicate()
    Index.read(tmp_path / "out" / "index.json").check(thoroughly=True)


@pytest.mark.slow
def test_a_disk_that_fills_is_one_line_and_leaves_nothing(pets: Path, tmp_path: Path) -> None:
    """The system's limit on the size of a file stands for the disk."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
    said, _ = child(pets, tmp_path / "out", before=limit).communicate()
    assert said.startswith(f"StorageError cannot write {tmp_path}")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == [pets]


def test_torch_is_not_needed_to_be_exact(numbered: Callable[..., Index]) -> None:
    index = numbered(23, 5)
    counts = [shard.count for shard in index.part("train")]
    assert sum(counts) == 23
    assert max(counts) - min(counts) == 1
    assert torch.tensor(index.per_class["train"]).sum() == 23
