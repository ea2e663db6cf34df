"""What the C library does with memory that is freed.

By default glibc gives every block above 32 MiB back to the system at once and takes a new one for
the next batch, and the system clears it page by page: of turning 64 pictures of 224×224 into
float32 that is four fifths of the time (docs/notes/memory.md).
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt, <malloc.h>
_KEPT = 1 << 30  # bytes: blocks up to here are kept, and so much that is free at the end
_OWN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


@cache
def keep_freed() -> bool:
    """Let this process keep memory that it frees, for the batches to come.

    It then holds on to about as much as it needed at most. What the user has set in the
    environment is left alone, and where the C library is not glibc nothing happens.

    Returns:
        Whether it was done.
    """
    if any(os.environ.get(name) for name in _OWN):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
        ctypes.CDLL(None).gnu_get_libc_version  # noqa: B018 (absent where it is not glibc)
    except (AttributeError, OSError, TypeError):
        return False
    done = [mallopt(_MMAP_THRESHOLD, _KEPT), mallopt(_TRIM_THRESHOLD, _KEPT)]
    return all(done)
