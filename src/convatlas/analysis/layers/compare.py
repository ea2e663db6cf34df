"""Chains of layers beside each other: what they see, and what they cost.

Two 3×3 convolutions see what one 5×5 sees with 18/25 of its weights, three what a 7×7 sees with
27/49 (Simonyan and Zisserman 2015, section 2.3).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from torch import nn

from convatlas.analysis.layers import cost
from convatlas.analysis.layers.modules import module
from convatlas.analysis.layers.result import Count
from convatlas.analysis.layers.sizes import output_shape
from convatlas.analysis.layers.spec import Layer, read_chain, read_input
from convatlas.analysis.trace import ReceptiveField, trace
from convatlas.errors import ArgumentTypeError, ConfigError, ShapeError

_CHANNELS, _SIDE = 64, 56  # of an input, where none is given: ResNet's first stage
_LARGEST_DENOMINATOR = 512  # of a ratio that is also written as a fraction


@dataclass(frozen=True)
class Chain:
    """One of the layers or chains that are compared.

    Attributes:
        text: as it was written.
        output: shape without the batch.
        receptive_field: of a cell of the output; its stride is None where it sees all.
        parameters, macs: of all layers, for one input.
        parameter_ratio, mac_ratio: to those of the first chain; None where that has none.
    """

    text: str
    output: tuple[int, ...]
    receptive_field: ReceptiveField | None
    parameters: Count
    macs: int
    parameter_ratio: Fraction | None
    mac_ratio: Fraction | None


@dataclass(frozen=True)
class Comparison:
    """Chains for one input.

    Attributes:
        input: shape without the batch.
        chains: in the order that they were given in; ratios are to the first.
    """

    input: tuple[int, ...]
    chains: tuple[Chain, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it; a ratio is a number and, where that is short, a text."""
        ratios = ("parameter_ratio", "mac_ratio")
        return {
            "input": self.input,
            "chains": [
                asdict(chain) | {name: _ratio(getattr(chain, name)) for name in ratios}
                for chain in self.chains
            ],
        }


def compare(texts: Sequence[str], shape: str | None = None) -> Comparison:
    """Read chains and walk an input through each.

    Args:
        texts: two or more, each as `spec.read_chain` reads it.
        shape: of the input, ``64x56x56`` say; by default 64 channels (or what the first layer asks
            for) and 56 cells a side.

    Raises:
        ConvAtlasError: a layer cannot be, or does not fit what the one before it leaves.
    """
    if len(texts) < 2:
        raise ConfigError(
            f'compare takes two layers or more, but {len(texts)} was given: "conv2d k=5" '
            '"conv2d k=3 x2", say'
        )
    chains = [read_chain(text) for text in texts]
    layers = [layer for chain in chains for layer in chain]
    sliding = next((layer for layer in layers if layer.kind.axes), layers[0])
    asked = (chain[0].options.get("in") for chain in chains)
    channels = next(filter(None, asked), _CHANNELS)
    given = read_input(shape, sliding) if shape else (channels, *[_SIDE] * (sliding.kind.axes or 2))
    first: Chain | None = None
    made = []
    for text, chain in zip(texts, chains, strict=True):
        try:
            made.append(_walked(text, chain, given, first))
        except (ShapeError, ConfigError, ArgumentTypeError) as error:
            raise type(error)(f'in "{text}", {error}') from error
        first = made[0]
    return Comparison(given, tuple(made))


def ratio(value: Fraction | None) -> str:
    """``18/25 = 0.72``; the number alone where the fraction says nothing."""
    if value is None:
        return ""
    if value.denominator == 1:
        return str(value)
    number = f"{float(value):.2f}" if value >= Fraction(1, 10) else f"{float(value):.2g}"
    if value.denominator > _LARGEST_DENOMINATOR:
        return number
    return f"{value} = {number}"


def _walked(
    text: str, layers: Sequence[Layer], shape: tuple[int, ...], first: Chain | None
) -> Chain:
    """One chain, layer by layer for its sizes and as a whole for the rest."""
    given, modules, products = shape, [], []
    value = 0
    for each in [layer for layer in layers for _ in range(layer.repeat)]:
        settled = each.settled(shape)
        after = output_shape(settled, shape)
        modules.append(module(settled, shape))
        count = cost.parameters(settled, shape)
        value += count.value
        products += [count.formula] if count.formula else []
        shape = after
    with warnings.catch_warnings():
        # PyTorch has to copy the input there, which nothing here depends on
        warnings.filterwarnings("ignore", "Using padding='same' with even kernel")
        found = trace(nn.Sequential(*modules), given)
    return Chain(
        text,
        found.rows[-1].shape,
        found.rows[-1].receptive_field,
        Count(value, " + ".join(products)),
        found.macs,
        _over(value, first.parameters.value if first else value),
        _over(found.macs, first.macs if first else found.macs),
    )


def _over(value: int, first: int) -> Fraction | None:
    return Fraction(value, first) if first else None


def _ratio(value: Fraction | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"value": float(value), "text": ratio(value)}
