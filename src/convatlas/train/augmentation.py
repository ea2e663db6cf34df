"""What a recipe does to a batch before the network sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.data import ImageSet, Stream, augment
from convatlas.data.augment import ColourBasis
from convatlas.data.balance import class_weights
from convatlas.errors import ConfigError
from convatlas.train.config import Config
from convatlas.train.distributed import here

_MEASURED = 20_000_000  # numbers that the colours of a training set are measured on, evenly spread


class Augmentation:
    """The configured augmentations, in the order of a camera: place, colour, holes, mixture.

    They work on uint8 pixels at the pictures' own size, where it is cheapest.

    Args:
        config: which of them, and the seed of their draws.
        images: the training pictures, whose colours and classes are measured.
        device: where the batches lie.

    Raises:
        ConfigError: colours are to be varied of pictures that have none.
    """

    def __init__(self, config: Config, images: ImageSet | Stream, device: torch.device) -> None:
        self.config, self.num_classes = config, len(images.classes)
        self.noise = here().generator(device).manual_seed(config.seed)
        self.weights: Tensor | None = None
        if config.balance == "weights":
            self.weights = class_weights(images.labels, self.num_classes).to(device)
        if config.colour and images.shape[0] != 3:
            raise ConfigError(
                f"colour is {config.colour:g}, but AlexNet's colour is of pictures with three "
                f"channels, and these have {images.shape[0]}: choose colour=0"
            )
        self.basis: ColourBasis | None = None
        if config.colour and config.colour_basis == "set":
            pixels, _ = images.sample(max(_MEASURED // torch.Size(images.shape).numel(), 1))
            self.basis = ColourBasis.measure(pixels)

    def __call__(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """A batch drawn anew at each call.

        Args:
            pixels: uint8 ``(N, C, H, W)``.
            labels: int64 ``(N,)``.

        Returns:
            The pixels, and the labels; or, where pictures are mixed or classes weighted, what the
            loss is to be made of: the weight of each class, float32 ``(N, K)``.
        """
        config, noise = self.config, self.noise
        if config.flip and not config.flip_turns:  # by turns, the feed does it
            pixels = augment.flip(pixels, 0.5, noise)
        if config.shift:
            pixels = augment.shift(pixels, config.shift, noise, config.shift_edge)
        if config.trivial:
            pixels = augment.trivial_augment(pixels, noise)
        if config.jitter:
            pixels = augment.jitter(
                pixels,
                noise,
                brightness=config.jitter,
                contrast=config.jitter,
                saturation=config.jitter,
            )
        if config.colour:
            basis = self.basis or ColourBasis.measure(pixels, per_image=True)
            pixels = augment.pca_colour(pixels, noise, basis, config.colour)
        if config.erase:
            pixels = augment.erase(pixels, config.erase, noise)
        if config.random_erase:
            pixels = augment.random_erase(pixels, noise, config.random_erase)
        return self._mixed(pixels, labels)

    def state_dict(self) -> dict[str, Any]:
        """Where the draws are."""
        return {"noise": self.noise.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken: the next batch gets the same draws."""
        self.noise.set_state(state["noise"])

    def _mixed(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        config, targets = self.config, labels
        if config.mixup or config.cutmix:
            if config.cutmix and (not config.mixup or self._heads()):
                mixed = augment.cutmix(pixels, labels, self.noise, config.cutmix)
            else:
                mixed = augment.mixup(pixels, labels, self.noise, config.mixup)
            pixels, targets = mixed.pixels, mixed.targets(self.num_classes)
        if self.weights is not None:
            if targets is labels:
                targets = F.one_hot(labels, self.num_classes).float()
            targets = targets * self.weights
        return pixels, targets

    def _heads(self) -> bool:
        """A coin's answer."""
        return bool(torch.rand(1, generator=self.noise, device=self.noise.device).item() < 0.5)
