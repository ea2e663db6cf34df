"""A first convolution for pictures of another number of channels, and the preprocessing with it.

What a convolution answers depends on how its input was normalised: both change together, so that
what the network has learned stays true. The donor computes, of a picture p with channels c,

    Σ_c w_c ∗ (p_c − m_c) / s_c        (∗ slides w_c over the picture; zeros stand around it)

and a picture that is the same in every channel, p_c = g, gets the same answer from the one kernel
w' = Σ_c w_c s'/s_c on (g − m')/s', whatever m' and s' are, but for a number a map: Σ_c w_c
(m_c − m')/s_c, summed over the kernel. That is taken off the bias or the batch norm behind. Around
the picture stands m' where the donor has m_c: within reach of the padding the answers agree only
where all m_c are equal, and m' is the one for which they differ least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from convatlas.data import Preprocess
from convatlas.errors import ConfigError

Rule = Literal["sum", "repeat", "keep"]


@dataclass(frozen=True)
class FirstConv:
    """What becomes of a first convolution.

    Attributes:
        kernel: ``(K, channels, h, w)``.
        surplus: ``(K,)``, what its maps have more than the donor's, to be taken off behind it.
        mean, std: of each channel: the normalisation that it expects.
    """

    kernel: Tensor
    surplus: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]


def usual_rule(donor: int, channels: int) -> Rule:
    """``"sum"`` between grey and colour, ``"keep"`` where channels come or go."""
    return "sum" if 1 in (donor, channels) else "keep"


def carry(
    kernel: Tensor,
    preprocess: Preprocess,
    channels: int,
    rule: Rule,
    measured: Preprocess | None = None,
) -> FirstConv:
    """The first convolution for ``channels``, out of one for ``preprocess.channels``.

    Args:
        kernel: ``(K, preprocess.channels, h, w)``.
        rule: ``"sum"``: the channels' kernels are added up, and each new channel gets an equal
            share: a picture that is the same in all channels gets the donor's answer (grey from
            RGB, and RGB from grey). ``"keep"``: channels that both have keep their kernels and the
            new ones start at zero: the answers are the donor's, until training makes something of
            the new channels; frozen, the convolution does not see them. ``"repeat"``: the donor's
            kernels in turn, scaled by the ratio of channels (timm's ``adapt_input_conv``): a
            start for channels that look like the donor's.
        measured: mean and deviation of the training pictures, for channels that the donor does not
            have; ``"sum"`` does without.

    Raises:
        ConfigError: no such rule, or channels beyond the donor's whose mean nobody knows.
    """
    donor = preprocess.channels
    if rule == "sum":
        return _summed(kernel.double(), preprocess, channels)
    if rule not in get_args(Rule):
        raise ConfigError(f"channel rule is {rule!r}, but it must be {', '.join(get_args(Rule))}")
    if channels > donor and (measured is None or measured.channels != channels):
        raise ConfigError(
            f"the weights know mean and deviation of {donor} channels, not of {channels}: pass "
            "what Preprocess.measure finds in the training pictures"
        )
    if rule == "keep":
        carried = torch.zeros(len(kernel), channels, *kernel.shape[2:])
        carried[:, :donor] = kernel[:, :channels]
    else:
        carried = kernel[:, [c % donor for c in range(channels)]] * (donor / channels)
    mean, std = preprocess.mean[:channels], preprocess.std[:channels]
    if measured is not None:
        mean, std = mean + measured.mean[donor:], std + measured.std[donor:]
    return FirstConv(carried, torch.zeros(len(kernel)), mean, std)


def _summed(kernel: Tensor, preprocess: Preprocess, channels: int) -> FirstConv:
    means, stds = (torch.tensor(v, dtype=torch.float64) for v in (preprocess.mean, preprocess.std))
    std = float(stds.mean())
    slope = (kernel / stds[:, None, None]).sum(1)  # of the answer in g, for each tap
    offset = (kernel * (means / stds)[:, None, None]).sum(1)
    # least squares of slope · mean = offset, over all taps; no further out than the means are
    best = float((slope * offset).sum() / (slope**2).sum().clamp(min=1e-12))
    mean = min(max(best, min(preprocess.mean)), max(preprocess.mean))
    share = (slope * std / channels).unsqueeze(1).expand(-1, channels, -1, -1)
    surplus = (offset - slope * mean).sum((1, 2))
    return FirstConv(share.float(), surplus.float(), (mean,) * channels, (std,) * channels)
