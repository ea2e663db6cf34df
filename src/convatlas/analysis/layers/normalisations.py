"""The four normalisations, worked out with numbers: what is averaged, and what becomes of it."""

from __future__ import annotations

import torch
from torch import Tensor

from convatlas import ops
from convatlas.analysis.layers.result import Findings
from convatlas.analysis.layers.sizes import AXES
from convatlas.analysis.layers.spec import Layer
from convatlas.analysis.layers.wording import number


def normalisation(layer: Layer, x: Tensor) -> Findings:
    """Mean and variance of each part, and the numbers standardised.

    Args:
        layer: one of the four.
        x: a batch, ``(N, C, …)``.
    """
    eps = layer.options["eps"]
    name = layer.kind.name
    axes = ", ".join(AXES[x.dim() - 2])
    per_channel = ", ".join(part for part in ("N", axes) if part)
    match name:
        case "batch_norm":
            y = ops.batch_norm(x, None, None, training=True, eps=eps)
            parts, over, of = x.transpose(0, 1).flatten(1), per_channel, "channel"
        case "layer_norm":
            y = ops.layer_norm(x, tuple(x.shape[1:]), eps=eps)
            parts, over, of = x.flatten(1), f"C, {axes}".rstrip(", "), "picture"
        case "instance_norm":
            y = ops.instance_norm(x, eps=eps)
            parts, over, of = x.flatten(0, 1).flatten(1), axes, "channel of each picture"
        case _:
            groups = layer.options["groups"]
            y = ops.group_norm(x, groups, eps=eps)
            parts = x.reshape(len(x) * groups, -1)
            over, of = f"C/{groups}, {axes}".rstrip(", "), "group of channels of each picture"
    mean, variance = parts.mean(1), parts.var(1, correction=0)
    first = x.flatten()[0]
    notes = [
        f"averages over {over}: {parts.shape[1]} numbers for each {of}, {len(parts)} in all",
        f"y = (x − μ)/√(σ² + ε); the first: ({number(first)} − {number(mean[0])})"
        f"/√({number(variance[0])} + {eps:g}) = {number(y.flatten()[0])}",
        "σ² is biased, divided by the count itself; the output is standardised, not made normal",
    ]
    numbers = {
        f"input, a batch of {len(x)}": x,
        "mean μ": mean,
        "variance σ²": variance,
        "output (γ = 1, β = 0)": y,
    }
    if name == "batch_norm":
        notes += _batch_norm_notes(layer, x, mean, variance, numbers)
    return Findings(numbers, notes=tuple(notes))


def _batch_norm_notes(
    layer: Layer, x: Tensor, mean: Tensor, variance: Tensor, numbers: dict[str, Tensor]
) -> list[str]:
    """What only batch normalisation has: moving averages, and a γ and β that undo it."""
    eps = layer.options["eps"]
    momentum = layer.options["momentum"]
    scale = (variance + eps).sqrt()
    numbers["undone by γ = √(σ² + ε), β = μ"] = ops.batch_norm(
        x, None, None, scale, mean, training=True, eps=eps
    )
    moving_mean, moving_variance = torch.zeros_like(mean), torch.ones_like(mean)
    ops.batch_norm(x, moving_mean, moving_variance, training=True, momentum=momentum, eps=eps)
    numbers["moving mean after one step from 0"] = moving_mean
    numbers["moving variance after one step from 1"] = moving_variance
    numbers["output in evaluation, with the moving ones"] = ops.batch_norm(
        x, moving_mean, moving_variance, eps=eps
    )
    count = x.numel() // x.shape[1]
    return [
        f"moving = (1 − m)·old + m·new with m = {momentum:g}, PyTorch's convention; d2l writes "
        f"m·old + (1 − m)·new with m = {1 - momentum:g}, which is the same step",
        f"the moving variance takes the unbiased one, {count}/{count - 1} times as large; "
        "d2l's takes the biased one",
    ]
