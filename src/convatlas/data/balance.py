"""Classes of unequal size: how unequal, and two ways to make them count the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convatlas.errors import DataError


@dataclass(frozen=True)
class Imbalance:
    """The largest class beside the smallest.

    Attributes:
        ratio: pictures of the largest for each of the smallest; infinite where that has none.
        largest, smallest: their names.
        most, fewest: their pictures.
    """

    ratio: float
    largest: str
    smallest: str
    most: int
    fewest: int

    def __str__(self) -> str:
        return (
            f"{self.largest} has {self.most} pictures and {self.smallest} {self.fewest} "
            f"({self.ratio:.3g}:1)"
        )


def imbalance(labels: Tensor, classes: Sequence[str]) -> Imbalance:
    """How unequal the classes are.

    Args:
        labels: int64 ``(N,)``, indices into ``classes``.
        classes: their names.

    Raises:
        DataError: a label is no class, or there are no labels.
    """
    counts = _counts(labels, len(classes)).tolist()
    most, fewest = max(counts), min(counts)
    largest, smallest = classes[counts.index(most)], classes[counts.index(fewest)]
    return Imbalance(most / fewest if fewest else math.inf, largest, smallest, most, fewest)


def class_weights(labels: Tensor, num_classes: int) -> Tensor:
    """What the loss of a picture of each class is to be multiplied by, float32 ``(num_classes,)``.

    ``N / (K · n)`` for a class of ``n`` of the ``N`` pictures, ``K`` counting the classes that have
    any: in all, each class weighs the same, and the mean over the *pictures* is 1, so the learning
    rate means what it did. A class without pictures has weight 0.

    Args:
        labels: int64 ``(N,)``.
        num_classes: how many there are.

    Raises:
        DataError: a label is no class, or there are no labels.
    """
    counts = _counts(labels, num_classes).double()
    present = counts > 0
    weights = len(labels) / (present.sum() * counts.where(present, 1)) * present
    return weights.float()


def balanced_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """The order of an epoch in which every class comes equally often, int64 ``(N,)``.

    As many pictures as there are, so that an epoch is as long as before: those of small classes
    come several times, and of large ones only some do, others in each epoch. Classes come equally
    often to within one, and so do the pictures of a class, since they are dealt out and not drawn
    with replacement.

    Args:
        labels: int64 ``(N,)``.
        generator: where the numbers come from; another call gives another order.

    Raises:
        DataError: there are no labels.
    """
    counts = _counts(labels, int(labels.max()) + 1 if len(labels) else 0)
    sizes = counts[counts > 0].tolist()
    by_class = labels.argsort(stable=True)
    shares = torch.full((len(sizes),), len(labels) // len(sizes))
    shares[_shuffled(len(sizes), generator)[: len(labels) % len(sizes)]] += 1
    chosen, start = [], 0
    for size, share in zip(sizes, shares.tolist(), strict=True):
        # every picture of the class once, in a new order, as many times as it takes
        rounds = torch.rand(-(-share // size), size, generator=generator, device=generator.device)
        chosen.append(by_class[start + rounds.argsort(1).flatten()[:share].cpu()])
        start += size
    return torch.cat(chosen)[_shuffled(len(labels), generator)]


def _shuffled(count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(count, generator=generator, device=generator.device).cpu()


def _counts(labels: Tensor, num_classes: int) -> Tensor:
    """Pictures of each class, int64 ``(num_classes,)``."""
    if len(labels) == 0:
        raise DataError("there are no labels, but at least one picture is needed")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise DataError(
            f"labels run from {low} to {high}, but there are {num_classes} classes, numbered from 0"
        )
    return torch.bincount(labels, minlength=num_classes)
