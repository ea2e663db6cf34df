"""Where decoded pictures are kept: one folder of the user's cache for each source and form.

A folder is filled under another name and takes its own when it is whole, so whoever finds it can
use it. While it is filled a lock is held; whoever comes second waits and then uses what the first
has made. A process that is killed leaves a part folder, which the next one removes, and the system
lets go of its lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from convatlas import files
from convatlas.data.listing import Listing
from convatlas.errors import StorageError

_FORMAT = 2  # of what lies in the folders; another number is filled anew
_INDEX = "index.json"


def fingerprint(listing: Listing) -> str:
    """SHA-256 in hex of the files' names, sizes and times of change, in their order."""
    digest, root = hashlib.sha256(), os.fspath(listing.root)
    for name in listing.files:
        digest.update(os.fsencode(name))
        with suppress(OSError):  # a file that is gone is found out when it is decoded
            # by their strings: a Path for each takes five times as long as asking the system
            status = os.stat(f"{root}/{name}")  # noqa: PTH116
            digest.update(f"\0{status.st_size}\0{status.st_mtime_ns}".encode())
        digest.update(b"\n")
    return digest.hexdigest()


def place_of(listing: Listing, form: str) -> Path:
    """The folder for a source's pictures in a form ("256", "full")."""
    return place_at(listing.root, listing.name, form)


def place_at(path: Path, name: str, form: str) -> Path:
    """As `place_of`, for what lies at ``path`` and is called ``name``."""
    root = os.fsencode(path.resolve())
    name = re.sub(r"[^\w.-]+", "_", name)[:40]
    return files.cache_dir() / "pictures" / f"{name}-{hashlib.sha256(root).hexdigest()[:12]}-{form}"


def filled(
    place: Path, source: str, fill: Callable[[Path], dict[str, Any]]
) -> tuple[Path, dict[str, Any]]:
    """The folder with what ``fill`` makes of a source, made only where it is not there yet.

    Args:
        place: its path.
        source: fingerprint of what it is made from.
        fill: writes its files into the folder it is given and returns what there is to know.

    Returns:
        ``place``, and what ``fill`` returned when it was made.

    Raises:
        StorageError: it cannot be written; nothing of it is left behind.
    """
    if (known := _known(place, source)) is not None:
        return place, known
    try:
        with files.storing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.with_name(f".{place.name}.lock").open("w") as turn:
                files.lock(turn.fileno(), wait=True)
                if (known := _known(place, source)) is None:
                    known = _fill(place, source, fill)
    except StorageError as error:
        raise StorageError(f"{error}, or do without a cache (--no-cache)") from error
    return place, known


def _known(place: Path, source: str) -> dict[str, Any] | None:
    """What is known of a folder that was filled from this source, its files as long as then."""
    try:
        index = json.loads((place / _INDEX).read_bytes())
        if (index["format"], index["source"]) != (_FORMAT, source):
            return None
        if any((place / name).stat().st_size != size for name, size in index["sizes"].items()):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    known: dict[str, Any] = index["known"]
    return known


def _fill(place: Path, source: str, fill: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    part = place.with_name(f".{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
    part.mkdir()
    try:
        known = fill(part)
        sizes = {path.name: path.stat().st_size for path in sorted(part.iterdir())}
        index = {"format": _FORMAT, "source": source, "sizes": sizes, "known": known}
        files.write_bytes(part / _INDEX, json.dumps(index).encode())
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return known
