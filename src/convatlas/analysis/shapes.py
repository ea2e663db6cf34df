"""The line of arithmetic that gives an operation's output shape."""

from __future__ import annotations

import math

from torch import Tensor

from convatlas.analysis.fields import Operation, regrouped
from convatlas.analysis.windows import windows

_AXES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


def arithmetic(op: Operation, out: Tensor) -> str:
    """How the sizes of ``out`` come about; empty where nothing is computed.

    A window's formula (``⌊(224+2·3−7)/2⌋+1 = 112``), the channels that a concatenation adds up
    (``64+128+32+32 = 256``), the numbers that a flattened map has (``512·7·7 = 25088``), the
    cells that a pooling takes together (``7→1``), a dense layer's features (``25088→4096``).
    """
    x, field = op.inputs[0]
    axes = [axis.dim for axis in field if axis.dim is not None and axis.alone(x)]
    if found := windows(op.name, op.args):
        if "pool" in op.name:
            found = {d: w for d, w in found.items() if d in axes and (w.kernel, w.stride) != (1, 1)}
        return _per_axis([w.output_size(x.shape[d]).arithmetic for d, w in found.items()])
    match op.name:
        case "cat":
            dim = op.args["dim"]
            sizes = [t.shape[dim] for t in op.args["tensors"] if t.dim()]
            return f"{'+'.join(map(str, sizes))} = {out.shape[dim]}"
        case "view" | "_unsafe_view" | "_reshape_alias" if axes:
            return _merged(x, out, {dim % x.dim() for dim in axes})
        case "constant_pad_nd" if axes:
            before, after = op.args["pad"][::2], op.args["pad"][1::2]
            sizes = [
                f"{x.shape[-1 - i]}+{b}+{a} = {out.shape[-1 - i]}"
                for i, (b, a) in enumerate(zip(before, after, strict=True))
                if -1 - i in axes and (b or a)
            ]
            return _per_axis(sizes[::-1])
        case "mean" | "amax" | "sum" if axes and op.args.get("dim"):
            over = [d for d in axes if d % x.dim() in {e % x.dim() for e in op.args["dim"]}]
            return _per_axis([f"{x.shape[d]}→1" for d in over])
        case "slice" if op.args["dim"] % x.dim() - x.dim() in axes:
            dim, step = op.args["dim"], op.args["step"]
            return f"⌈{x.shape[dim]}/{step}⌉ = {out.shape[dim]}" if step > 1 else ""
        case "mm" | "addmm":
            return f"{x.shape[-1]}→{out.shape[-1]}"
    if "adaptive" in op.name or "upsample" in op.name:
        return _per_axis([f"{x.shape[d]}→{out.shape[d]}" for d in axes])
    return ""


def _per_axis(lines: list[str]) -> str:
    """One line where all axes agree; else each with its name."""
    if len(set(lines)) < 2:
        return "".join(lines[:1])
    return "; ".join(f"{n}: {line}" for n, line in zip(_AXES[len(lines)], lines, strict=True))


def _merged(x: Tensor, out: Tensor, axes: set[int]) -> str:
    """The product of the dimensions that a flattening lays in a row."""
    for before, after in regrouped(x.shape, out.shape):
        if len(before) > 1 and len(after) == 1 and axes & set(before):
            sizes = [x.shape[d] for d in before]
            return f"{'·'.join(map(str, sizes))} = {math.prod(sizes)}"
    return ""
