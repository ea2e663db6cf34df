"""What a recipe does to a batch before the network sees it."""

from __future__ import annotations

import torch
from torch import Tensor

from convatlas.data import augment
from convatlas.train.config import Config


class Augmentation:
    """The configured augmentations, in the order of a camera: place, then colour, then holes.

    They work on uint8 pixels at the pictures' own size, where it is cheapest.

    Args:
        config: which of them, and the seed of their draws.
        device: where the batches lie.
    """

    def __init__(self, config: Config, device: torch.device) -> None:
        self.config = config
        self.noise = torch.Generator(device).manual_seed(config.seed)

    def __call__(self, pixels: Tensor) -> Tensor:
        """A batch of uint8 ``(N, C, H, W)``, drawn anew at each call."""
        if self.config.flip:
            pixels = augment.flip(pixels, 0.5, self.noise)
        if self.config.shift:
            pixels = augment.shift(pixels, self.config.shift, self.noise)
        if self.config.erase:
            pixels = augment.erase(pixels, self.config.erase, self.noise)
        return pixels
