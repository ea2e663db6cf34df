"""What works number by number, or on a vector: activations, softmax and its loss, dropout, LRN."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convatlas import ops
from convatlas.analysis.layers.result import Findings
from convatlas.analysis.layers.spec import Layer
from convatlas.analysis.layers.wording import number

_LARGEST_JACOBIAN = 144  # rows and columns


def activation(layer: Layer, x: Tensor) -> Findings:
    """The function, its derivative, and the facts that decide where it is of use."""
    facts = ops.ACTIVATIONS[layer.kind.name]
    low, high = map(number, facts.range)
    centred = abs(facts.mean) < 1e-9
    notes = (
        f"f(x) = {facts.formula}",
        f"f′(x) = {facts.derivative_formula}, {facts.largest_slope:g} at most",
        f"range: {low} to {high}",
        f"mean: {number(facts.mean)} where x is standard normal"
        f"{'' if centred else ', so that it is not centred on zero'}",
        f"saturates: {_where([f'towards {number(end)}' for end in facts.saturates])}",
        f"dies: {_where([_interval(*facts.dies)] if facts.dies else [])}",
    )
    numbers = {"x": x, "f(x)": facts.function(x), "f′(x)": facts.derivative(x)}
    return Findings(numbers, notes=notes)


def softmax(layer: Layer, x: Tensor) -> Findings:
    """Probabilities, and how each moves with each input."""
    logits = x.flatten()
    p = ops.softmax(logits, dim=0)
    notes = (
        f"pᵢ = eˣⁱ / Σⱼ eˣʲ: each from 0 to 1, together {number(p.sum())}",
        "∂pᵢ/∂xⱼ = pᵢ (δᵢⱼ − pⱼ): rows add up to 0, for one number added to all x changes nothing",
    )
    numbers = {"x": logits, "p": p}
    if len(p) <= _LARGEST_JACOBIAN:
        numbers["∂p/∂x"] = ops.softmax_jacobian(logits)
    return Findings(numbers, notes=notes)


def cross_entropy(layer: Layer, x: Tensor) -> Findings:
    """The loss of one answer, and its derivative: prediction minus truth."""
    logits, right = x.flatten(), layer.options["target"]
    target = torch.tensor(right)
    slope = ops.cross_entropy_derivative(logits, target)  # refuses what is no class, −100 too
    loss = ops.cross_entropy(logits, target)
    p = ops.softmax(logits, dim=0)
    notes = (
        f"class {right} is right: the loss is −log p = −log {number(p[target])} = {number(loss)}",
        f"guessing evenly would cost log {len(p)} = {number(math.log(len(p)))}",
    )
    numbers = {"logits": logits, "p = softmax": p, "derivative by the logits, p − q": slope}
    return Findings(numbers, notes=notes)


def dropout(layer: Layer, x: Tensor) -> Findings:
    """One draw in training (always the same), and evaluation."""
    p = layer.options["p"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        y = ops.dropout(x, p, training=True)
    kept = "" if p == 1 else f", and what stays is divided by 1 − p = {1 - p:g}"
    notes = (
        f"in training each number goes with probability {p:g}{kept}; "
        f"the mean is {number(x.mean())} before and {number(y.mean())} in this draw",
        "in evaluation it does nothing",
    )
    still = ops.dropout(x, p, training=False)
    numbers = {"input": x, "output in training": y, "output in evaluation": still}
    return Findings(numbers, notes=notes)


def local_response_norm(layer: Layer, x: Tensor) -> Findings:
    """Each number over a power of its neighbours in the channels."""
    y = ops.local_response_norm(x.unsqueeze(0), **layer.options)[0]
    size, alpha, beta, k = (layer.options[name] for name in ("size", "alpha", "beta", "k"))
    notes = (
        f"y = x / ({k:g} + {alpha:g}/{size} · Σ x²)^{beta:g}, summed over {size} channels around "
        "its own, at the same place",
        f"the paper's α is the whole factor, PyTorch's is divided by the size: α = {alpha:g} here "
        f"is {alpha / size:.4g} there",
    )
    return Findings({"input": x, "output": y}, notes=notes)


def _interval(low: float, high: float) -> str:
    return f"from {number(low)} to {number(high)}, where the derivative is exactly 0"


def _where(places: list[str]) -> str:
    return " and ".join(places) or "nowhere"
