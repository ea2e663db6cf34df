from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from convatlas.train.ahead import one_ahead


class Items:
    """Numbers, and who asked for how many of them."""

    def __init__(self, count: int) -> None:
        self.count, self.made, self.threads = count, 0, set()

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.made += 1
            self.threads.add((threading.current_thread().name, torch.get_num_threads()))
            yield number


def test_one_is_made_while_one_is_used() -> None:
    items, threads = Items(4), torch.get_num_threads()
    for number, item in enumerate(one_ahead(iter(items))):
        assert item == number
        deadline = time.monotonic() + 5
        while items.made < min(number + 2, 4) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert items.made == min(number + 2, 4)
    assert number == 3
    assert items.threads == {("ahead_0", 1)}
    assert torch.get_num_threads() == threads


def test_of_nothing_comes_nothing() -> None:
    assert list(one_ahead(iter(()))) == []
    assert list(one_ahead(iter([None, None]))) == [None, None]


def test_what_goes_wrong_is_raised_in_its_turn() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    made = one_ahead(items())
    assert next(made) == 1
    with pytest.raises(ValueError, match="the second"):
        next(made)


def test_the_thread_ends_with_the_iterator() -> None:
    made = one_ahead(iter(Items(100)))
    next(made)
    made.close()
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())
