"""Convolutions, transposed convolutions and dense layers: what one matrix does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from convatlas import ops
from convatlas.analysis.layers.result import Findings
from convatlas.analysis.layers.sizes import each
from convatlas.analysis.layers.spec import Layer

_LARGEST_MATRIX = 144 * 144  # elements beyond which a layer is not written as a matrix


def convolution(layer: Layer, x: Tensor, weight: Tensor) -> Findings:
    """``y = C x``: every row of C holds the same kernel, moved on."""
    y = getattr(ops, layer.kind.name)(x, weight, **_geometry(layer))
    matrices = {}
    if x.numel() * y.numel() <= _LARGEST_MATRIX:
        matrix = ops.conv_matrix(weight, tuple(x.shape), **_geometry(layer))
        matrices["C: output = C · input"] = matrix
    return Findings({"input": x, "weight": weight, "output": y}, matrices)


def transposed_convolution(layer: Layer, x: Tensor, weight: Tensor) -> Findings:
    """``y = Cᵀ x``, where C is the convolution that has the same weight and the shapes swapped."""
    y = getattr(ops, layer.kind.name)(x, weight, **_geometry(layer))
    forward = {name: value for name, value in _geometry(layer).items() if name != "output_padding"}
    back = getattr(ops, f"conv{layer.kind.axes}d")(y, weight, **forward)
    matrices = {}
    if x.numel() * y.numel() <= _LARGEST_MATRIX:
        matrix = ops.conv_transpose_matrix(weight, tuple(x.shape), **_geometry(layer))
        matrices["C: of the convolution"] = matrix.T
        matrices["Cᵀ: output = Cᵀ · input"] = matrix
    note = (
        "the convolution with the same weight does not bring the input back: Cᵀ is the transposed "
        "matrix of C, not its inverse, and a trained transposed layer has weights of its own"
    )
    undone = back.shape == x.shape and torch.allclose(back, x)
    stride = each(layer, "stride")
    numbers = {"input": x, "weight": weight}
    if max(stride) > 1:
        numbers["with zeros between, for a stride of 1"] = ops.zeros_between(x, stride)
    numbers |= {"output, Cᵀ · input": y, "and back, C · output": back}
    return Findings(numbers, matrices, () if undone else (note,))


def dense(layer: Layer, x: Tensor, weight: Tensor) -> Findings:
    """``y = W x``: the weight is the matrix, and every output sees every input."""
    y = ops.linear(x.flatten(), weight)
    small = weight.numel() <= _LARGEST_MATRIX
    matrices = {"W: output = W · input": weight} if small else {}
    return Findings({"input": x, "weight": weight, "output": y}, matrices)


def _geometry(layer: Layer) -> dict[str, Any]:
    """The options that a convolution and its matrix share."""
    names = ("stride", "padding", "output_padding", "dilation", "groups")
    return {name: layer.options[name] for name in names if name in layer.options}
