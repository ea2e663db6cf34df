"""The pictures that a look at a layer can be drawn as."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from convatlas import ops, plots
from convatlas.analysis.layers.result import Look
from convatlas.analysis.layers.wording import times

_LARGEST = 36  # rows and columns of an array that is drawn in numbers

Draw = Callable[[BinaryIO | Path], None]


def pictures(look: Look) -> dict[str, Draw]:
    """Every picture of this layer by its name; the one that shows most comes first."""
    made: dict[str, Draw] = {}
    if look.image and look.layer.kind.axes and look.found is not None:
        made["responses"] = _responses(look.found.numbers)
    if look.layer.kind.family == "activation":
        made["function"] = partial(_function, name=look.layer.kind.name)
    if look.layer.kind.family == "norm":
        made["axes"] = plots.normalisation_axes
    title = f"{look.layer.kind.name}, {times(look.input)} → {times(look.output)}"
    if look.found is not None:
        if look.found.matrices:
            named = {name: values.numpy() for name, values in look.found.matrices.items()}
            made["matrix"] = partial(plots.matrices, named=named, title=title, zeros=False)
        flat = {name: _flat(values).numpy() for name, values in look.found.numbers.items()}
        small = {name: values for name, values in flat.items() if max(values.shape) <= _LARGEST}
        if small:
            made["numbers"] = partial(plots.matrices, named=small, title=title)
    if len(look.feeds) in (1, 2):
        *rows, columns = look.feeds.values()
        sides = (1, look.input[1]) if not rows else (look.input[1], look.input[2])
        above = rows[0] if rows else ((0,),)
        made["cells"] = partial(
            plots.feeding_cells, rows=above, columns=columns, sides=sides, title=title
        )
    return made


def _flat(values: Tensor) -> Tensor:
    """As a matrix: channels and kernels below each other."""
    return values.reshape(-1, values.shape[-1] if values.dim() else 1)


def _responses(numbers: dict[str, Tensor]) -> Draw:
    answers = next(values for name, values in numbers.items() if name.startswith("output"))
    maps = {f"channel {i}": answer.numpy() for i, answer in enumerate(answers)}
    return partial(plots.responses, picture=numbers["input"].numpy(), maps=maps)


def _function(target: BinaryIO | Path, name: str) -> None:
    facts = ops.ACTIVATIONS[name]
    x = torch.linspace(-6, 6, 601, dtype=torch.float64)
    plots.function_and_derivative(
        target,
        x.numpy(),
        facts.function(x).numpy(),
        facts.derivative(x).numpy(),
        name,
        formula=facts.formula,
        derivative_formula=facts.derivative_formula,
        bounds=facts.range,
    )
