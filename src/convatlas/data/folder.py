"""Your own pictures: a folder with a folder for each class.

Either ``root/CLASS/picture.jpg``, of which a fifth is held back, or the same inside ``root/train``
and ``root/test`` (or ``val``, ``valid``, ``validation``).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from convatlas.data.imageset import Dataset, ImageSet
from convatlas.data.preprocess import Preprocess
from convatlas.data.split import stratified
from convatlas.errors import DataError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_HELD_BACK = ("test", "val", "valid", "validation")
_GREY_MODES = ("1", "L", "LA", "La", "I")  # and "I;16" in its byte orders
_DEFAULT_SIDE = 224


def load(root: Path, side: int | None, seed: int) -> Dataset:
    """All pictures below ``root``, decoded once to ``side × side`` (224 where None).

    They are grey if every file is, and RGB otherwise. The short side is resized to ``side`` and
    the centre kept, by `Preprocess`. Classes are in alphabetical order; hidden files, and files
    that are no pictures by their suffix, are passed over.

    Raises:
        DataError: no classes, one class, an empty class, a test class that training does not
            have, or pictures that cannot be read.
    """
    learned, tested = root, None
    if (root / "train").is_dir():
        learned = root / "train"
        tested = next((root / part for part in _HELD_BACK if (root / part).is_dir()), None)
    classes = _classes(learned)
    files, labels = _pictures(learned, classes)
    if tested is None:
        train, test = stratified(labels, classes, seed)
    else:
        if strange := sorted(set(_classes(tested)) - set(classes)):
            raise DataError(
                f"{tested} has the class {strange[0]!r}, which {learned} does not have: what is "
                "tested must have been learned"
            )
        more, more_labels = _pictures(tested, classes)
        train, test = torch.arange(len(files)), len(files) + torch.arange(len(more))
        files, labels = [*files, *more], torch.cat([labels, more_labels])

    images = _decode(root, files, side or _DEFAULT_SIDE)
    name = root.resolve().name
    return Dataset(
        name,
        ImageSet(f"{name} train", images[train], labels[train], classes),
        ImageSet(f"{name} test", images[test], labels[test], classes),
    )


def pictures_in(root: Path) -> list[Path]:
    """Every picture below ``root``, by its suffix, in the order of names; hidden files are none."""
    return sorted(
        Path(folder) / file
        for folder, _, inside in os.walk(root)
        for file in inside
        if Path(file).suffix.lower() in SUFFIXES and not file.startswith(".")
    )


def _classes(root: Path) -> tuple[str, ...]:
    names = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(names) < 2:
        found = f"only the folder {names[0]!r}" if names else "no folders"
        raise DataError(
            f"{root} has {found} in it, but at least two were expected: a folder for each class, "
            "with its pictures inside"
        )
    return tuple(names)


def _pictures(root: Path, classes: tuple[str, ...]) -> tuple[list[Path], Tensor]:
    """Every picture, class by class in the order of names, and its label."""
    files: list[Path] = []
    labels: list[int] = []
    for number, name in enumerate(classes):
        if not (root / name).is_dir():
            continue  # a class that is learned and not tested
        found = pictures_in(root / name)
        if not found:
            raise DataError(
                f"{root / name} has no pictures in it: add some, or remove the folder if it is no "
                f"class (pictures end in {', '.join(SUFFIXES)})"
            )
        files += found
        labels += [number] * len(found)
    return files, torch.tensor(labels)


def _decode(root: Path, files: list[Path], side: int) -> Tensor:
    """uint8 ``(N, C, side, side)``, C being 1 where every file is grey, and 3 otherwise."""
    images = torch.empty(len(files), 3, side, side, dtype=torch.uint8)

    def decode(index: int) -> bool | DataError:
        try:
            grey = _is_grey(files[index])
            channels = 1 if grey else 3
            one = Preprocess(side, side, channels, (0.0,) * channels, (1.0,) * channels)
            images[index] = one.fit(one.decode(files[index]))
        except DataError as error:
            return error
        return grey

    with ThreadPoolExecutor() as pool:  # Pillow and torch both let go of the interpreter
        outcomes = list(pool.map(decode, range(len(files))))
    if broken := [outcome for outcome in outcomes if isinstance(outcome, DataError)]:
        raise DataError(
            f"{len(broken)} of {len(files)} pictures in {root} cannot be read: remove or replace "
            f"them and go on; the first: {broken[0]}"
        )
    return images[:, :1].clone() if all(outcomes) else images


def _is_grey(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as file:
            return file.mode in _GREY_MODES or file.mode.startswith("I;16")
    except Exception as error:  # a broken file can raise anything from Pillow's decoders
        raise DataError(f"{path} cannot be read as a picture: {error}") from error
