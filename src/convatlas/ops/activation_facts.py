"""What sets the activations apart, as numbers: the docs, the command line and the tests read them.

Every fact is of the function with its usual parameters, and is checked numerically.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from convatlas.ops.activations import (
    leaky_relu,
    leaky_relu_derivative,
    prelu,
    prelu_derivative,
    relu,
    relu_derivative,
    rrelu,
    rrelu_derivative,
    sigmoid,
    sigmoid_derivative,
    tanh,
    tanh_derivative,
)

#: slope below zero with which `torch.nn.PReLU` begins to learn
PRELU_START = 0.25
#: slope of `rrelu` in evaluation
RRELU_MEAN = (1 / 8 + 1 / 3) / 2


@dataclass(frozen=True, kw_only=True)
class Activation:
    """An activation function and the facts that decide where it is of use.

    Attributes:
        name: as in `convatlas.ops`.
        function, derivative: of a tensor of any shape, number by number.
        formula, derivative_formula: the two as text.
        range: the bounds of its values; a finite one is come near to, and met only by ReLU's 0.
        mean: of its values where x is standard normal. Values whose mean is not zero shift all
            the sums of the next layer to one side (LeCun et al. 1998, "Efficient BackProp").
        largest_slope: of its derivative; below 1, gradients shrink with every layer.
        saturates: the ends of the axis towards which the derivative fades to 0.
        dies: where the derivative is exactly 0, from the one to the other; None for nowhere. A unit
            whose inputs all lie there learns no more.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]
    formula: str
    derivative_formula: str
    range: tuple[float, float]
    mean: float
    largest_slope: float
    saturates: tuple[float, ...] = ()
    dies: tuple[float, float] | None = None


def _leaky_mean(slope: float) -> float:
    """∫ over the normal density of x above zero, and slope · x below: ``(1 − slope) / √(2π)``."""
    return (1 - slope) / math.sqrt(2 * math.pi)


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation(
            name="sigmoid",
            function=sigmoid,
            derivative=sigmoid_derivative,
            formula="1 / (1 + e⁻ˣ)",
            derivative_formula="σ(x) (1 − σ(x))",
            range=(0, 1),
            mean=1 / 2,  # σ(−x) = 1 − σ(x), and the normal density is even
            largest_slope=1 / 4,
            saturates=(-math.inf, math.inf),
        ),
        Activation(
            name="tanh",
            function=tanh,
            derivative=tanh_derivative,
            formula="(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)",
            derivative_formula="1 − tanh² x",
            range=(-1, 1),
            mean=0,  # tanh is odd
            largest_slope=1,
            saturates=(-math.inf, math.inf),
        ),
        Activation(
            name="relu",
            function=relu,
            derivative=relu_derivative,
            formula="max(0, x)",
            derivative_formula="1 where x > 0, else 0",
            range=(0, math.inf),
            mean=_leaky_mean(0),
            largest_slope=1,
            dies=(-math.inf, 0),
        ),
        Activation(
            name="leaky_relu",
            function=leaky_relu,
            derivative=leaky_relu_derivative,
            formula="x where x > 0, else a x; a = 0.01",
            derivative_formula="1 where x > 0, else a",
            range=(-math.inf, math.inf),
            mean=_leaky_mean(0.01),
            largest_slope=1,
        ),
        Activation(
            name="prelu",
            function=lambda x: prelu(x, x.new_tensor(PRELU_START)),
            derivative=lambda x: prelu_derivative(x, x.new_tensor(PRELU_START)),
            formula="x where x > 0, else a x; a learned, from ¼",
            derivative_formula="1 where x > 0, else a",
            range=(-math.inf, math.inf),
            mean=_leaky_mean(PRELU_START),
            largest_slope=1,
        ),
        Activation(
            name="rrelu",
            function=rrelu,
            derivative=rrelu_derivative,
            formula="x where x > 0, else a x; a drawn from ⅛ to ⅓",
            derivative_formula="1 where x > 0, else a",
            range=(-math.inf, math.inf),
            mean=_leaky_mean(RRELU_MEAN),
            largest_slope=1,
        ),
    )
}
