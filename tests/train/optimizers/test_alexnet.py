from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.optim import SGD

from convatlas.train.optimizers import AlexNetSGD

MOMENTUM, DECAY = 0.9, 5e-4


def gradients(steps: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return list(torch.randn(32, 4, 3, dtype=torch.float64, generator=generator)[:steps])


def walked(optimizer: type, rates: list[float]) -> tuple[Tensor, dict[str, Tensor]]:
    """Where an optimiser comes to from a matrix of ones, and what it remembers then."""
    w = torch.nn.Parameter(torch.ones(4, 3, dtype=torch.float64))
    made = optimizer([w], lr=rates[0], momentum=MOMENTUM, weight_decay=DECAY)
    for rate, grad in zip(rates, gradients(len(rates)), strict=True):
        made.param_groups[0]["lr"] = rate
        w.grad = grad
        made.step()
    return w.detach(), made.state[w]


def test_the_papers_recurrence() -> None:
    """Section 5, written out one number at a time."""
    rates = [0.01] * 5 + [0.001] * 5
    expected = torch.ones(4, 3, dtype=torch.float64)
    for i in range(4):
        for j in range(3):
            w, v = 1.0, 0.0
            for rate, grad in zip(rates, gradients(10), strict=True):
                v = 0.9 * v - 0.0005 * rate * w - rate * grad[i, j].item()
                w = w + v
            expected[i, j] = w
    torch.testing.assert_close(walked(AlexNetSGD, rates)[0], expected, rtol=1e-14, atol=0)


def test_while_the_rate_stays_it_is_sgd() -> None:
    ours, state = walked(AlexNetSGD, [0.01] * 20)
    theirs, remembered = walked(SGD, [0.01] * 20)
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=0)
    torch.testing.assert_close(state["velocity"], -0.01 * remembered["momentum_buffer"])


def test_when_the_rate_drops_it_goes_further_by_what_it_remembers() -> None:
    """At the step of the drop from ε to ε': by μ (ε − ε') b, b being SGD's buffer before it."""
    high, low = 0.01, 0.001
    buffer = walked(SGD, [high] * 20)[1]["momentum_buffer"]
    further = walked(SGD, [high] * 20 + [low])[0] - walked(AlexNetSGD, [high] * 20 + [low])[0]
    torch.testing.assert_close(further, MOMENTUM * (high - low) * buffer, rtol=0, atol=1e-14)
    assert further.abs().max() > 0.01


def test_what_has_no_gradient_stays() -> None:
    w, still = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    made = AlexNetSGD([w, still], lr=0.1, weight_decay=0.5)
    w.grad = torch.ones(2)
    made.step()
    assert w.tolist() == pytest.approx([0.85, 0.85])  # 1 − 0.1 (1 + 0.5)
    assert still.tolist() == [1, 1]
