from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from PIL import Image

from convatlas import data
from convatlas.data import Stream, list_pictures
from convatlas.data.shards import counting, shard_files
from convatlas.data.shards.index import Index
from convatlas.errors import DataError, UnknownNameError


@pytest.fixture
def shards(pets: Path, tmp_path: Path) -> Path:
    shard_files(list_pictures(pets), tmp_path / "shards", shards=4)
    return tmp_path / "shards"


def pictures(images: data.ImageSet) -> dict[bytes, str]:
    every = zip(images.take(slice(None)), images.labels, strict=True)
    return {pixels.numpy().tobytes(): images.classes[label] for pixels, label in every}


def streamed(stream: Stream) -> dict[bytes, str]:
    ((pixels, labels),) = stream.batches(len(stream))
    every = zip(pixels, labels, strict=True)
    return {pixels.numpy().tobytes(): stream.classes[label] for pixels, label in every}


@pytest.mark.parametrize("cache", [True, False])
def test_shards_are_the_folder_they_were_made_from(pets: Path, shards: Path, cache: bool) -> None:
    folder = data.load(str(pets), side=8)
    every = f"{shards}/{{train,val,test}}-{{000000..000000}}.tar"
    for source in (
        str(shards),
        str(shards / "index.json"),
        f"{shards}/train-{{000000..000003}}.tar",
    ):
        found = data.load(source, side=8, cache=cache)
        assert isinstance(found.train, Stream)
        assert found.val is not None
        assert folder.val is not None
        assert streamed(found.train) == pictures(folder.train)
        assert pictures(found.val) == pictures(folder.val)
        assert pictures(found.test) == pictures(folder.test)
        assert found.notes[-1] == "26 training pictures stream from 4 shards"
    fewer = data.load(every, side=8, cache=cache)
    assert len(fewer.train) == 6
    assert sorted(fewer.train.labels.tolist()) == fewer.train.labels.tolist()
    kept = streamed(fewer.train)
    assert kept.items() < pictures(folder.train).items()
    assert fewer.train.labels.bincount(minlength=2).tolist() == [
        list(kept.values()).count(name) for name in ("cat", "dog")
    ]


