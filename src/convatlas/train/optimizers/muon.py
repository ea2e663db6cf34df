"""Muon: momentum whose every step is an orthogonal matrix, for kernels and hidden dense layers.

PyTorch has it for matrices, and rounds them to bfloat16 whatever they are. A kernel is a matrix
with a row for each output channel; and where a processor has no bfloat16 arithmetic, that rounding
makes a step of a middling kernel take half a minute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_WIDE = 2  # columns to a row from which small products pay for themselves
_RMS = 0.2  # of AdamW's steps, measured: Moonshot's constant


class Muon(Optimizer):
    """``b ← μ b + (1 − μ) ∇``, ``w ← w − ε (λ w + s · orthogonal(b))`` for matrices and kernels.

    ``s = 0.2 √max(rows, columns)`` gives its steps the size of AdamW's (Liu et al., "Muon is
    Scalable for LLM Training", 2025, section 2.2), so that one learning rate and one weight decay
    serve both: AdamW trains what is no hidden matrix (biases, normalisation, the last layer).

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024).

    Args:
        groups: of parameters, with ``lr`` and ``weight_decay``; ``hidden`` says whether they are
            hidden matrices and kernels.
        momentum: μ.
        nesterov: whether a step looks ahead by ``∇ ← μ b + (1 − μ) ∇``.
        fused: of AdamW.
        mapped: calls a function with each kernel, as ``map`` does; by several threads, say, for no
            kernel's step depends on another's.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        momentum: float = 0.95,
        nesterov: bool = True,
        fused: bool = False,
        mapped: Callable[..., Iterable[None]] = map,
    ) -> None:
        self.rest: AdamW | None = None
        self.mapped = mapped
        self.prepared: dict[nn.Parameter, tuple[Tensor, Tensor]] = {}
        super().__init__(groups, {"momentum": momentum, "nesterov": nesterov})
        rest = [group for group in self.param_groups if not group["hidden"]]
        self.rest = AdamW(rest, fused=fused) if rest else None
        self._share()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.prepared = {}
        self._share()

    def _share(self) -> None:
        """AdamW works on groups and memory of this optimiser."""
        if self.rest is not None:
            self.rest.param_groups = [g for g in self.param_groups if not g["hidden"]]
            self.rest.state = self.state

    @property
    def hidden(self) -> dict[nn.Parameter, dict[str, Any]]:
        """The weights that are not AdamW's, each with its group."""
        return {p: g for g in self.param_groups if g["hidden"] for p in g["params"]}

    @torch.no_grad()
    def prepare(self, p: nn.Parameter) -> None:
        """The costly part of a weight's next step, as soon as its gradient is there.

        It may be left out, and changes nothing by itself; after it the gradient stays as it is.
        Threads may prepare different weights at once.
        """
        group = self.hidden.get(p)
        if group is not None:
            self.prepared[p] = self._direction(p, group)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of each parameter that has a gradient."""
        learned = [(p, group) for p, group in self.hidden.items() if p.grad is not None]
        learned.sort(key=lambda pair: pair[0].numel(), reverse=True)  # threads end about together
        for _ in self.mapped(self._step, [p for p, _ in learned], [g for _, g in learned]):
            pass
        self.prepared.clear()
        if self.rest is not None:
            self.rest.step()

    @torch.no_grad()  # of a thread's own
    def _step(self, p: nn.Parameter, group: dict[str, Any]) -> None:
        remembered, direction = self.prepared.get(p) or self._direction(p, group)
        self.state[p]["momentum_buffer"] = remembered
        size = _RMS * math.sqrt(max(direction.shape))
        weights = p.permute(_order(p))
        weights.mul_(1 - group["lr"] * group["weight_decay"])
        weights.add_(direction.view(weights.shape), alpha=-group["lr"] * size)

    def _direction(self, p: nn.Parameter, group: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """The next ``b``, and ``orthogonal(b)`` in the weight's `_order`."""
        grad = p.grad
        assert grad is not None
        remembered = self.state.get(p, {}).get("momentum_buffer")
        if remembered is None:
            remembered = torch.zeros_like(p)
        remembered = remembered.lerp(grad, 1 - group["momentum"])
        update = grad.lerp(remembered, group["momentum"]) if group["nesterov"] else remembered
        return remembered, orthogonal(update.permute(_order(p)).flatten(1))


def _order(kernel: Tensor) -> tuple[int, ...]:
    """Rows, then columns as they lie in memory, so that nothing is moved: any order would do."""
    return 0, *sorted(range(1, kernel.dim()), key=kernel.stride, reverse=True)


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly ``U Vᵀ`` of a matrix ``U S Vᵀ``: singular values between 0.7 and 1.2.

    Five Newton-Schulz iterations, each of which sends every singular value σ to
    ``3.4445 σ − 4.775 σ³ + 2.0315 σ⁵``; small ones grow fast, and none needs to arrive at 1.

    Args:
        matrix: ``(m, n)``, in any floating-point format, which the arithmetic keeps.
    """
    wide = matrix.T if len(matrix) > matrix.shape[1] else matrix
    x = wide / wide.norm().clamp(min=1e-7)
    x = _once(x) if x.shape[1] > _WIDE * len(x) else _often(x)
    return x.T if wide is not matrix else x


def _often(x: Tensor) -> Tensor:
    """Five times ``x ← (a + b x xᵀ + c (x xᵀ)²) x``."""
    for _ in range(_ITERATIONS):
        x = _polynomial(x @ x.T) @ x
    return x


def _once(x: Tensor) -> Tensor:
    """The same for a row of squares, of which all five factors are polynomials in ``x xᵀ``.

    They are multiplied with each other first, and ``x`` with their product.
    """
    gram = x @ x.T
    product = factor = _polynomial(gram)
    for _ in range(_ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _polynomial(gram)
        product = factor @ product
    return product @ x


def _polynomial(gram: Tensor) -> Tensor:
    """``a + b g + c g²``."""
    a, b, c = _COEFFICIENTS
    found = torch.addmm(gram, gram, gram, beta=b, alpha=c)
    found.diagonal().add_(a)
    return found
