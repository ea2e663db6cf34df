"""The facts that docs and command line state, each measured on the function itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from convatlas import ops
from convatlas.ops import ACTIVATIONS, Activation

FAR = 700.0  # e⁷⁰⁰ is about the largest power that float64 can hold
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)


def line(start: float, end: float, cells: int = 200_001) -> torch.Tensor:
    return torch.linspace(start, end, cells, dtype=torch.float64)


@every_activation
def test_names_are_those_of_the_functions(activation: Activation) -> None:
    assert ACTIVATIONS[activation.name] is activation
    assert hasattr(ops, activation.name)
    assert hasattr(ops, f"{activation.name}_derivative")


@every_activation
def test_the_derivative_is_the_functions(activation: Activation) -> None:
    x = line(-6, 6, 1000).requires_grad_()
    (slope,) = torch.autograd.grad(activation.function(x).sum(), x)
    torch.testing.assert_close(activation.derivative(x.detach()), slope, rtol=1e-13, atol=1e-15)


@every_activation
def test_the_range(activation: Activation) -> None:
    lowest, highest = activation.range
    y = activation.function(line(-FAR, FAR))
    assert lowest <= y.min()
    assert y.max() <= highest
    # a finite bound is come near to, and where there is none values grow as x does
    for bound, met in ((lowest, y.min().item()), (highest, y.max().item())):
        if math.isfinite(bound):
            assert met == pytest.approx(bound, abs=1e-12)
        else:
            at_twice = activation.function(math.copysign(2 * FAR, bound) * torch.ones(1).double())
            assert at_twice.item() == pytest.approx(2 * met, rel=1e-12)


@every_activation
def test_the_mean_over_standard_normal_numbers(activation: Activation) -> None:
    """Gauss–Legendre on each side of the bend at 0; beyond 12 the density is below 1e-31."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    total = 0.0
    for start, end in ((-12.0, 0.0), (0.0, 12.0)):
        x = torch.from_numpy(start + (end - start) * (nodes + 1) / 2)
        density = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        y = activation.function(x) * density
        total += float((torch.from_numpy(weights) * y).sum()) * (end - start) / 2
    assert total == pytest.approx(activation.mean, abs=1e-13)


def test_only_tanh_has_mean_zero() -> None:
    assert [name for name, activation in ACTIVATIONS.items() if activation.mean == 0] == ["tanh"]
    assert ACTIVATIONS["sigmoid"].mean == 0.5
    assert ACTIVATIONS["relu"].mean == pytest.approx(0.3989422804014327, abs=1e-16)


@every_activation
def test_the_largest_slope(activation: Activation) -> None:
    largest = activation.derivative(line(-20, 20)).max().item()
    assert largest == pytest.approx(activation.largest_slope, rel=1e-12)


@every_activation
def test_where_it_saturates(activation: Activation) -> None:
    """Ever flatter towards that end, without being flat; elsewhere the slope stays as it is."""
    for end in (-math.inf, math.inf):
        out = math.copysign(1, end) * torch.tensor([1.0, 4.0, 8.0, 16.0], dtype=torch.float64)
        slopes = activation.derivative(out)
        if end in activation.saturates:
            assert (slopes[1:] < 0.2 * slopes[:-1]).all()
            assert (slopes > 0).all()
        else:
            assert slopes.unique().numel() == 1


@every_activation
def test_where_it_dies(activation: Activation) -> None:
    x = line(-16, 16)
    dead = activation.derivative(x) == 0
    if activation.dies is None:
        assert not dead.any()
    else:
        start, end = activation.dies
        assert torch.equal(dead, (x >= start) & (x <= end))


def test_the_learned_slope_begins_where_pytorchs_does() -> None:
    from convatlas.ops.activation_facts import PRELU_START

    assert torch.nn.PReLU().weight.item() == PRELU_START
