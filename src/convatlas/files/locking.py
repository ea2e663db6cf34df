"""One process at a time: locks that the system lets go of when their process dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def lock(file: int, *, wait: bool) -> bool:
    """Lock an open file, by its descriptor, until it is closed; false where another one has it.

    Windows and some network disks have no such locks, and everyone gets them: what two processes
    then write at once is still whole, and the later one's.

    Args:
        file: of a file or a folder.
        wait: until it is free.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether this is the only one inside ``alone`` with that folder, which has to be there."""
    try:
        opened = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        yield True
        return
    try:
        yield lock(opened, wait=False)
    finally:
        os.close(opened)