def test_tested_pictures_are_decoded_once(shards: Path) -> None:
    first = data.load(str(shards), side=8)
    path = shards / "test-000000.tar"
    status = path.stat()
    path.write_bytes(bytes(status.st_size))  # the same length and time: the same file
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = data.load(str(shards), side=8)
    assert torch.equal(again.test.take(slice(None)), first.test.take(slice(None)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(DataError, match=r"test-000000\.tar is damaged: its sha-256 is"):
        data.load(str(shards), side=8)


def test_what_a_copy_lost_is_found_before_training(shards: Path) -> None:
    path = shards / "train-000002.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[:-512])
    with pytest.raises(DataError, match=r"train-000002\.tar has .* bytes, but .* were written"):
        data.load(str(shards), side=8)
    path.write_bytes(whole[:700] + b"?" + whole[701:])
    data.load(str(shards), side=8)
    with pytest.raises(DataError, match=r"train-000002\.tar is damaged: its sha-256 is"):
        data.load(str(shards), side=8, strict=True)
    path.unlink()
    with pytest.raises(DataError, match=r"train-000002\.tar cannot be read: No such file"):
        data.load(str(shards), side=8)


#: adds nothing to any count
SHARD = {"file": "x.tar", "part": "train", "pictures": 0, "bytes": 0, "sha256": ""}


@pytest.mark.parametrize(
    "change",
    [
        {"format": "convatlas shards 2"},
        {"channels": 2},
        {"classes": 3},
        {"parts": {"train": {"per_class": [1, 2]}}},
        {"shards": [], "parts": {"train": {"per_class": [0, 1]}}},
        {"shards": [SHARD | {"file": "../x.tar"}], "parts": {}},
        {"shards": [SHARD | {"part": "other"}], "parts": {}},
    ],
)
def test_a_damaged_index_is_one_line(shards: Path, change: Mapping[str, object]) -> None:
    known = json.loads((shards / "index.json").read_text())
    (shards / "index.json").write_text(json.dumps(known | change))
    with pytest.raises(DataError, match=r"index\.json is no index of shards, or damaged") as caught:
        Index.read(shards / "index.json")
    assert "\n" not in str(caught.value)


def test_an_index_of_something_else_is_none(pets: Path) -> None:
    (pets / "index.json").write_text('{"format": "mine"}')
    assert isinstance(data.load(str(pets), side=8).train, data.ImageSet)


def test_patterns_name_what_is_missing(shards: Path) -> None:
    with pytest.raises(DataError, match=r"names 6 shards, and 2 of them are not there: .*04\.tar"):
        data.load(f"{shards}/train-{{000000..000005}}.tar")
    shutil.copy(shards / "train-000000.tar", shards / "other.tar")
    with pytest.raises(DataError, match=r"other\.tar is not in the index\.json beside it"):
        data.load(f"{shards}/{{other,train-000000}}.tar")
    for wrong in ("{0..a}", "{3..1}", "{a}", "{0..9"):
        with pytest.raises(DataError, match=r"\{"):
            data.load(f"{shards}/train-{wrong}.tar")


def test_a_pattern_is_no_unknown_name(shards: Path) -> None:
    assert data.download_size(f"{shards}/train-{{000000..000003}}.tar") == 0
    assert data.sources.listed(str(shards)) is None
    with pytest.raises(UnknownNameError):
        data.load("shard")


def foreign(archive: Callable[..., Path], names: list[str], **files: bytes) -> str:
    """Shards as others write them: six grey pictures each, two of each of three classes."""
    for number, name in enumerate(names):
        held = {}
        for i in range(6):
            file = io.BytesIO()
            Image.new("L", (7, 5), 40 * (i % 3) + number).save(file, "PNG")
            held |= {f"{i}.png": file.getvalue(), f"{i}.cls": str(i % 3).encode()}
        archive(f"theirs/{name}.tar", held | files)
    return str(archive("theirs/unused.tar", {}).parent)


def test_foreign_shards_are_counted_and_a_fifth_is_held_back(archive: Callable[..., Path]) -> None:
    folder = foreign(archive, [f"{i:02}" for i in range(10)])
    found = data.load(f"{folder}/{{00..09}}.tar", side=5)
    assert isinstance(found.train, Stream)
    assert (len(found.train), len(found.test)) == (48, 12)
    assert found.train.classes == ("0", "1", "2")
    assert found.train.shape == (1, 5, 5)
    assert found.train.labels.bincount().tolist() == [16] * 3
    assert found.notes[:2] == (
        "3 classes, called by the numbers of the labels",
        "2 of 10 shards are held back for testing",
    )
    ((pixels, labels),) = found.train.batches(48)
    both = [(pixels, labels), (found.test.take(slice(None)), found.test.labels)]
    assert all(torch.equal(x[:, 0, 0, 0] // 40, y.byte()) for x, y in both)
    shards = [set((x[:, 0, 0, 0] % 40).tolist()) for x, _ in both]
    assert shards[0] | shards[1] == set(range(10))
    assert not shards[0] & shards[1]
    other = data.load(f"{folder}/{{00..09}}.tar", side=5, seed=1)
    assert not torch.equal(other.test.take(slice(None)), found.test.take(slice(None)))


def test_foreign_shards_say_their_parts_and_their_folder_their_classes(
    archive: Callable[..., Path],
) -> None:
    folder = foreign(archive, ["pets-train-0", "pets-train-1", "pets-Validation-0", "trainer"])
    Path(folder, "classes.txt").write_text("ant\nbee\ncat\n")
    found = data.load(f"{folder}/pets-{{train-0,train-1,Validation-0}}.tar", side=5)
    assert found.train.classes == ("ant", "bee", "cat")
    assert (len(found.train), len(found.test), found.val) == (12, 6, None)
    assert "those called val are what is tested on" in found.notes[1]
    Path(folder, "classes.txt").write_text("ant\nbee\n")
    with pytest.raises(DataError, match="has the label '2', but 2 classes are named in"):
        data.load(f"{folder}/pets-{{train-0,train-1,Validation-0}}.tar", side=5)


def test_classes_by_name(archive: Callable[..., Path]) -> None:
    for shard in range(2):
        held = {}
        for i, name in enumerate(("wolf", "bear")):
            file = io.BytesIO()
            Image.new("RGB", (5, 5), (i, 0, 0)).save(file, "PNG")
            held |= {f"{i}.png": file.getvalue(), f"{i}.json": json.dumps({"label": name}).encode()}
        archive(f"{('train', 'test')[shard]}.tar", held)
    folder = archive("unused.tar", {}).parent
    found = data.load(f"{folder}/{{train,test}}.tar", side=5)
    assert found.test.classes == ("bear", "wolf")
    assert found.test.labels.tolist() == [1, 0]
    assert found.train.shape == (3, 5, 5)


def test_foreign_shards_are_counted_once(
    archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = foreign(archive, ["train", "test"])
    first = data.load(f"{folder}/{{train,test}}.tar", side=5)
    monkeypatch.setattr(counting, "samples", None)
    again = data.load(f"{folder}/{{train,test}}.tar", side=5)
    assert again.train.fingerprint() == first.train.fingerprint()


def test_one_foreign_shard_cannot_be_divided(archive: Callable[..., Path]) -> None:
    folder = foreign(archive, ["all"])
    with pytest.raises(DataError, match=r"all\.tar is a single shard"):
        data.load(f"{folder}/all.tar")
    with pytest.raises(DataError, match=r"unused\.tar holds no pictures with labels"):
        data.load(f"{folder}/{{all,unused}}.tar")


def test_an_index_is_the_same_wherever_it_lies(shards: Path, tmp_path: Path) -> None:
    shutil.copytree(shards, tmp_path / "copy")
    a, b = (Index.read(folder / "index.json") for folder in (shards, tmp_path / "copy"))
    assert a.fingerprint("train") == b.fingerprint("train")
    assert a.shards[0].path != b.shards[0].path
