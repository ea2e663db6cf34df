"""What is needed next is made while what is there is used."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import repeat
from typing import TypeVar

from convatlas.data.store.reading import ahead

T = TypeVar("T")


def one_ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items, each made by a thread while the caller works with the one before.

    The thread ends with the iterator. Its operations are not spread over cores, which others use
    meanwhile.

    Args:
        items: only the thread asks it, and for no more than one item too many.
    """
    end: list[T] = []
    for item in ahead(lambda _: next(items, end), repeat(None), workers=1, depth=1):
        if item is end:
            return
        yield item  # type: ignore[misc]
