"""Atomic writes.

Everything the library writes goes to a temporary file in the target's own folder, is flushed to
the disk, and takes the target's name in one step. Whoever reads the name sees the old content or
the new, never half of either, whatever stops the program.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from convatlas.errors import StorageError


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Inside, what the disk refuses becomes a :class:`StorageError` that names ``path``."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # torch.save answers the disk's error with a RuntimeError of its own
        refused = error if isinstance(error, OSError) else error.__context__
        if not isinstance(refused, OSError):
            raise
        raise StorageError(
            f"cannot write {path}: {refused.strerror or refused}; free some space or choose "
            "another place"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write; on leaving it becomes ``path``, and on an exception ``path`` stays as it is.

    Folders that are missing on the way are made. A symbolic link stays one: what it points to is
    replaced.

    Raises:
        StorageError: the disk is full, or the place may not be written (any OSError inside).
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    with storing(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            with suppress(OSError):  # after `replace` it is gone, which is what we want
                part.unlink()


def sweep(folder: Path) -> None:
    """Remove what processes that were killed left unfinished in a folder that nobody writes to now.

    Raises:
        StorageError: the disk does not let it go.
    """
    with storing(folder):
        for part in folder.glob(f".*.{'[0-9a-f]' * 8}.part"):
            part.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """``content`` as the file ``path``, whole or not at all.

    Raises:
        StorageError: as :func:`replacing`.
    """
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """As :func:`write_bytes`, in UTF-8."""
    write_bytes(path, content.encode())
