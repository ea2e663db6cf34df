from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas import data
from convatlas.data import Preprocess
from convatlas.errors import DataError


def save(path: Path, level: int, shape: tuple[int, ...] = (10, 14, 3)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, level, np.uint8)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten cats of levels 0…9 and five dogs of 100…104, and things that are no pictures."""
    root = tmp_path / "pets"
    for i in range(10):
        save(root / "cat" / f"{i}.png", i)
    for i in range(5):
        save(root / "dog" / "inside" / f"{i}.PNG", 100 + i)
    (root / "notes.txt").write_text("no class")
    (root / "cat" / "notes.txt").write_text("no picture")
    (root / "cat" / ".hidden.png").write_text("no picture")
    (root / ".cache").mkdir()
    return root


def levels(part: data.ImageSet) -> list[int]:
    return part.images[:, 0, 0, 0].tolist()


def test_a_fifth_of_each_class_is_held_back_by_seed(root: Path) -> None:
    first = data.load(str(root), side=8)
    assert first.name == "pets"
    assert first.train.classes == first.test.classes == ("cat", "dog")
    assert first.train.images.shape == (12, 3, 8, 8)
    assert first.test.labels.tolist() == [0, 0, 1]
    assert sorted(levels(first.train) + levels(first.test)) == [*range(10), *range(100, 105)]
    for part in (first.train, first.test):
        assert [level >= 100 for level in levels(part)] == part.labels.bool().tolist()
    assert levels(data.load(str(root), side=8).test) == levels(first.test)
    assert any(
        levels(data.load(str(root), side=8, seed=s).test) != levels(first.test) for s in (1, 2)
    )


@pytest.mark.parametrize("half", ["test", "val", "valid", "validation"])
def test_a_given_split_is_kept(tmp_path: Path, half: str) -> None:
    for i, name in enumerate(("ant", "bee", "cow")):
        save(tmp_path / "train" / name / "x.png", i)
    save(tmp_path / half / "cow" / "x.png", 7)
    save(tmp_path / half / "ant" / "x.png", 6)
    found = data.load(str(tmp_path), side=4)
    assert found.train.labels.tolist() == [0, 1, 2]
    assert levels(found.train) == [0, 1, 2]
    assert found.test.labels.tolist() == [0, 2]
    assert levels(found.test) == [6, 7]


def test_train_alone_is_split(root: Path, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    root.rename(tmp_path / "all" / "train")
    assert len(data.load(str(tmp_path / "all"), side=8).test) == 3


def test_pixels_are_those_that_prediction_sees(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        for i in range(2):
            pixels = generator.integers(0, 256, (30, 40, 3), dtype=np.uint8)
            exif = Image.Exif()
            exif[0x0112] = 6
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.jpg", exif=exif)
    save(tmp_path / "a" / "grey.png", 77, (30, 40))
    found = data.load(str(tmp_path), side=16)
    spec = Preprocess.measure(found.train.images, 16)
    seen = torch.cat([found.train.images, found.test.images])
    for path in sorted(tmp_path.rglob("*.*g")):
        expected = spec.fit(spec.decode(path))
        assert (seen == expected).flatten(1).all(1).any(), path


def test_pictures_are_grey_if_every_file_is(tmp_path: Path) -> None:
    for i, name in enumerate(("a", "b")):
        for j in range(2):
            save(tmp_path / name / f"{j}.png", 10 * i + j, (6, 6))
    found = data.load(str(tmp_path), side=6)
    assert found.train.images.shape == (2, 1, 6, 6)
    save(tmp_path / "a" / "colour.png", 3, (6, 6, 3))
    assert data.load(str(tmp_path), side=6).train.images.shape[1] == 3


def refused(root: Path, **options: bool) -> str:
    with pytest.raises(DataError) as raised:
        data.load(str(root), side=8, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_unreadable_pictures_are_left_out_and_named(root: Path) -> None:
    (root / "cat" / "3.png").write_bytes((root / "cat" / "3.png").read_bytes()[:40])
    (root / "dog" / "empty.jpg").write_bytes(b"")
    found = data.load(str(root), side=8)
    assert len(found.train) + len(found.test) == 14
    assert found.notes[-1].startswith("2 of 16 pictures cannot be read and are left out: ")
    assert "cat/3.png" in found.notes[-1]
    assert "dog/empty.jpg" in found.notes[-1]
    said = refused(root, strict=True)
    assert "2 of 16 pictures cannot be read" in said
    assert "mend or remove them" in said


def test_wrong_folders_are_one_line(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "has no folders in it, but at least two" in refused(tmp_path / "empty")
    assert "has no folders in it" in refused(root / "dog" / "inside")
    assert "has only the folder 'inside' in it" in refused(root / "dog")
    (root / "eel").mkdir()
    assert f"{root / 'eel'} has no pictures in it" in refused(root)
    save(root / "eel" / "x.png", 0)
    assert "class 'eel' has 1 picture(s)" in refused(root)


def test_a_class_that_was_not_learned_is_refused(tmp_path: Path) -> None:
    for half, names in (("train", "ab"), ("test", "ac")):
        for name in names:
            save(tmp_path / half / name / "x.png", 0)
    said = refused(tmp_path)
    assert f"{tmp_path / 'test'} has the class 'c', which {tmp_path / 'train'} does not" in said
