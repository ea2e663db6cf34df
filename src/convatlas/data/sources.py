"""Every data set by name, and folders by their path."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from convatlas.data import idx_folder, npz, shards, store
from convatlas.data.cifar import CIFAR10, CIFAR100
from convatlas.data.digits import Digits
from convatlas.data.imageset import Dataset
from convatlas.data.layouts import list_pictures
from convatlas.data.listing import Listing
from convatlas.data.mnist import FASHION_MNIST, MNIST
from convatlas.data.shapes import Shapes
from convatlas.errors import DataError, UnknownNameError


class Source(Protocol):
    """What makes a data set."""

    @property
    def name(self) -> str:
        """What `load` calls it."""

    def download_size(self, data_dir: Path | None) -> int:
        """Bytes that loading it would download; 0 where it is here already."""

    def load(self, data_dir: Path | None, side: int | None, seed: int) -> Dataset:
        """The data set; what the arguments mean is said by :func:`load`."""


_ALL: tuple[Source, ...] = (FASHION_MNIST, MNIST, CIFAR10, CIFAR100, Digits(), Shapes())
SOURCES: dict[str, Source] = {source.name: source for source in _ALL}

_DEFAULT_SIDE = 224
_FILES = (".csv", ".npz")
_ARCHIVES = {source.files[0].name: source for source in (CIFAR10, CIFAR100)}
_PICKLED = tuple(name.replace("binary", "python") for name in _ARCHIVES)


def load(
    source: str,
    *,
    data_dir: Path | None = None,
    side: int | None = None,
    seed: int = 0,
    cache: bool = True,
    full_size: bool = False,
    strict: bool = False,
    channels: int | None = None,
) -> Dataset:
    """A data set, fetched first where it is not on this machine.

    Args:
        source: a name of `SOURCES`; or the path of a folder with a folder for each class, of a
            CSV of paths and labels, of a folder of IDX files, of an ``.npz``, of an archive of
            CIFAR, of tar shards (their folder, its ``index.json``, or a pattern,
            ``shards/{000..063}.tar``). A name goes first: ``./digits`` is the folder.
        data_dir: where the files of a named data set are looked for before the user's cache. It
            is only read; downloads go to the cache.
        side: what the pictures of a folder are decoded to (224 where None), and the side of
            ``shapes`` (32); the others come at their own.
        seed: of what is held back where the source does not say, and of ``shapes``. It belongs to
            the data, not to a run: two runs compare, and a test is honest, only if it is the same.
        cache, full_size, strict, channels: of picture files, as `store.dataset` has them; the first
            three of shards, too, as `shards.load` (the originals in them are always there for
            crops).

    Raises:
        UnknownNameError: neither a name nor a folder.
        DataError: a file or folder is not as it should be.
        DownloadError: absent, and not to be had; says where it was looked for.
        StorageError: the cache cannot be written.
    """
    found = _load(source, data_dir, side, seed, cache, full_size, strict, channels)
    origin = {
        "source": source if source in SOURCES else str(Path(source).expanduser().absolute()),
        "data_dir": None if data_dir is None else str(data_dir.absolute()),
        "side": side,
        "seed": seed,
        "cache": cache,
        "full_size": full_size,
        "strict": strict,
        "channels": channels,
    }
    return replace(found, origin=origin)


def _load(
    source: str,
    data_dir: Path | None,
    side: int | None,
    seed: int,
    cache: bool,
    full_size: bool,
    strict: bool,
    channels: int | None,
) -> Dataset:
    if source in SOURCES:
        return SOURCES[source].load(data_dir, side, seed)
    if shards.claims(source):
        return shards.load(source, side or _DEFAULT_SIDE, seed=seed, cache=cache, strict=strict)
    path = _path(source)
    if path.suffix == ".npz":
        return npz.load(path, seed)
    if path.name in _ARCHIVES:
        return _ARCHIVES[path.name].load(path.parent, side, seed)
    if path.is_dir() and idx_folder.holds(path):
        return idx_folder.load(path)
    listing = list_pictures(path, seed)
    return store.dataset(
        listing,
        side or _DEFAULT_SIDE,
        cache=cache,
        full_size=full_size,
        strict=strict,
        channels=channels,
    )


def listed(source: str, seed: int = 0) -> Listing | None:
    """The picture files of a source, not looked at yet; None where it holds arrays or shards.

    Raises:
        UnknownNameError, DataError: as :func:`load`.
    """
    if source in SOURCES or shards.claims(source):
        return None
    path = _path(source)
    if path.suffix == ".npz" or path.name in _ARCHIVES:
        return None
    if path.is_dir() and idx_folder.holds(path):
        return None
    return list_pictures(path, seed)


def download_size(source: str, data_dir: Path | None = None) -> int:
    """Bytes that `load` would download; 0 where all of it is on this machine.

    Raises:
        UnknownNameError, DataError: as :func:`load`.
    """
    if source in SOURCES:
        return SOURCES[source].download_size(data_dir)
    if not shards.claims(source):
        _path(source)
    return 0


def _path(source: str) -> Path:
    path = Path(source).expanduser()
    if path.is_dir() or path.suffix in _FILES or path.name in _ARCHIVES:
        if path.exists():
            return path
        raise DataError(f"there is no file {source}")
    expected = (
        "a data set is a folder with a folder for each class, a .csv, a .npz, shards "
        "({000..063}.tar), an archive of CIFAR "
        f"({', '.join(_ARCHIVES)}), or one of {', '.join(SOURCES)}"
    )
    if path.name in _PICKLED:
        raise DataError(
            f"{source} holds Python pickles, which are never read, since they may run any code: "
            f"take the binary version, {path.name.replace('python', 'binary')}, from the same page"
        )
    if path.exists():
        raise DataError(f"{source} is a file, but {expected}")
    if os.sep in source or source.startswith(("~", ".")):
        raise DataError(f"there is no folder {source}: {expected}")
    raise UnknownNameError("data set or folder", source, SOURCES)
