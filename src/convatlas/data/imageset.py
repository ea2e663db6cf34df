"""Pictures in memory: equal in size, decoded once, with their labels and class names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from convatlas.errors import DataError


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled pictures of one size.

    Attributes:
        name: what to call it in a table.
        images: uint8 ``(N, C, H, W)``.
        labels: int64 ``(N,)``, indices into ``classes``.
        classes: the names, in the order of the logits.

    Raises:
        DataError: one of these does not hold.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.dim() != 4:
            raise DataError(
                f"{self.name}: images are {self.images.dtype} of {tuple(self.images.shape)}, but "
                "they must be uint8 (N, C, H, W)"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != (len(self.images),):
            raise DataError(
                f"{self.name}: labels are {self.labels.dtype} of {tuple(self.labels.shape)}, but "
                f"{len(self.images)} images need int64 ({len(self.images)},)"
            )
        if len(self.labels) == 0:
            raise DataError(f"{self.name} holds no images")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise DataError(
                f"{self.name}: labels run from {low} to {high}, but there are "
                f"{len(self.classes)} classes, numbered from 0"
            )

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices: Tensor) -> ImageSet:
        """The pictures at ``indices`` (int64, or a bool mask), in that order, with all classes."""
        return ImageSet(self.name, self.images[indices], self.labels[indices], self.classes)

    def fingerprint(self) -> str:
        """SHA-256 in hex of shape, pixels, labels and class names: the same data, the same line."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.classes)).encode())
        for tensor in (self.images, self.labels):
            digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Dataset:
    """What is learned from, and what is only ever tested on; both have the same classes."""

    name: str
    train: ImageSet
    test: ImageSet
