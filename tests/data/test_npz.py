from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from convatlas import data
from convatlas.data import npz
from convatlas.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (10, 4, 5, 3), dtype=np.uint8)
LABELS = np.arange(10) % 2


def saved(path: Path, **arrays: object) -> Path:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def test_keras_names(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "m.npz",
        x_train=IMAGES[:6, ..., 0],
        y_train=LABELS[:6],
        x_test=IMAGES[6:, ..., 0],
        y_test=LABELS[6:],
    )
    found = npz.load(path, seed=0)
    assert found.train.images.shape == (6, 1, 4, 5)
    assert torch.equal(found.test.images[:, 0], torch.from_numpy(IMAGES[6:, ..., 0]))
    assert found.test.labels.tolist() == LABELS[6:].tolist()
    assert found.train.classes == ("0", "1")
    assert found.val is None


def test_medmnist_names_with_a_validation_part(tmp_path: Path) -> None:
    arrays = {}
    for i, part in enumerate(("train", "val", "test")):
        arrays[f"{part}_images"] = IMAGES[i : i + 4]
        arrays[f"{part}_labels"] = LABELS[i : i + 4, None]
    found = npz.load(saved(tmp_path / "m.npz", **arrays), seed=0)
    assert found.val is not None
    assert torch.equal(found.val.images, torch.from_numpy(IMAGES[1:5]).permute(0, 3, 1, 2))
    assert found.val.labels.tolist() == LABELS[1:5].tolist()


def test_pictures_and_labels_alone_are_split(tmp_path: Path) -> None:
    names = np.array(["dog", "cat"])[LABELS]
    found = npz.load(saved(tmp_path / "m.npz", images=IMAGES, labels=names), seed=0)
    assert found.train.classes == ("cat", "dog")
    assert (len(found.train), len(found.test)) == (8, 2)
    for part in (found.train, found.test):
        for image, label in zip(part.images, part.labels, strict=True):
            (number,) = np.flatnonzero((image.permute(1, 2, 0).numpy() == IMAGES).all((1, 2, 3)))
            assert part.classes[label] == names[number]


def test_channels_may_come_first_and_classes_have_names(tmp_path: Path) -> None:
    arrays = {"images": IMAGES.transpose(0, 3, 1, 2), "labels": LABELS, "classes": ["ant", "bee"]}
    found = npz.load(saved(tmp_path / "m.npz", **arrays), seed=0)
    assert found.train.images.shape == (8, 3, 4, 5)
    assert found.train.classes == ("ant", "bee")


def test_load_takes_its_path(tmp_path: Path) -> None:
    path = saved(tmp_path / "mine.npz", images=IMAGES, labels=LABELS)
    assert data.load(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": IMAGES}, "holds x, but x_train"),
        ({"images": IMAGES / 255, "labels": LABELS}, "images is float64"),
        ({"images": IMAGES.astype(int) * 2, "labels": LABELS}, "levels from 0 to 255"),
        ({"images": IMAGES[:, 0, 0], "labels": LABELS}, "images is (10, 3)"),
        ({"images": IMAGES, "labels": LABELS - 1}, "labels run from -1 to 0"),
        ({"images": IMAGES, "labels": LABELS, "classes": ["a"]}, "there are 1 classes"),
        ({"images": IMAGES, "labels": LABELS * 0.5}, "labels are float64"),
        ({"images": IMAGES, "labels": LABELS[:5]}, "10 images need"),
        ({"images": IMAGES, "labels": LABELS[:0]}, "there are no labels"),
        ({"images": IMAGES, "labels": LABELS * 10**12}, "more classes than the 10 pictures"),
        ({"images": IMAGES, "labels": LABELS, "classes": 7}, "there are 1 classes"),
        ({"images": np.array([{}]), "labels": LABELS}, "cannot be read as .npz"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    tmp_path: Path, arrays: dict[str, object], said: str
) -> None:
    with pytest.raises(DataError) as raised:
        npz.load(saved(tmp_path / "m.npz", **arrays), seed=0)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_damaged_archive(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.npz", images=IMAGES, labels=LABELS)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="no zip archive, or is cut short"):
        npz.load(path, seed=0)
