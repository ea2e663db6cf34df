"""What a look at a layer finds, with a name for everything."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from convatlas.analysis.layers.sizes import Feeds
from convatlas.analysis.layers.spec import Layer

_MOST_NUMBERS = 10_000  # beyond which an array is described, not written out


@dataclass(frozen=True)
class Count:
    """A number and the product that gives it; the product is empty where there is none."""

    value: int
    formula: str = ""


@dataclass(frozen=True)
class Findings:
    """What the numbers of one example show.

    Attributes:
        numbers: every array by its name, in the order of the computation.
        matrices: the layer as one matrix, where it is one and that is small.
        notes: what is to be seen in them, a sentence each.
    """

    numbers: dict[str, Tensor]
    matrices: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """A layer under the glass.

    Attributes:
        layer: with all its options.
        input, output: shapes without the batch.
        arithmetic: the line that gives the output's size, by axis.
        parameters: learned numbers.
        macs: multiply-accumulates for one input.
        feeds: the input cells of each output cell, by axis; cells outside of the input are padding.
        found: the numbers of the example; None where they would be too many to compute.
        image: whether the example is a picture.
    """

    layer: Layer
    input: tuple[int, ...]
    output: tuple[int, ...]
    arithmetic: dict[str, str]
    parameters: Count
    macs: Count
    feeds: dict[str, Feeds]
    found: Findings | None
    image: bool

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        found = self.found or Findings({})
        return {
            "layer": self.layer.kind.name,
            "options": dict(self.layer.options),
            "input": self.input,
            "output": self.output,
            "arithmetic": self.arithmetic,
            "parameters": {"value": self.parameters.value, "formula": self.parameters.formula},
            "macs": {"value": self.macs.value, "formula": self.macs.formula},
            "feeds": self.feeds,
            "numbers": {name: _array(values) for name, values in found.numbers.items()},
            "matrices": {name: _array(values) for name, values in found.matrices.items()},
            "notes": found.notes,
        }


def _array(values: Tensor) -> dict[str, Any]:
    """Shape and bounds of an array, and all its numbers where they are not too many.

    A number that is infinite or none, of which JSON knows nothing, becomes None.
    """
    small = values.numel() <= _MOST_NUMBERS
    return {
        "shape": tuple(values.shape),
        "min": _finite(values.min().item()),
        "max": _finite(values.max().item()),
        "mean": _finite(values.double().mean().item()),
        "values": _finite(values.tolist()) if small else None,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value if math.isfinite(value) else None
