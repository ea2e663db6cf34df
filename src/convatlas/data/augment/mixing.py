"""Two pictures in one, and two labels for it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.data.augment import draws
from convatlas.data.augment.erasing import inside
from convatlas.data.augment.pixels import blocks
from convatlas.errors import ConfigError, ShapeError

_STEPS = 128  # of mixup's weight: bytes times so many are the most that 16 bits hold


@dataclass(frozen=True)
class Mixed:
    """A mixed batch, and what its loss is made of.

    The loss is ``weight · loss(labels) + (1 − weight) · loss(partners)``, picture by picture; that
    is what ``cross_entropy(logits, mixed.targets(K))`` gives, label smoothing and all.

    Attributes:
        pixels: ``(N, C, H, W)``, in the type they came in.
        labels: int64 ``(N,)``, of the picture in its place.
        partners: int64 ``(N,)``, of the one mixed in.
        weight: float32 ``(N,)``, the share of ``labels``.
    """

    pixels: Tensor
    labels: Tensor
    partners: Tensor
    weight: Tensor

    def targets(self, num_classes: int) -> Tensor:
        """The probability of each class, float32 ``(N, num_classes)``; each row sums to 1."""
        own, other = (F.one_hot(y, num_classes) for y in (self.labels, self.partners))
        return torch.lerp(other.float(), own.float(), self.weight[:, None])


def mixup(x: Tensor, labels: Tensor, generator: torch.Generator, alpha: float = 0.2) -> Mixed:
    """Each picture blended with another of the batch (Zhang et al. 2017, "mixup", section 2).

    Each picture has a partner (a random permutation) and a weight of its own from
    Beta(``alpha``, ``alpha``), where the paper's code draws one for the batch. The weight is
    rounded to 128ths, which lets bytes be mixed in 16-bit integers: exactly, and fast.

    Args:
        x: uint8 or float ``(N, C, H, W)``.
        labels: int64 ``(N,)``, on the same device.
        generator: where the numbers come from.
        alpha: the larger, the more is mixed; the paper has 0.1 to 0.4 on ImageNet, 1 on CIFAR.

    Raises:
        ConfigError: ``alpha`` is not above 0.
        ShapeError: not one label a picture.
    """
    partner = _partners(x, labels, generator)
    steps = (_beta(alpha, x, generator) * _STEPS).round()
    weight = steps / _STEPS
    pixels = torch.empty_like(x)
    for block in blocks(x):
        own, other = x[block], x.index_select(0, partner[block])
        if x.dtype == torch.uint8:
            other, share = other.short(), steps[block].short().view(-1, 1, 1, 1)
            total = (own.short() - other).mul_(share).add_(other * _STEPS + _STEPS // 2)
            pixels[block] = total >> 7
        else:
            pixels[block] = torch.lerp(other, own, weight[block].to(x.dtype).view(-1, 1, 1, 1))
    return Mixed(pixels, labels, labels[partner], weight)


def cutmix(x: Tensor, labels: Tensor, generator: torch.Generator, alpha: float = 1.0) -> Mixed:
    """A rectangle of each picture replaced by another's (Yun et al. 2019, "CutMix", section 3.1).

    Each picture has a partner, a share from Beta(``alpha``, ``alpha``) and a place of its own. The
    rectangle has the picture's shape and its middle anywhere, so that it may lie partly outside;
    the weight counts the pixels that stayed.

    Args:
        x: uint8 or float ``(N, C, H, W)``.
        labels: int64 ``(N,)``, on the same device.
        generator: where the numbers come from.
        alpha: the paper has 1: every share is equally likely.

    Raises:
        ConfigError: ``alpha`` is not above 0.
        ShapeError: not one label a picture.
    """
    partner = _partners(x, labels, generator)
    cut = 0.5 * (1 - _beta(alpha, x, generator)).sqrt()
    edges = []
    for length in x.shape[-2:]:
        middle, half = draws.integers(length, len(x), generator, x.device), (cut * length).long()
        edges.append(((middle - half).clamp(min=0), (middle + half).clamp(max=length)))
    (top, bottom), (left, right) = edges
    replaced = inside(x, top, left, bottom, right)
    weight = 1 - ((bottom - top) * (right - left)) / math.prod(x.shape[-2:])
    pixels = x * ~replaced + x.index_select(0, partner) * replaced
    return Mixed(pixels, labels, labels[partner], weight)


def _partners(x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Another picture for each, of those that this process has."""
    if labels.shape != (len(x),):
        raise ShapeError(
            f"labels are {tuple(labels.shape)}, but {len(x)} pictures need ({len(x)},)"
        )
    return torch.randperm(len(x), generator=generator, device=generator.device).to(x.device)


def _beta(alpha: float, x: Tensor, generator: torch.Generator) -> Tensor:
    """A draw from Beta(alpha, alpha) for each picture, float32 ``(N,)``."""
    if not 0 < alpha < math.inf:
        raise ConfigError(f"alpha is {alpha}, but it must be above 0 and finite")

    def draw(n: int) -> Tensor:
        # Beta is the Dirichlet distribution of two; torch.distributions would take no generator
        pair = torch.full((n, 2), float(alpha), device=generator.device)
        return torch._sample_dirichlet(pair, generator)[:, 0]

    return draws.each(draw, len(x), generator).to(x.device)
