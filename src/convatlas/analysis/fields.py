"""What the elements of a tensor see, while it goes through a network.

A tensor that descends from the picture has one :class:`Axis` for each of the picture's axes: what
the cells along it see, and in which of the tensor's dimensions they now lie. Here are the few
things that can happen to them; `rules.py` says which operation does which.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from convatlas.analysis.receptive_field import Cells


@dataclass(frozen=True)
class Axis:
    """One axis of the picture, as a tensor carries it.

    Attributes:
        cells: what each of them sees.
        count: how many there are.
        dim: the dimension they lie in, counted from the last (−1); None where all is mixed and
            every element sees the same.
        apart: elements from a cell to the next in that dimension; more than 1 where a reshape has
            laid several dimensions in a row.
    """

    cells: Cells
    count: int
    dim: int | None
    apart: int = 1

    def mixed(self) -> Axis:
        """Every element sees what all the cells see together."""
        return Axis(self.cells.whole(self.count), 1, None)

    def alone(self, x: Tensor) -> bool:
        """Has a dimension of ``x`` to itself."""
        return self.dim is not None and x.shape[self.dim] == self.count


Field = tuple[Axis, ...]


def joined(fields: Sequence[Field]) -> Field:
    """The union of what several tensors of one shape see."""

    def join(first: Axis, other: Axis) -> Axis:
        if (first.dim, first.count, first.apart) == (other.dim, other.count, other.apart):
            return replace(first, cells=first.cells.union(other.cells, first.count))
        return Axis(first.mixed().cells.union(other.mixed().cells, 1), 1, None)

    made = fields[0]
    for field in fields[1:]:
        made = tuple(map(join, made, field))
    return made


def broadcast(x: Tensor, field: Field, out: Tensor) -> Field:
    """What elements of ``out`` see of ``x``: all of it along dimensions whose sizes differ."""
    fits = [axis.dim is None or x.shape[axis.dim] == out.shape[axis.dim] for axis in field]
    return tuple(axis if fit else axis.mixed() for axis, fit in zip(field, fits, strict=True))


def along(
    x: Tensor,
    field: Field,
    change: Mapping[int, Callable[[Cells], Cells]],
    out: Tensor,
    mixed: Collection[int] = (),
) -> Field:
    """Cells along some dimensions become others; a dimension in ``mixed`` becomes one."""

    def changed(axis: Axis) -> Axis:
        if axis.dim in mixed or (axis.dim in change and not axis.alone(x)):
            return axis.mixed()
        if axis.dim is None or axis.dim not in change:
            return axis
        return replace(axis, cells=change[axis.dim](axis.cells), count=out.shape[axis.dim])

    return tuple(changed(axis) for axis in field)


def dropped(field: Field, gone: Collection[int]) -> Field:
    """The same without some dimensions, which no axis lies in any more."""
    return tuple(
        axis if axis.dim is None else replace(axis, dim=axis.dim + sum(d > axis.dim for d in gone))
        for axis in field
    )


def regrouped(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Which dimensions of one shape become which of another: groups of equal products."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) and j < len(after):
        left, right = [i], [j]
        n, m = before[i], after[j]
        while n != m:
            if n < m:
                i += 1
                left.append(i)
                n *= before[i]
            else:
                j += 1
                right.append(j)
                m *= after[j]
        groups.append((left, right))
        i, j = i + 1, j + 1
    rest = (list(range(i, len(before))), list(range(j, len(after))))
    if groups:  # what is left over has size 1
        groups[-1] = (groups[-1][0] + rest[0], groups[-1][1] + rest[1])
        return groups
    return [rest]


@dataclass(frozen=True)
class Operation:
    """One call: its name, its arguments by name, and the tensors that descend from the picture."""

    name: str
    args: dict[str, Any]
    inputs: Sequence[tuple[Tensor, Field]]
    pointwise: bool

    @classmethod
    def of(
        cls,
        call: OpOverload[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        inputs: Sequence[tuple[Tensor, Field]],
    ) -> Operation:
        """Bind the arguments of ``call`` to their names; defaults where they are not given."""
        schema = call._schema.arguments
        bound = {a.name: a.default_value for a in schema if a.has_default_value()}
        bound |= dict(zip((a.name for a in schema), args, strict=False)) | kwargs
        name = call.overloadpacket.__name__
        name = name.removesuffix("_") if not name.startswith("_") else name
        return cls(name, bound, inputs, torch.Tag.pointwise in call.tags)
