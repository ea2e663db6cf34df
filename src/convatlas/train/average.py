"""The average of a network's weights over the last steps, which answers better than any of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def average_of(net: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of weights and buffers, PyTorch's own; its ``module`` answers.

    After step n + 1 it is ``d · average + (1 − d) · weights`` with ``d = min(decay, n / (n + 9))``:
    what the weights were before they learned anything is forgotten soon, however near to 1 the
    decay is (as TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``). The moving
    averages of batch normalisation are averaged too, as torchvision's reference training does.

    Args:
        net: the network, as it begins.
        decay: d in the long run; the average is over about ``1 / (1 − decay)`` steps.
    """

    @torch.no_grad()
    def move(averages: Sequence[Tensor], weights: Sequence[Tensor], made: Tensor | int) -> None:
        kept = min(decay, int(made) / (int(made) + 9))
        for average, weight in zip(averages, weights, strict=True):
            if average.is_floating_point():
                average.lerp_(weight, 1 - kept)
            else:  # a counter
                average.copy_(weight)

    return AveragedModel(net, multi_avg_fn=move, use_buffers=True)
