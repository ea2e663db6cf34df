"""NumPy's ``.npz``: arrays of pictures and labels by name, as Keras and MedMNIST keep them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convatlas.data.imageset import Dataset, ImageSet
from convatlas.data.split import stratified
from convatlas.errors import DataError

#: the names of pictures and labels, by part, for each who names them so
_NAMES: tuple[Mapping[str, tuple[str, str]], ...] = (
    {"train": ("x_train", "y_train"), "test": ("x_test", "y_test"), "val": ("x_val", "y_val")},
    {part: (f"{part}_images", f"{part}_labels") for part in ("train", "test", "val")},
    {"train": ("images", "labels")},
)
_CHANNELS = (1, 3)


def load(path: Path, seed: int) -> Dataset:
    """The pictures of an ``.npz``.

    It holds ``x_train``, ``y_train``, ``x_test``, ``y_test``; or ``train_images``,
    ``train_labels``, ``test_images``, ``test_labels``; or ``images`` and ``labels``, of which a
    fifth is held back; and ``classes``, the names, if it likes. Pictures are ``(N, H, W)``,
    ``(N, H, W, C)`` or ``(N, C, H, W)`` with levels from 0 to 255; labels are numbers or names.

    Raises:
        DataError: another content, or arrays of Python objects, which are never unpickled.
    """
    arrays = _read(path)
    names = next((names for names in _NAMES if set(names["train"]) <= arrays.keys()), None)
    if names is None:
        raise DataError(
            f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}, but x_train, y_train, x_test "
            "and y_test were expected, or images and labels"
        )
    found = {part: pair for part, pair in names.items() if set(pair) <= arrays.keys()}
    images = {part: _images(path, arrays, pair[0]) for part, pair in found.items()}
    labels, classes = _labels(path, arrays, {part: pair[1] for part, pair in found.items()})
    notes = [f"{len(classes)} classes, from {', '.join(label for _, label in found.values())}"]
    sets = {
        part: ImageSet(f"{path.stem} {part}", images[part], labels[part], classes) for part in found
    }
    if "test" not in sets and "val" in sets:
        sets["test"] = sets.pop("val")
        notes.append("there is no part test, so the part val is tested on")
    elif "test" not in sets:
        learned, held = stratified(labels["train"], classes, seed)
        whole = sets["train"]
        sets = {"train": whole.subset(learned), "test": whole.subset(held)}
        notes.append(f"a fifth of each class is held back for testing (seed {seed})")
    return Dataset(path.stem, sets["train"], sets["test"], sets.get("val"), tuple(notes))


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        # opened here, since NumPy leaves open what it cannot read
        with path.open("rb") as raw:
            if not zipfile.is_zipfile(raw):
                raise ValueError("it is no zip archive, or is cut short")
            raw.seek(0)
            with np.load(raw, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as .npz: {error}") from error


def _images(path: Path, arrays: Mapping[str, NDArray[np.generic]], name: str) -> Tensor:
    array = arrays[name]
    if not np.issubdtype(array.dtype, np.integer) or array.size == 0:
        raise DataError(
            f"{path}: {name} is {array.dtype} of {array.shape}, but levels from 0 to 255 of at "
            "least one picture were expected"
        )
    if array.min() < 0 or array.max() > 255:
        raise DataError(
            f"{path}: {name} runs from {array.min()} to {array.max()}, but levels from 0 to 255 "
            "were expected"
        )
    images = torch.from_numpy(array.astype(np.uint8))
    if images.dim() == 3:
        return images[:, None]
    if images.dim() == 4 and images.shape[3] in _CHANNELS:
        return images.permute(0, 3, 1, 2).contiguous()
    if images.dim() == 4 and images.shape[1] in _CHANNELS:
        return images
    raise DataError(
        f"{path}: {name} is {tuple(images.shape)}, but (N, H, W), (N, H, W, C) or (N, C, H, W) "
        "with 1 or 3 channels was expected"
    )


def _labels(
    path: Path, arrays: Mapping[str, NDArray[np.generic]], names: Mapping[str, str]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Labels by part, numbered over all parts, and the names of the classes."""
    raw = {part: arrays[name].reshape(-1) for part, name in names.items()}
    known = np.unique(np.concatenate(list(raw.values())))
    if known.size == 0:
        raise DataError(f"{path}: there are no labels, but one for each picture was expected")
    if known.dtype.kind in "iu":
        last, count = int(known.max()), sum(map(len, raw.values()))
        if "classes" not in arrays and last >= count:
            raise DataError(
                f"{path}: a label is {last}, which makes more classes than the {count} pictures: "
                "number them from 0, or name them all in an array classes"
            )
        classes = tuple(map(str, arrays.get("classes", np.arange(last + 1)).reshape(-1).tolist()))
        if known.min() < 0 or last >= len(classes):
            raise DataError(
                f"{path}: labels run from {known.min()} to {last}, but there are "
                f"{len(classes)} classes, numbered from 0"
            )
        return {p: torch.from_numpy(x.astype(np.int64)) for p, x in raw.items()}, classes
    if known.dtype.kind != "U":
        raise DataError(f"{path}: labels are {known.dtype}, but numbers or names were expected")
    return (
        {p: torch.from_numpy(np.searchsorted(known, x)) for p, x in raw.items()},
        tuple(map(str, known)),
    )
