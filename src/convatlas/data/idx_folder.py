"""A folder of IDX files under MNIST's four names, packed or not: EMNIST, KMNIST, one's own."""

from __future__ import annotations

from pathlib import Path

from convatlas.data import idx
from convatlas.data.imageset import Dataset, ImageSet
from convatlas.errors import DataError

_PARTS = {"train": ("train",), "test": ("t10k", "test")}
_KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")


def holds(folder: Path) -> bool:
    """Whether a folder has training pictures in an IDX file."""
    return bool(_candidates(folder, "train", _KINDS[0]))


def load(folder: Path) -> Dataset:
    """Both parts; classes are called by their numbers.

    Raises:
        DataError: a file is missing, there twice, or not as it should be.
    """
    sets = []
    files = {part: [_find(folder, part, kind) for kind in _KINDS] for part in _PARTS}
    values = {part: [idx.read(path) for path in paths] for part, paths in files.items()}
    last = max(int(labels.max()) for _, labels in values.values())
    classes = tuple(map(str, range(last + 1)))
    for part, (images, labels) in values.items():
        if images.dim() != 3 or labels.shape != images.shape[:1]:
            raise DataError(
                f"{files[part][0]} holds {tuple(images.shape)} and {files[part][1]} "
                f"{tuple(labels.shape)}, but (N, H, W) images and (N,) labels were expected"
            )
        name = f"{folder.resolve().name} {part}"
        sets.append(ImageSet(name, images[:, None], labels.long(), classes))
    train, test = sets
    note = f"{len(classes)} classes, called by their numbers: IDX files have no names for them"
    return Dataset(folder.resolve().name, train, test, notes=(note,))


def _candidates(folder: Path, part: str, kind: str) -> list[Path]:
    """Files of that kind, with any prefix (EMNIST's), the packed one only where it is alone."""
    found = {
        path.name.removesuffix(".gz"): path
        for word in _PARTS[part]
        for path in sorted(folder.glob(f"*{word}-{kind}*"), reverse=True)
        if path.name.removesuffix(".gz").endswith(f"{word}-{kind}")
    }
    return list(found.values())


def _find(folder: Path, part: str, kind: str) -> Path:
    found = _candidates(folder, part, kind)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DataError(
            f"{folder} must have one file {' or '.join(_PARTS[part])}-{kind} (or .gz), but it has "
            f"{names}: four such files make a data set, two for train and two for test"
        )
    return found[0]
