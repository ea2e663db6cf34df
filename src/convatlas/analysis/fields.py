"""How every operation of PyTorch's core carries the receptive field from tensor to tensor.

A tensor that descends from the picture has one :class:`Axis` for each of the picture's axes: what
the cells along it see, and in which of the tensor's dimensions they now lie. Each function here is
one way in which an operation can treat them; `RULES` says which operation does which.

Two conventions, both usual: statistics that a normalisation takes over a map are not counted, and
an operation that is not known here is taken to mix everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from convatlas.analysis.receptive_field import Cells
from convatlas.analysis.windows import rank, windows


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

    def fields(self, outputs: Sequence[Tensor]) -> list[Field]:
        """What the elements of each output see."""
        rule = _pointwise if self.pointwise else RULES.get(self.name, _mix)
        return [rule(self, out, index) for index, out in enumerate(outputs)]


Rule = Callable[[Operation, Tensor, int], Field]


def _mix(op: Operation, out: Tensor, index: int) -> Field:
    """Everything with everything: what an operation that is not known here may do."""
    return _joined([tuple(axis.mixed() for axis in field) for _, field in op.inputs])


def _keep(op: Operation, out: Tensor, index: int) -> Field:
    """Element by element, out of the first input."""
    return op.inputs[0][1]


def _pointwise(op: Operation, out: Tensor, index: int) -> Field:
    """Element by element, out of all inputs; one that is broadcast is seen by every cell."""
    return _joined([_broadcast(x, field, out) for x, field in op.inputs])


def _broadcast(x: Tensor, field: Field, out: Tensor) -> Field:
    fits = [axis.dim is None or x.shape[axis.dim] == out.shape[axis.dim] for axis in field]
    return tuple(axis if fit else axis.mixed() for axis, fit in zip(field, fits, strict=True))


def _joined(fields: Sequence[Field]) -> Field:
    """The union of what several tensors of one shape see."""

    def join(first: Axis, other: Axis) -> Axis:
        if (first.dim, first.count, first.apart) == (other.dim, other.count, other.apart):
            return replace(first, cells=first.cells.union(other.cells, first.count))
        return Axis(first.mixed().cells.union(other.mixed().cells, 1), 1, None)

    made = fields[0]
    for field in fields[1:]:
        made = tuple(map(join, made, field))
    return made


def _slide(op: Operation, out: Tensor, index: int) -> Field:
    """A window: convolution and pooling. A convolution also mixes the dimension of channels."""
    found = windows(op.name, op.args)
    sliding = {dim: window.slide for dim, window in found.items()}
    mixed = {-len(found) - 1} if op.name == "convolution" else set()
    if len(op.inputs) > 1:  # a kernel that is itself computed from the picture
        return _mix(op, out, index)
    return _along(*op.inputs[0], sliding, out, mixed)


def _along(
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


def _resample(op: Operation, out: Tensor, index: int, reach: int | None = None) -> Field:
    """From n cells to m, evenly spread.

    Args:
        reach: cells that an interpolation takes on each side of a place; 0 is the nearest one
            alone, None all that lie under the output cell (adaptive pooling).
    """
    x, field = op.inputs[0]
    if op.args.get("align_corners"):  # its grid does not repeat
        return _mix(op, out, index)

    def spread(n: int, m: int) -> Callable[[Cells], Cells]:
        def taps(o: int) -> range:
            if reach is None:
                return range(o * n // m, -(-(o + 1) * n // m))
            if reach == 0:
                return range(o * n // m, o * n // m + 1)
            left = ((2 * o + 1) * n - m) // (2 * m)  # of the centre, (o + ½)·n/m − ½
            return range(left - reach + 1, left + reach + 1)

        common = math.gcd(n, m)
        return lambda cells: cells.gather(taps, m // common, n // common)

    dims = range(-rank(op.name), 0)
    return _along(x, field, {dim: spread(x.shape[dim], out.shape[dim]) for dim in dims}, out)


def _pad(op: Operation, out: Tensor, index: int) -> Field:
    """Cells added at both ends (or cut off, where the number is negative)."""

    def moved(before: int) -> Callable[[Cells], Cells]:
        return lambda cells: cells.gather(lambda o: (o - before,))

    before = op.args["pad" if "pad" in op.args else "padding"][::2]
    change = {-1 - i: moved(cells) for i, cells in enumerate(before)}
    return _along(*op.inputs[0], change, out)


def _slice(op: Operation, out: Tensor, index: int) -> Field:
    """``x[start::step]`` along one dimension."""
    x, field = op.inputs[0]
    dim = _negative(op.args["dim"], x)
    start, _, step = slice(op.args["start"], op.args["end"], op.args["step"]).indices(x.shape[dim])

    def cut(cells: Cells) -> Cells:
        return cells.gather(lambda o: (start + o * step,), step=step)

    return _along(x, field, {dim: cut}, out)


def _split(op: Operation, out: Tensor, index: int) -> Field:
    """Neighbouring pieces along one dimension."""
    x, field = op.inputs[0]
    sizes = op.args.get("split_sizes") or [op.args["split_size"]] * index
    start = sum(sizes[:index])
    change = {_negative(op.args["dim"], x): lambda cells: cells.gather(lambda o: (start + o,))}
    return _along(x, field, change, out)


def _reduce(op: Operation, out: Tensor, index: int) -> Field:
    """A mean, sum or maximum over some dimensions, or over all."""
    x, field = op.inputs[0]
    given = op.args.get("dim")
    dims = range(x.dim()) if given is None or given == [] else given
    over = {_negative(d, x) for d in (dims if not isinstance(dims, int) else [dims])}
    return _dropped(_along(x, field, {}, out, over), () if op.args.get("keepdim") else over)


def _select(op: Operation, out: Tensor, index: int) -> Field:
    """One index of a dimension, which disappears."""
    x, field = op.inputs[0]
    dim, cell = _negative(op.args["dim"], x), op.args.get("index", index)

    def picked(axis: Axis) -> Axis:
        if axis.dim != dim:
            return axis
        seen = axis.cells[cell % axis.count] if axis.alone(x) else axis.mixed().cells[0]
        return Axis(Cells((seen,), 0), 1, None)

    return _dropped(tuple(map(picked, field)), {dim})


def _choose(op: Operation, out: Tensor, index: int) -> Field:
    """Some indices of one dimension, in any order: ``x[:, channels]``."""
    x, field = op.inputs[0]
    if op.name == "index_select":
        return _along(x, field, {}, out, {_negative(op.args["dim"], x)})
    chosen = [d for d, indices in enumerate(op.args["indices"]) if indices is not None]
    if len(chosen) > 1 or out.dim() != x.dim():
        return _mix(op, out, index)
    return _along(x, field, {}, out, {d - x.dim() for d in chosen})


def _dropped(field: Field, gone: Collection[int]) -> Field:
    """The same without some dimensions, which no axis lies in any more."""
    return tuple(
        axis if axis.dim is None else replace(axis, dim=axis.dim + sum(d > axis.dim for d in gone))
        for axis in field
    )


def _softmax(op: Operation, out: Tensor, index: int) -> Field:
    """Each element out of all along one dimension."""
    x, field = op.inputs[0]
    return _along(x, field, {}, out, {_negative(op.args["dim"], x)})


def _product(op: Operation, out: Tensor, index: int) -> Field:
    """A matrix product: rows of the left, columns of the right, all between them mixed."""
    left = op.args.get("mat1", op.args.get("batch1", op.args.get("self")))
    fields = []
    for x, field in op.inputs:
        if x is left:
            fields.append(_along(x, field, {}, out, {-1}))
        else:
            fields.append(_along(x, field, {}, out, {-2}))
    return fields[0] if len(fields) == 1 else _mix(op, out, index)


def _concatenate(op: Operation, out: Tensor, index: int) -> Field:
    """Maps side by side: over channels each cell sees what it sees in all of them."""
    dim = _negative(op.args["dim"], out)
    return _joined([_along(x, field, {}, out, {dim}) for x, field in op.inputs])


def _stack(op: Operation, out: Tensor, index: int) -> Field:
    """Maps side by side in a dimension of their own."""
    dim = _negative(op.args["dim"], out)
    field = _joined([field for _, field in op.inputs])
    moved = [a.dim if a.dim is None or a.dim > dim else a.dim - 1 for a in field]
    return tuple(replace(axis, dim=d) for axis, d in zip(field, moved, strict=True))


def _permute(op: Operation, out: Tensor, index: int) -> Field:
    """The same elements with dimensions in another order."""
    x, field = op.inputs[0]
    order = list(range(x.dim()))
    if op.name == "permute":
        order = [d % x.dim() for d in op.args["dims"]]
    elif x.dim() > 1:
        one, two = op.args.get("dim0", 0) % x.dim(), op.args.get("dim1", 1) % x.dim()
        order[one], order[two] = order[two], order[one]
    place = {old - x.dim(): new - x.dim() for new, old in enumerate(order)}
    return tuple(a if a.dim is None else replace(a, dim=place[a.dim]) for a in field)


def _view(op: Operation, out: Tensor, index: int) -> Field:
    """The same elements under another shape: a flattened map keeps what its cells see."""
    x, field = op.inputs[0]
    groups = regrouped(x.shape, out.shape)

    def viewed(axis: Axis) -> Axis:
        if axis.dim is None:
            return axis
        place = axis.dim + x.dim()
        before, after = next(group for group in groups if place in group[0])
        apart = axis.apart * math.prod(x.shape[d] for d in before if d > place)
        inner = 1
        for d in reversed(after):  # the dimension that holds the cells from first to last
            if apart % inner == 0 and apart * axis.count <= inner * out.shape[d]:
                return replace(axis, dim=d - out.dim(), apart=apart // inner)
            inner *= out.shape[d]
        return axis.mixed()  # cut into windows or patches

    return tuple(map(viewed, field))


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


def _shuffle(op: Operation, out: Tensor, index: int) -> Field:
    """Channels laid out as r×r pixels of a finer map."""
    factor: int = op.args["upscale_factor"]

    def finer(cells: Cells) -> Cells:
        return cells.gather(lambda o: (o // factor,), every=factor)

    return _along(*op.inputs[0], {-1: finer, -2: finer}, out)


def _expand(op: Operation, out: Tensor, index: int) -> Field:
    """Dimensions of size 1 repeated."""
    return _broadcast(*op.inputs[0], out)


def _negative(dim: int, x: Tensor) -> int:
    """The dimension counted from the last."""
    return dim % x.dim() - x.dim()


def _named(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


RULES: dict[str, Rule] = {
    **_named(
        _slide,
        "convolution avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices",
    ),
    **_named(
        _resample,
        "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d",
    ),
    **_named(
        partial(_resample, reach=0), "upsample_nearest1d upsample_nearest2d upsample_nearest3d"
    ),
    **_named(partial(_resample, reach=1), "upsample_linear1d upsample_bilinear2d"),
    **_named(partial(_resample, reach=2), "upsample_bicubic2d"),
    **_named(
        _pad,
        "constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d "
        "replication_pad1d replication_pad2d replication_pad3d",
    ),
    **_named(_slice, "slice"),
    **_named(_split, "split split_with_sizes"),
    **_named(_select, "select unbind"),
    **_named(_choose, "index index_select"),
    **_named(_reduce, "mean sum amax amin max min var"),
    **_named(_softmax, "_softmax _log_softmax _safe_softmax"),
    **_named(_product, "mm addmm bmm baddbmm"),
    **_named(_concatenate, "cat"),
    **_named(_stack, "stack"),
    **_named(_permute, "permute transpose t"),
    **_named(_view, "view _unsafe_view _reshape_alias unsqueeze squeeze"),
    **_named(_shuffle, "pixel_shuffle"),
    **_named(_expand, "expand"),
    **_named(
        _keep,
        "native_batch_norm _native_batch_norm_legit_no_training native_group_norm "
        "native_layer_norm _fused_rms_norm hardswish gelu _prelu_kernel rrelu_with_noise "
        "channel_shuffle clone _to_copy alias detach",
    ),
}
