"""AlexNet's colour augmentation: light of another brightness and colour, along the data's own axes.

Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks", section
4.1: to each pixel is added ``p₁·α₁λ₁ + p₂·α₂λ₂ + p₃·α₃λ₃``, with eigenvectors p and eigenvalues λ
of the covariance of RGB values and α from N(0, 0.1²), drawn once for a picture each time it is
used. Eigenvalues go with the square of the pixels' scale, so the scale matters: here it is [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from convatlas.data.augment import draws
from convatlas.data.augment.pixels import check_channels, white
from convatlas.data.pictures import Pictures
from convatlas.errors import ConfigError

_BLOCK = 2**21  # values summed at once, 16 MiB of float64


@dataclass(frozen=True, eq=False)
class ColourBasis:
    """Principal axes of RGB values in [0, 1], float32, the longest first.

    Attributes:
        values: eigenvalues of the covariance, ``(3,)``, or ``(N, 3)`` for one a picture.
        vectors: eigenvectors in the columns, ``(3, 3)`` or ``(N, 3, 3)``, the largest entry of
            each above 0.
    """

    values: Tensor
    vectors: Tensor

    @classmethod
    def measure(cls, images: Tensor | Pictures, per_image: bool = False) -> ColourBasis:
        """Of all pixels of a training set, or (as some notes have it) of each image by itself.

        Exact: the sums over uint8 are of whole numbers in float64. They are made some pictures at a
        time, so that an array mapped from a file need not fit in memory.

        Args:
            images: RGB ``(N, 3, H, W)``, uint8 or float in [0, 1].
            per_image: one basis for each image.

        Raises:
            ShapeError: not RGB.
            ArgumentTypeError: neither uint8 nor float.
        """
        moments, unit = [], 1.0
        count = max(1, _BLOCK // math.prod(images.shape[1:]))
        for start in range(0, len(images), count):
            block = images[start : start + count]
            check_channels(block, (3,), "PCA colour")
            unit = white(block)
            pixels = block.flatten(2).double()
            sums = torch.cat([pixels @ pixels.mT, pixels.sum(2, keepdim=True)], dim=2)  # (n, 3, 4)
            moments.append(sums if per_image else sums.sum(0, keepdim=True))
        means = torch.cat(moments) / math.prod(images.shape[2:])
        if not per_image:
            means = means.sum(0) / len(images)
        square, mean = means[..., :3], means[..., 3:]
        values, vectors = torch.linalg.eigh((square - mean @ mean.mT) / unit**2)
        largest = vectors.gather(-2, vectors.abs().argmax(-2, keepdim=True))
        vectors = vectors * largest.sign()  # eigenvectors have none, and a record should
        return cls(values.flip(-1).clamp(min=0).float(), vectors.flip(-1).float())


def pca_colour(
    x: Tensor, generator: torch.Generator, basis: ColourBasis, sigma: float = 0.1
) -> Tensor:
    """One colour added to all pixels of each picture, drawn along the axes of ``basis``.

    Args:
        x: RGB ``(N, 3, H, W)``, uint8 or float in [0, 1]; what leaves the range is clipped.
        generator: where the numbers come from.
        basis: of the training set, or one for each of these pictures.
        sigma: standard deviation of α; the paper has 0.1.

    Raises:
        ConfigError: ``sigma`` is negative.
        ShapeError: not RGB.
        ArgumentTypeError: neither uint8 nor float.
    """
    check_channels(x, (3,), "PCA colour")
    if not 0 <= sigma < math.inf:
        raise ConfigError(f"sigma is {sigma}, but it must be at least 0 and finite")
    return add_colour(x, draw_colour(len(x), generator, basis, sigma))


def draw_colour(count: int, generator: torch.Generator, basis: ColourBasis, sigma: float) -> Tensor:
    """The colour to add to each picture, for pixels in [0, 1]: float32 ``(count, 3)``."""

    def draw(n: int) -> Tensor:
        return torch.randn(n, 3, generator=generator, device=generator.device)

    alpha = draws.each(draw, count, generator)
    lengths = sigma * alpha.to(basis.values.device) * basis.values
    return (basis.vectors @ lengths[..., None]).squeeze(-1)


def add_colour(x: Tensor, colour: Tensor) -> Tensor:
    """``colour`` (N, 3) added to all pixels of each picture, within black and white."""
    colour = (colour * white(x)).to(x.device)[:, :, None, None]
    if x.dtype == torch.uint8:  # a byte plus a rounded number is the rounded sum
        return x.short().add_(colour.round().short()).clamp_(0, 255).byte()
    return (x + colour.to(x.dtype)).clamp_(0, 1)
