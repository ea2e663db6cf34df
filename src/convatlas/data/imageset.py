"""Labelled pictures, equal in size, with their class names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from convatlas.data.listing import Listing
from convatlas.data.pictures import Pictures
from convatlas.errors import DataError

if TYPE_CHECKING:
    from convatlas.data.shards.stream import Stream


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled pictures of one size.

    Attributes:
        name: what to call it in a table.
        images: uint8 ``(N, C, H, W)``: a tensor, in memory or mapped from a file, or what indexes
            like one (`Pictures`).
        labels: int64 ``(N,)``, indices into ``classes``.
        classes: the names, in the order of the logits.

    Raises:
        DataError: one of these does not hold.
    """

    name: str
    images: Tensor | Pictures
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.images, Tensor) and (
            self.images.dtype != torch.uint8 or self.images.dim() != 4
        ):
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
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(C, H, W)`` of each picture."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def take(self, chosen: Tensor | slice) -> Tensor:
        """uint8 ``(n, C, H, W)``: the pictures at ``chosen``, int64 indices or a slice."""
        if isinstance(self.images, Tensor) and isinstance(chosen, Tensor):
            return self.images.index_select(0, chosen)  # ten times as fast as brackets, of bytes
        return self.images[chosen]

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        """At most ``count`` pictures, evenly spread, and their labels; without a copy if all."""
        if count >= len(self):
            return self.take(slice(None)), self.labels
        chosen = torch.arange(count) * len(self) // count
        return self.take(chosen), self.labels[chosen]

    def subset(self, indices: Tensor) -> ImageSet:
        """The pictures at ``indices`` (int64, or a bool mask), in that order, with all classes."""
        images: Tensor | Pictures
        if isinstance(self.images, Tensor):
            images = self.images[indices]
        else:
            images = self.images.subset(indices)
        return ImageSet(self.name, images, self.labels[indices], self.classes)

    def fingerprint(self) -> str:
        """SHA-256 in hex of shape, pixels, labels and class names: the same data, the same line."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.classes)).encode())
        if isinstance(self.images, Tensor):
            digest.update(self.images.cpu().contiguous().numpy().data)
        else:
            digest.update(self.images.fingerprint().encode())
        digest.update(self.labels.cpu().contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Dataset:
    """What is learned from, and what is only ever tested on; both have the same classes.

    Attributes:
        train: pictures by number, or a stream of shards.
        val: what is watched while learning, where the source has such a part.
        notes: a line for each thing that was inferred or left out, for a person to read.
        listing: the files behind the pictures, where they are files.
        origin: the arguments of `load` that give it again, as plain JSON, where it was loaded.
    """

    name: str
    train: ImageSet | Stream
    test: ImageSet
    val: ImageSet | None = None
    notes: tuple[str, ...] = ()
    listing: Listing | None = None
    origin: Mapping[str, Any] | None = None
