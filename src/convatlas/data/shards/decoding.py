"""From the bytes of samples to pixels and labels, in order, by threads that run a little ahead."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain, count, islice, takewhile

import torch
from torch import Tensor

from convatlas.data import augment
from convatlas.data.decode import decode
from convatlas.data.preprocess import Preprocess
from convatlas.data.shards import order
from convatlas.data.shards.index import Index
from convatlas.data.shards.samples import Sample
from convatlas.data.store.reading import ahead

#: pictures that a thread decodes at a time
PORTION = 16
_SMALL = 1 << 13  # bytes of a picture below which threads only wait for one another's Python

#: uint8 (C, h, w), and the number of the class
Decoded = tuple[Tensor, int]


def fitted(
    pictures: Iterator[Sample], index: Index, side: int, depth: int = 2 * PORTION
) -> Iterator[Decoded]:
    """Each at ``(C, side, side)``: the short side resized, then the centre.

    Args:
        pictures: undecoded.
        index: whose classes and channels they have.
        side: of what comes, in pixels.
        depth: how many pictures the threads may be ahead.

    Raises:
        DataError: one cannot be decoded, or its label is no class.
    """
    channels = index.channels
    spec = Preprocess(side, side, channels, (0.0,) * channels, (1.0,) * channels)

    def work(portion: tuple[int, list[Sample]]) -> list[Decoded]:
        return [
            (spec.fit(decode(x.content, channels, side, x.name)), index.number(x.label, x.name))
            for x in portion[1]
        ]

    return _in_portions(work, pictures, index, 0, depth)


def cropped(
    pictures: Iterator[Sample], index: Index, size: int, depth: int, draws: tuple[int, ...], at: int
) -> Iterator[Decoded]:
    """A random resized crop of each original, ``(C, size, size)``.

    Args:
        pictures, index, depth: as of `fitted`.
        size: of the crops, in pixels.
        draws: what they are drawn from: seed, epoch, rank. Each portion has draws of its own, so
            that neither threads nor a resumed run change them.
        at: the number of the first portion.

    Raises:
        DataError: as `fitted`.
    """

    def work(portion: tuple[int, list[Sample]]) -> list[Decoded]:
        number, some = portion
        generator = torch.Generator().manual_seed(order.draws(*draws, number).getrandbits(63))
        originals = [decode(x.content, index.channels, None, x.name) for x in some]
        sizes = torch.tensor([picture.shape[1:] for picture in originals])
        boxes = augment.draw_boxes(sizes, generator)
        return [
            (augment.crop_box(picture, box, size), index.number(x.label, x.name))
            for x, picture, box in zip(some, originals, boxes.tolist(), strict=True)
        ]

    return _in_portions(work, pictures, index, at, depth)


def _in_portions(
    work: Callable[[tuple[int, list[Sample]]], list[Decoded]],
    pictures: Iterator[Sample],
    index: Index,
    at: int,
    depth: int,
) -> Iterator[Decoded]:
    small = sum(shard.bytes for shard in index.shards) < _SMALL * index.count
    workers = 1 if small else os.cpu_count() or 1
    some = takewhile(lambda one: one[1], ((n, list(islice(pictures, PORTION))) for n in count(at)))
    return chain.from_iterable(ahead(work, some, workers, max(depth // PORTION, workers)))
