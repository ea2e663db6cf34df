"""A layer as a module of ``torch.nn``, to stand in a chain."""

from __future__ import annotations

import math

import torch
from torch import nn

from convatlas.analysis.layers.spec import Layer
from convatlas.errors import ConfigError

_ACTIVATIONS = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "rrelu": nn.RReLU,
}


def module(layer: Layer, shape: tuple[int, ...]) -> nn.Module:
    """The layer, with its channels settled, for an input of ``shape``, on the meta device.

    Raises:
        ConfigError: it takes more than one tensor, or PyTorch does not make it so.
    """
    try:
        with torch.device("meta"):
            return _module(layer, shape)
    except (ValueError, RuntimeError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{layer} cannot be made: {str(error).splitlines()[0]}") from error


def _module(layer: Layer, shape: tuple[int, ...]) -> nn.Module:
    options = dict(layer.options)
    kind, axes = layer.kind, layer.kind.axes
    along = axes or max(len(shape) - 1, 1)  # a normalisation has the axes of its input
    match kind.family:
        case "conv" | "conv_transpose":
            name = "Conv" if kind.family == "conv" else "ConvTranspose"
            in_, out, kernel = (options.pop(key) for key in ("in", "out", "kernel"))
            made: nn.Module = getattr(nn, f"{name}{axes}d")(in_, out, kernel, **options)
        case "max_pool" | "avg_pool":
            name = "MaxPool" if kind.family == "max_pool" else "AvgPool"
            options.pop("return_indices", None)
            made = getattr(nn, f"{name}{axes}d")(options.pop("kernel"), **options)
        case "adaptive_avg_pool":
            made = getattr(nn, f"AdaptiveAvgPool{axes}d")(options["output_size"])
        case "linear":
            dense = nn.Linear(math.prod(shape), options["out"], options["bias"])
            made = nn.Sequential(nn.Flatten(), dense)
        case "norm" if kind.name == "group_norm":
            made = nn.GroupNorm(options["groups"], shape[0], options["eps"])
        case "norm" if kind.name == "layer_norm":
            made = nn.LayerNorm(shape, options["eps"])
        case "norm":
            name = "BatchNorm" if kind.name == "batch_norm" else "InstanceNorm"
            made = getattr(nn, f"{name}{along}d")(shape[0], **options)
        case "lrn":
            made = nn.LocalResponseNorm(**options)
        case "dropout":
            made = nn.Dropout(options["p"])
        case "activation":
            made = _ACTIVATIONS[kind.name]()
        case "softmax":
            made = nn.Sequential(nn.Flatten(), nn.Softmax(dim=1))
        case _:
            raise ConfigError(f"{kind.name} takes two tensors, so it cannot stand in a chain")
    return made
