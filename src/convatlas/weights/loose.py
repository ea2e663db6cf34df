"""Tensors under unknown names, matched by order and shape, and refused wherever that may mislead.

A state dict lists tensors in the order in which a network's layers were registered, which is
mostly the order in which they run. Where two implementations of one network agree on that order,
the shapes agree from the first tensor to the last. Two tensors of one shape can then still stand
for each other, so whatever the names do tell must agree as well:

- layers that are numbered count upwards, and no block is left and entered again, as in every
  state dict of PyTorch; tensors in another order were sorted or shuffled;
- ``weight``, ``bias``, ``running_mean`` and ``running_var`` are what they say;
- what is called a shortcut is one.

Names that tell nothing ("alpha", "beta") guard nothing: that is what the report's table is for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

from convatlas.errors import ModelError
from convatlas.weights.wording import listed, times

Shapes = Mapping[str, tuple[int, ...]]

#: What a layer calls its tensors, in PyTorch's order.
ROLES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_SHORTCUT = re.compile("shortcut|downsample|skip|identity")
_NUMBER = re.compile(r"\d+$")


def match(own: Shapes, theirs: Shapes) -> dict[str, str]:
    """For each name of the network, the name of its tensor in the source.

    Two orders are tried: as registered, and the kernels in their order beside the normalisations
    in theirs, for blocks that register all their convolutions first (d2l's do).

    Args:
        own: shapes in the network, in its order.
        theirs: shapes in the source, in its order; without any counter of batches, the network's
            stay out, too.

    Raises:
        ModelError: tensors are left over on either side, or come in another order; the message is
            a clause that names them.
    """
    if () not in theirs.values():
        own = {name: shape for name, shape in own.items() if shape}
    _refuse_left_over(own, theirs)
    _refuse_shuffled(theirs)
    registered = dict(zip(_as_registered(own), _as_registered(theirs), strict=True))
    by_kind = dict(zip(_kernels_first(own), _kernels_first(theirs), strict=True))
    for pairs in (registered,) if _torn(own, by_kind) else (registered, by_kind):
        if all(_agree(own, a, theirs, b) for a, b in pairs.items()):
            _refuse_confused_shortcuts(pairs)
            return pairs
    a, b = next((a, b) for a, b in registered.items() if not _agree(own, a, theirs, b))
    raise ModelError(
        f"its tensors come in another order, where {b} ({times(theirs[b])}) stands in the "
        f"place of {a} ({times(own[a])})"
    )


def _agree(own: Shapes, a: str, theirs: Shapes, b: str) -> bool:
    return own[a] == theirs[b] and _role(b) in ("", _role(a))


def _role(name: str) -> str:
    """What the tensor is to its layer; empty where the name does not say."""
    role = name.rpartition(".")[2]
    return role if role in ROLES else ""


def _layer(name: str) -> str:
    return name.rpartition(".")[0] if _role(name) else name


def _layers(shapes: Shapes) -> list[list[str]]:
    """Names by layer; some write all parameters before all running statistics."""
    layers: dict[str, list[str]] = {}
    for name in shapes:
        layers.setdefault(_layer(name), []).append(name)
    return [sorted(names, key=lambda n: (*ROLES, "").index(_role(n))) for names in layers.values()]


def _as_registered(shapes: Shapes) -> list[str]:
    return [name for layer in _layers(shapes) for name in layer]


def _kernels_first(shapes: Shapes) -> list[str]:
    layers = sorted(_layers(shapes), key=lambda layer: _is_norm(shapes, layer))
    return [name for layer in layers for name in layer]


def _is_norm(shapes: Shapes, layer: list[str]) -> bool:
    return all(len(shapes[name]) < 2 for name in layer)


def _torn(own: Shapes, pairs: Mapping[str, str]) -> bool:
    """A kernel and the normalisation after it would come from two blocks of the source."""

    def block(layer: list[str]) -> str:
        return _layer(pairs[layer[0]]).rpartition(".")[0]

    return any(
        _is_norm(own, norm) and not _is_norm(own, kernel) and block(kernel) != block(norm)
        for kernel, norm in pairwise(_layers(own))
    )


def _refuse_left_over(own: Shapes, theirs: Shapes) -> None:
    both = Counter(own.values()) & Counter(theirs.values())
    surplus, lacking = (_beyond(shapes, both) for shapes in (theirs, own))
    left = [f"{listed(surplus)} in the source"] if surplus else []
    left += [f"{listed(lacking)} in the network"] if lacking else []
    if left:
        raise ModelError(f"left over are {' and '.join(left)}")


def _beyond(shapes: Shapes, both: Counter[tuple[int, ...]]) -> list[str]:
    left, beyond = Counter(both), []
    for name, shape in shapes.items():
        left[shape] -= 1
        if left[shape] < 0:
            beyond.append(f"{name} ({times(shape)})")
    return beyond


def _refuse_shuffled(names: Iterable[str]) -> None:
    """A state dict walks through each block once, and through numbered ones upwards."""
    entered: set[tuple[str, ...]] = set()
    counted: dict[tuple[str, ...], int] = {}
    path: tuple[str, ...] = ()
    for layer in dict.fromkeys(map(_layer, names)):
        before, path = path, tuple(layer.split("."))
        for depth in range(1, len(path) + 1):
            block = path[:depth]
            if before[:depth] == block:
                continue
            in_order = block not in entered
            if number := _NUMBER.search(block[-1]):
                siblings = (*block[:-1], block[-1][: number.start()])
                in_order &= counted.get(siblings, -1) < int(number[0])
                counted[siblings] = int(number[0])
            if not in_order:
                raise ModelError(
                    f"its tensors are not in the order of a network's layers ({layer} comes after "
                    f"{'.'.join(before)})"
                )
            entered.add(block)


def _refuse_confused_shortcuts(pairs: Mapping[str, str]) -> None:
    if not any(_SHORTCUT.search(theirs) for theirs in pairs.values()):
        return
    for own, theirs in pairs.items():
        if bool(_SHORTCUT.search(own)) != bool(_SHORTCUT.search(theirs)):
            raise ModelError(f"{theirs} stands in the place of {own}: one is a shortcut, one not")
