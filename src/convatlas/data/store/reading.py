"""Many pictures at once, by all cores: a whole listing in order, or a batch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from convatlas import progress
from convatlas.data.listing import Listing

A = TypeVar("A")
T = TypeVar("T")

_CHUNK = 16  # files that a thread takes at a time
_SMALL = 1 << 13  # bytes of a file below which threads only wait for one another's Python
_ASKED = 32  # files whose size is looked at


def in_order(work: Callable[[int], T], listing: Listing, doing: str = "decoding") -> Iterator[T]:
    """``work`` of each file's number, in order, with a bar that says what is being done.

    Threads run only a little ahead of the reader, so that what they make does not pile up.
    """
    starts, workers = range(0, len(listing), _CHUNK), os.cpu_count() or 1

    def chunk(start: int) -> list[T]:
        return [work(index) for index in range(start, min(start + _CHUNK, len(listing)))]

    with progress.bar(f"{doing} {listing.name}", len(listing)) as advance:
        alone = _are_small(listing)
        for done in map(chunk, starts) if alone else ahead(chunk, starts, workers, 2 * workers):
            yield from done
            advance(len(done))


def ahead(work: Callable[[A], T], jobs: Iterable[A], workers: int, depth: int) -> Iterator[T]:
    """``work`` of each job, in order, by threads that are at most ``depth`` jobs ahead.

    Whoever stops early waits for what has begun, and for nothing else.
    """
    todo = iter(jobs)
    with ThreadPoolExecutor(workers, "ahead", torch.set_num_threads, (1,)) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            waiting.extend(pool.submit(work, job) for job in islice(todo, depth))
            while waiting:
                done = waiting.popleft().result()
                waiting.extend(pool.submit(work, job) for job in islice(todo, 1))
                yield done
        finally:
            for future in waiting:
                future.cancel()


def batch_of(work: Callable[[A], Tensor], jobs: Sequence[A], shape: torch.Size) -> Tensor:
    """The picture ``(C, H, W)`` that ``work`` makes of each job: ``(N, C, H, W)``, channels last.

    A picture is put into its place as soon as it is there: a batch of them, kept until it is whole,
    is memory that the system must find anew each time.

    Args:
        work: a picture of one of ``jobs``.
        jobs: in the order of the batch.
        shape: ``(C, H, W)``.
    """
    channels, height, width = shape
    # NumPy's, since threads may not write to a tensor made in inference mode
    memory = np.empty((len(jobs), height, width, channels), np.uint8)

    def put(one: tuple[int, A]) -> None:
        memory[one[0]] = work(one[1]).permute(1, 2, 0).numpy()

    each(put, list(enumerate(jobs)))
    return torch.from_numpy(memory).permute(0, 3, 1, 2)


def each(work: Callable[[A], T], jobs: Sequence[A]) -> list[T]:
    """What ``work`` makes of each job of a batch, in order.

    Each thread takes its share at once: handing over picture by picture costs half as much again
    as cropping them.
    """
    threads = max(min(os.cpu_count() or 1, len(jobs)), 1)
    shares = _crew().map(
        lambda own: [work(job) for job in own], (jobs[k::threads] for k in range(threads))
    )
    done: list[T] = [*jobs]  # type: ignore[list-item]
    for k, share in enumerate(shares):
        done[k::threads] = share
    return done


@cache
def _crew() -> ThreadPoolExecutor:
    """Threads that stay, since a batch is over in the time it takes to start them."""
    return ThreadPoolExecutor(os.cpu_count(), "picture", torch.set_num_threads, (1,))


def evenly(listing: Listing, count: int) -> range:
    """The numbers of about ``count`` files, evenly spread."""
    return range(0, len(listing), max(len(listing) // count, 1))


def _are_small(listing: Listing) -> bool:
    """By the middle one of a few sizes; what is missing is found when it is decoded."""
    sizes = []
    for index in evenly(listing, _ASKED):
        try:
            sizes.append(listing.path(index).stat().st_size)
        except OSError:
            continue
    return bool(sizes) and sorted(sizes)[len(sizes) // 2] < _SMALL
