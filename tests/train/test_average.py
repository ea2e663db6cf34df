from __future__ import annotations

import torch
from torch import nn

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
