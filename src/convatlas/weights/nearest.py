"""Which network of the catalogue a checkpoint is of, by its shapes alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor

from convatlas.nets.build import build
from convatlas.nets.catalog import CATALOG

_CANDIDATES = 10  # built to be compared: those whose number of parameters is nearest


def nearest(tensors: Mapping[str, Tensor]) -> tuple[str, float]:
    """The network of the catalogue whose kernels have the most shapes in common with these.

    Returns:
        Its name, and `likeness`; a checkpoint for another number of classes lacks one kernel.
    """
    # the catalogue counts no auxiliary heads
    found = {name: t for name, t in tensors.items() if ".aux" not in f".{name}"}
    size = max(1, sum(tensor.numel() for tensor in found.values()))
    kernels = _kernels(found).total()
    names = {
        # a network and its plain counterpart have the same tensors: the first stands for both
        row.params: name
        for name, row in reversed(CATALOG.items())
        # more blocks than these have kernels: far from them, and slow to build
        if sum(row.options.get("depths", ())) <= kernels
    }
    sizes = sorted(names, key=lambda params: abs(math.log(params / size)))[:_CANDIDATES]
    alike = {}
    for name in (names[params] for params in sizes):
        with torch.device("meta"):
            own = build(name).deployed()[1]
        alike[name] = likeness(own, found), (_shapes(own) & _shapes(found)).total()
    best = max(alike, key=lambda name: alike[name])
    return best, alike[best][0]


def likeness(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """The share of kernels (tensors of two dimensions and more) whose shape both have, in [0, 1].

    Dice's coefficient of the two multisets. What has one dimension looks the same everywhere.
    """
    a, b = _kernels(one), _kernels(other)
    return 2 * (a & b).total() / max(1, a.total() + b.total())


def _kernels(tensors: Mapping[str, Tensor]) -> Counter[tuple[int, ...]]:
    return Counter(tuple(tensor.shape) for tensor in tensors.values() if tensor.dim() > 1)


def _shapes(tensors: Mapping[str, Tensor]) -> Counter[tuple[int, ...]]:
    return Counter(tuple(tensor.shape) for tensor in tensors.values())
