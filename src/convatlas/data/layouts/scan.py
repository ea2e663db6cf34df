"""Picture files below a folder, by name alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from convatlas.errors import DataError

T = TypeVar("T")

#: what is taken for a picture
SUFFIXES = (
    ".bmp",
    ".gif",
    ".jfif",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)


def pictures_in(root: Path) -> list[Path]:
    """Every picture below ``root``, by its suffix, in the order of names; hidden files are none.

    Raises:
        DataError: a folder cannot be read.
    """
    return [root / name for name in picture_names(root)[0]]


def picture_names(root: Path) -> tuple[list[str], Counter[str]]:
    """As `pictures_in`, relative to ``root``, with ``/`` between folders; and what else there is.

    Links to folders are followed, except into a folder that they lie in.

    Returns:
        The names; and how many files there are of each other suffix, which are passed over.
    """
    status = _listable(root, root.stat)
    names, others = [], Counter[str]()
    for name in _walk(root, "", frozenset({(status.st_dev, status.st_ino)})):
        if name.lower().endswith(SUFFIXES):
            names.append(name)
        else:
            others[Path(name).suffix.lower() or "no suffix"] += 1
    return sorted(names), others


def folders_in(root: Path) -> list[str]:
    """The names of the folders in ``root``, in order, without the hidden ones.

    Raises:
        DataError: ``root`` cannot be read.
    """
    entries = _listable(root, lambda: list(os.scandir(root)))
    return sorted(e.name for e in entries if not e.name.startswith(".") and _is_folder(e))


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    for entry in _listable(folder, lambda: list(os.scandir(folder))):
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            status = entry.stat()
            here = (status.st_dev, status.st_ino)
            if here not in above:  # a link to a folder that holds it would never end
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", above | {here})
        else:
            yield prefix + entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that goes round in circles
        return False


def _listable(folder: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {error.strerror}; see that it is there and may be read"
        ) from error
