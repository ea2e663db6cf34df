from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from convatlas.classifier import Classifier
from convatlas.data import Dataset
from convatlas.evaluate import evaluate
from convatlas.train import fit
from convatlas.train.average import average_of


def trajectory(steps: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return list(torch.randn(steps, 3, 2, dtype=torch.float64, generator=generator))


def test_the_recurrence() -> None:
    """The first weights are the average; then d = n / (n + 9), until that reaches the decay."""
    net = nn.Linear(2, 3, bias=False).double()
    average, decay = average_of(net, 0.5), 0.5
    expected = torch.zeros(3, 2, dtype=torch.float64)
    for made, weights in enumerate(trajectory(20)):
        net.weight.data.copy_(weights)
        average.update_parameters(net)
        d = min(decay, made / (made + 9))
        expected = weights if made == 0 else d * expected + (1 - d) * weights
        torch.testing.assert_close(average.module.weight.detach(), expected, rtol=1e-12, atol=0)
    assert d == decay  # 9 / 18 was reached
    assert torch.equal(net.weight, weights)  # the network itself goes its way


def test_moving_averages_are_averaged_and_counters_are_not() -> None:
    net = nn.BatchNorm1d(1)
    average = average_of(net, 0.9)
    for made, mean in enumerate((4.0, 14.0)):
        net.running_mean.fill_(mean)
        net.num_batches_tracked.fill_(made + 5)
        average.update_parameters(net)
    assert average.module.running_mean.item() == torch.tensor(0.1 * 4.0 + 0.9 * 14.0).item()
    assert average.module.num_batches_tracked.item() == 6


def test_what_is_scored_and_kept_is_the_average(
    data: Dataset, small: Callable[[], nn.Sequential], tmp_path: Path
) -> None:
    net = small()
    settings = {"epochs": 2, "batch_size": 16, "lr": 0.05, "ema": 0.9, "quiet": True}
    made = fit(net, data, out=tmp_path, precision="float32", layout="contiguous", **settings)
    kept = Classifier.load(tmp_path, net=small())
    for mine, theirs in zip(kept.net.parameters(), made.classifier.net.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(kept.net[5].weight, net[5].weight)
    assert made.report is not None
    assert made.report.loss == pytest.approx(evaluate(kept, data.test).loss)
    made.classifier.net = net
    assert made.report.loss != pytest.approx(evaluate(made.classifier, data.test).loss)
