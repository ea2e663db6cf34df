"""A folder for each class, with or without folders for the parts around them.

::

    root/CLASS/….jpg                     a fifth of each class is held back for testing
    root/train/CLASS/….jpg
    root/val/CLASS/….jpg                 or valid, validation
    root/test/CLASS/….jpg
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch

from convatlas.data.layouts.names import refuse_alike
from convatlas.data.layouts.scan import SUFFIXES, folders_in, picture_names
from convatlas.data.listing import PARTS, Listing
from convatlas.data.split import stratified
from convatlas.errors import DataError

#: what each part may be called, in any case of letters
_NAMES = {"train": "train", "test": "test"} | dict.fromkeys(("val", "valid", "validation"), "val")

_LISTED = 5  # suffixes that a line names


def class_folders(root: Path, seed: int) -> Listing:
    """The pictures of a folder with a folder for each class.

    Classes are in alphabetical order; hidden files, and files that are no pictures by their
    suffix, are passed over.

    Args:
        root: the folder; its parts are those of its subfolders ``train``, ``test`` and ``val``
            (or ``valid``, ``validation``) where there is a ``train``.
        seed: of what is held back where there is neither a test nor a validation part.

    Raises:
        DataError: no classes, one class, an empty class, a class that training does not have,
            or names that differ by case only.
    """
    parts = _parts(root)
    learned = root / parts.get("train", "")
    classes = _classes(learned)
    files: list[str] = []
    labels: list[int] = []
    numbers: list[int] = []
    others: Counter[str] = Counter()
    for number, part in enumerate(PARTS):
        if part in parts or (part == "train" and not parts):
            prefix = f"{parts[part]}/" if parts else ""
            _refuse_strangers(root / prefix, learned, classes)
            for label, name in enumerate(classes):
                found, strange = _pictures(root / prefix / name, needed=part == "train")
                others.update(strange)
                files += [f"{prefix}{name}/{file}" for file in found]
                labels += [label] * len(found)
                numbers += [number] * len(found)
    members, belongs = torch.tensor(labels), torch.tensor(numbers, dtype=torch.uint8)
    notes = [f"{len(classes)} classes, one a folder of {learned}"]
    if others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(_LISTED))
        notes.append(f"{others.total()} files are no pictures by their suffix: {kinds}")
    drawn = set(parts) <= {"train"}
    if drawn:
        _, held = stratified(members, classes, seed)
        belongs[held] = PARTS.index("test")
        notes.append(f"a fifth of each class is held back for testing (seed {seed})")
    elif "test" not in parts:
        belongs[belongs == PARTS.index("val")] = PARTS.index("test")
        notes.append(f"there is no folder test, so {root / parts['val']} is what is tested on")
    name = root.resolve().name
    return Listing(name, root, classes, files, members, belongs, tuple(notes), drawn)


def _parts(root: Path) -> Mapping[str, str]:
    """The folder of each part, by the part's name; empty where the folders are the classes."""
    found: dict[str, str] = {}
    for folder in folders_in(root):
        part = _NAMES.get(folder.lower())
        if part in found:
            raise DataError(
                f"{root} has the folders {found[part]!r} and {folder!r} for one part: keep one"
            )
        if part is not None:
            found[part] = folder
    return found if "train" in found else {}


def _classes(root: Path) -> tuple[str, ...]:
    names = folders_in(root)
    if len(names) < 2:
        found = f"only the folder {names[0]!r}" if names else "no folders"
        raise DataError(
            f"{root} has {found} in it, but at least two were expected: a folder for each class, "
            "with its pictures inside"
        )
    refuse_alike(root, names)
    return tuple(names)


def _refuse_strangers(part: Path, learned: Path, classes: tuple[str, ...]) -> None:
    if strange := sorted(set(folders_in(part)) - set(classes)):
        raise DataError(
            f"{part} has the class {strange[0]!r}, which {learned} does not have: what is tested "
            "must have been learned"
        )


def _pictures(folder: Path, needed: bool) -> tuple[list[str], Counter[str]]:
    """The pictures of a class, and the suffixes of what else is there."""
    found, others = picture_names(folder) if folder.is_dir() else ([], Counter[str]())
    if needed and not found:
        raise DataError(
            f"{folder} has no pictures in it: add some, or remove the folder if it is no class "
            f"(pictures end in {', '.join(SUFFIXES)})"
        )
    return found, others
