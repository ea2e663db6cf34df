"""Dropout: in training, numbers vanish at random, so that none can rely on another."""

from __future__ import annotations

import torch
from torch import Tensor

from convatlas.errors import ConfigError
from convatlas.ops.arguments import not_a_leaf, numbers, real_floating, switches, tensors


def dropout(
    input: Tensor,  # noqa: A002
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
) -> Tensor:
    """``y = x·m / (1 − p)``, where the mask m is 0 with probability p and else 1.

    A number is kept with probability 1 − p, so without the scale the next layer would see 1 − p of
    the sum that it is used to. Scaled in training ("inverted"), ``E[y] = (1 − p)·x/(1 − p) = x``,
    and evaluation does nothing at all; Srivastava et al. 2014 ("Dropout", section 4) leave training
    unscaled and multiply the weights by 1 − p in evaluation, which comes to the same mean.

    The derivative is ``m / (1 − p)``: what vanished learns nothing in this step.

    Args:
        input: any shape.
        p: probability that a number vanishes. At 0 nothing does, at 1 everything.
        training: without it the input comes back as it is.
        inplace: write the result into ``input``.

    Returns:
        The same shape. The mask is drawn by PyTorch's global generator: ``torch.manual_seed``
        repeats it.

    Raises:
        ConfigError: ``p`` is no probability.
        ArgumentTypeError: integers, which cannot be scaled.
    """
    tensors(input=input)
    numbers(p=p)
    switches(training=training)
    if not 0 <= p <= 1:
        raise ConfigError(f"p is {p}, but a probability must be from 0 to 1")
    if not training or p == 0:
        return input
    if p == 1:
        scaled_mask = torch.zeros_like(input)  # 0/(1 − p) would be 0/0
    else:
        real_floating(input)
        scaled_mask = torch.empty_like(input).bernoulli_(1 - p) / (1 - p)
    if inplace:
        not_a_leaf(input)
        return input.mul_(scaled_mask)
    return input * scaled_mask
