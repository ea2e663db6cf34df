"""What a layer costs: learned numbers and multiply-accumulates, as the products that give them.

They are the counts of `convatlas.analysis.trace`, written out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from convatlas.analysis.layers.result import Count
from convatlas.analysis.layers.sizes import each
from convatlas.analysis.layers.spec import Layer


def weight_shape(layer: Layer) -> tuple[int, ...]:
    """Of a layer with settled channels; empty where it multiplies by nothing that is learned."""
    options = layer.options
    match layer.kind.family:
        case "conv":
            return (options["out"], options["in"] // options["groups"], *each(layer, "kernel"))
        case "conv_transpose":
            return (options["in"], options["out"] // options["groups"], *each(layer, "kernel"))
        case "linear":
            return (options["out"], options["in"])
    return ()


def parameters(layer: Layer, shape: Sequence[int]) -> Count:
    """Learned numbers of the layer."""
    if layer.kind.family == "norm":
        # a scale and a shift: for every number of a picture, or for every channel; instance
        # normalisation has none of its own unless it is asked for
        name = layer.kind.name
        sizes = {"layer_norm": tuple(shape), "instance_norm": ()}.get(name, tuple(shape[:1]))
        return _product(2, *sizes) if sizes else Count(0)
    if layer.kind.name == "prelu":
        return Count(1)
    weight = weight_shape(layer)
    if not weight:
        return Count(0)
    count = _product(*weight)
    if not layer.options["bias"]:
        return count
    out = layer.options["out"]
    return Count(count.value + out, f"{count.formula} + {out}")


def macs(layer: Layer, shape: Sequence[int], output: Sequence[int]) -> Count:
    """Multiply-accumulates for one input; what is linear in the map does not count.

    Each output of a convolution takes a window of its group's channels; each input of a transposed
    one gives to such a window.
    """
    weight = weight_shape(layer)
    if layer.kind.family == "linear":
        return _product(*weight)
    if not weight:
        return Count(0)
    cells = output if layer.kind.family == "conv" else shape
    count = math.prod(cells) * math.prod(weight[1:])
    return Count(count, f"({_times(cells)})·({_times(weight[1:])})")


def _product(*sizes: int) -> Count:
    return Count(math.prod(sizes), _times(sizes))


def _times(sizes: Sequence[int]) -> str:
    return "·".join(map(str, sizes))
