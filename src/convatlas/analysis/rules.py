"""How every operation of PyTorch's core carries the receptive field from tensor to tensor.

Each function here is one way in which an operation can treat the axes of a picture; `RULES` says
which operation does which. Two conventions, both usual: statistics that a normalisation takes over
a map are not counted, and an operation that is not known here is taken to mix everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor

from convatlas.analysis.fields import (
    Axis,
    Field,
    Operation,
    along,
    broadcast,
    dropped,
    joined,
    regrouped,
)
from convatlas.analysis.receptive_field import Cells
from convatlas.analysis.windows import rank, windows

Rule = Callable[[Operation, Tensor, int], Field]


def carried(op: Operation, outputs: Sequence[Tensor]) -> list[Field]:
    """What the elements of each output of an operation see."""
    rule = _pointwise if op.pointwise else RULES.get(op.name, _mix)
    return [rule(op, out, index) for index, out in enumerate(outputs)]


def _mix(op: Operation, out: Tensor, index: int) -> Field:
    """Everything with everything: what an operation that is not known here may do."""
    return joined([tuple(axis.mixed() for axis in field) for _, field in op.inputs])


def _keep(op: Operation, out: Tensor, index: int) -> Field:
    """Element by element, out of the first input."""
    return op.inputs[0][1]


def _pointwise(op: Operation, out: Tensor, index: int) -> Field:
    """Element by element, out of all inputs; one that is broadcast is seen by every cell."""
    return joined([broadcast(x, field, out) for x, field in op.inputs])


def _slide(op: Operation, out: Tensor, index: int) -> Field:
    """A window: convolution and pooling. A convolution also mixes the dimension of channels."""
    found = windows(op.name, op.args)
    sliding = {dim: window.slide for dim, window in found.items()}
    mixed = {-len(found) - 1} if op.name == "convolution" else set()
    if len(op.inputs) > 1:  # a kernel that is itself computed from the picture
        return _mix(op, out, index)
    return along(*op.inputs[0], sliding, out, mixed)


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
    return along(x, field, {dim: spread(x.shape[dim], out.shape[dim]) for dim in dims}, out)


def _pad(op: Operation, out: Tensor, index: int) -> Field:
    """Cells added at both ends (or cut off, where the number is negative)."""

    def moved(before: int) -> Callable[[Cells], Cells]:
        return lambda cells: cells.gather(lambda o: (o - before,))

    before = op.args["pad" if "pad" in op.args else "padding"][::2]
    change = {-1 - i: moved(cells) for i, cells in enumerate(before)}
    return along(*op.inputs[0], change, out)


def _slice(op: Operation, out: Tensor, index: int) -> Field:
    """``x[start::step]`` along one dimension."""
    x, field = op.inputs[0]
    dim = _negative(op.args["dim"], x)
    start, _, step = slice(op.args["start"], op.args["end"], op.args["step"]).indices(x.shape[dim])

    def cut(cells: Cells) -> Cells:
        return cells.gather(lambda o: (start + o * step,), step=step)

    return along(x, field, {dim: cut}, out)


def _split(op: Operation, out: Tensor, index: int) -> Field:
    """Neighbouring pieces along one dimension."""
    x, field = op.inputs[0]
    sizes = op.args.get("split_sizes") or [op.args["split_size"]] * index
    start = sum(sizes[:index])
    change = {_negative(op.args["dim"], x): lambda cells: cells.gather(lambda o: (start + o,))}
    return along(x, field, change, out)


def _reduce(op: Operation, out: Tensor, index: int) -> Field:
    """A mean, sum or maximum over some dimensions, or over all."""
    x, field = op.inputs[0]
    given = op.args.get("dim")
    dims = range(x.dim()) if given is None or given == [] else given
    over = {_negative(d, x) for d in (dims if not isinstance(dims, int) else [dims])}
    return dropped(along(x, field, {}, out, over), () if op.args.get("keepdim") else over)


def _select(op: Operation, out: Tensor, index: int) -> Field:
    """One index of a dimension, which disappears."""
    x, field = op.inputs[0]
    dim, cell = _negative(op.args["dim"], x), op.args.get("index", index)

    def picked(axis: Axis) -> Axis:
        if axis.dim != dim:
            return axis
        seen = axis.cells[cell % axis.count] if axis.alone(x) else axis.mixed().cells[0]
        return Axis(Cells((seen,), 0), 1, None)

    return dropped(tuple(map(picked, field)), {dim})


def _choose(op: Operation, out: Tensor, index: int) -> Field:
    """Some indices of one dimension, in any order: ``x[:, channels]``."""
    x, field = op.inputs[0]
    if op.name == "index_select":
        return along(x, field, {}, out, {_negative(op.args["dim"], x)})
    chosen = [d for d, indices in enumerate(op.args["indices"]) if indices is not None]
    if len(chosen) > 1 or out.dim() != x.dim():
        return _mix(op, out, index)
    return along(x, field, {}, out, {d - x.dim() for d in chosen})


def _softmax(op: Operation, out: Tensor, index: int) -> Field:
    """Each element out of all along one dimension."""
    x, field = op.inputs[0]
    return along(x, field, {}, out, {_negative(op.args["dim"], x)})


def _product(op: Operation, out: Tensor, index: int) -> Field:
    """A matrix product: rows of the left, columns of the right, all between them mixed."""
    left = op.args.get("mat1", op.args.get("batch1", op.args.get("self")))
    fields = []
    for x, field in op.inputs:
        if x is left:
            fields.append(along(x, field, {}, out, {-1}))
        else:
            fields.append(along(x, field, {}, out, {-2}))
    return fields[0] if len(fields) == 1 else _mix(op, out, index)


def _concatenate(op: Operation, out: Tensor, index: int) -> Field:
    """Maps side by side: over channels each cell sees what it sees in all of them."""
    dim = _negative(op.args["dim"], out)
    return joined([along(x, field, {}, out, {dim}) for x, field in op.inputs])


def _stack(op: Operation, out: Tensor, index: int) -> Field:
    """Maps side by side in a dimension of their own."""
    dim = _negative(op.args["dim"], out)
    field = joined([field for _, field in op.inputs])
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


def _shuffle(op: Operation, out: Tensor, index: int) -> Field:
    """Channels laid out as r×r pixels of a finer map."""
    factor: int = op.args["upscale_factor"]

    def finer(cells: Cells) -> Cells:
        return cells.gather(lambda o: (o // factor,), every=factor)

    return along(*op.inputs[0], {-1: finer, -2: finer}, out)


def _expand(op: Operation, out: Tensor, index: int) -> Field:
    """Dimensions of size 1 repeated."""
    return broadcast(*op.inputs[0], out)


def _negative(dim: int, x: Tensor) -> int:
    """The dimension counted from the last."""
    return dim % x.dim() - x.dim()


#: make a tensor of the same kind as another, whose numbers they do not read
BLANK = frozenset(
    [
        "empty_like",
        "zeros_like",
        "ones_like",
        "full_like",
        "rand_like",
        "randn_like",
        "new_empty",
        "new_zeros",
        "new_ones",
        "new_full",
        "new_empty_strided",
    ]
)


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
    **_named(_pointwise, "copy"),
    **_named(
        _keep,
        "native_batch_norm _native_batch_norm_legit_no_training native_group_norm "
        "native_layer_norm _fused_rms_norm hardswish gelu _prelu_kernel rrelu_with_noise "
        "channel_shuffle clone _to_copy alias detach",
    ),
}
