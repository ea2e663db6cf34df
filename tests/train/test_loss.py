from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from convatlas.errors import ConfigError
from convatlas.nets.build import build
from convatlas.train.loss import logits_of, loss_of

LABELS = torch.tensor([0, 2])
LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 2.0]])


def by_hand(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> float:
    """−Σ target · log softmax, averaged over the pictures; in Python's own floats."""
    total = 0.0
    for row, label in zip(logits.double(), labels.tolist(), strict=True):
        share = (row.exp() / row.exp().sum()).log()
        target = torch.full_like(share, smoothing / len(row))
        target[label] += 1 - smoothing
        total -= float((target * share).sum())
    return total / len(labels)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(smoothing: float) -> None:
    loss = loss_of(nn.Identity(), LOGITS, LABELS, smoothing)
    assert loss.item() == pytest.approx(by_hand(LOGITS, LABELS, smoothing), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_googlenets_auxiliary_heads_count_three_tenths_each(smoothing: float) -> None:
    """Szegedy et al. 2014, section 5; 79 is the smallest picture that the heads survive."""
    net = build("googlenet", num_classes=3, input_size=79)
    with torch.no_grad():
        outputs = net(torch.rand(2, 3, 79, 79))
    parts = [by_hand(part, LABELS, smoothing) for part in outputs]
    assert len({round(part, 6) for part in parts}) == 3  # three different answers
    expected = parts[0] + 0.3 * parts[1] + 0.3 * parts[2]
    assert loss_of(net, outputs, LABELS, smoothing).item() == pytest.approx(expected, rel=1e-6)
    assert logits_of(outputs) is outputs.logits


class Named(NamedTuple):
    logits: Tensor
    map: Tensor


def test_other_named_outputs_are_no_loss_without_a_weight() -> None:
    outputs = Named(LOGITS, torch.rand(2, 8, 7, 7))
    loss = loss_of(nn.Identity(), outputs, LABELS)
    assert loss.item() == pytest.approx(by_hand(LOGITS, LABELS), rel=1e-6)


@pytest.mark.parametrize("outputs", [(LOGITS, LOGITS), {"logits": LOGITS}, None])
def test_what_holds_no_logits_is_refused_by_its_type(outputs: Any) -> None:
    with pytest.raises(ConfigError, match=f"returns {type(outputs).__name__}, but logits"):
        logits_of(outputs)
