"""glibc's allocator while a network trains: every step wants what the last one has freed.

By itself glibc gives freed memory back to the system as soon as some tens of megabytes are free at
the end of a heap, and the system clears each page that it hands out again: thousands of them in a
step, a tenth of its time (docs/notes/memory.md).
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # M_… of malloc.h
_MIB = 2**20
# Larger blocks are the system's own business, as glibc has it: in a heap they would leave holes
# that the next block of the size does not fit into, and the heap would grow.
_LARGEST = 32 * _MIB


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Inside, up to a gigabyte of freed memory stays with the process; afterwards it goes back.

    It is a setting of the whole process. Where the allocator is not glibc's, nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    glibc = ctypes.CDLL(None)
    glibc.mallopt(_MMAP_THRESHOLD, _LARGEST)
    glibc.mallopt(_TRIM_THRESHOLD, 1024 * _MIB)
    glibc.mallopt(_TOP_PAD, 16 * _MIB)  # the heaps of threads go back whole but for this much
    try:
        yield
    finally:  # to where glibc's own rule ends at a program of large blocks
        glibc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
        glibc.mallopt(_TOP_PAD, 0)
        glibc.malloc_trim(0)
