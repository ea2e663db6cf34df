"""What is needed next is made while what is there is used."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items, each made by a thread while the caller works with the one before.

    The thread ends with the iterator. Its operations are not spread over cores, which others use
    meanwhile.

    Args:
        items: only the thread asks it, and never for more than one item too many.
    """
    end: list[T] = []
    with ThreadPoolExecutor(1, "ahead", torch.set_num_threads, (1,)) as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]
