"""Parts of a data set put together again, each where it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convatlas.data.imageset import ImageSet
from convatlas.data.pictures import Pictures
from convatlas.errors import DataError


@dataclass(frozen=True, eq=False)
class Joined:
    """Two collections one behind the other, or some of their pictures (`Pictures`).

    Attributes:
        first, second: with pictures of one shape.
        chosen: int64 ``(N,)``, numbers in the first and, from its length on, in the second.
    """

    first: Pictures
    second: Pictures
    chosen: Tensor

    @property
    def shape(self) -> torch.Size:
        """``(N, C, H, W)``."""
        return torch.Size((len(self), *self.first.shape[1:]))

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        """uint8 ``(n, C, H, W)``."""
        return self._gather(chosen, lambda pictures, numbers: pictures[numbers])

    def crops(self, chosen: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """uint8 ``(n, C, size, size)``: a random resized crop of each original."""
        return self._gather(
            chosen, lambda pictures, numbers: pictures.crops(numbers, size, generator)
        )

    def subset(self, indices: Tensor) -> Joined:
        """Those pictures alone."""
        return replace(self, chosen=self.chosen[indices])

    def fingerprint(self) -> str:
        """SHA-256 in hex of what both are made from, and of which are chosen."""
        digest = hashlib.sha256(f"{self.first.fingerprint()} {self.second.fingerprint()}".encode())
        digest.update(self.chosen.numpy().data)
        return digest.hexdigest()

    def _gather(self, chosen: Tensor | slice, pick: Callable[[Pictures, Tensor], Tensor]) -> Tensor:
        numbers = self.chosen[chosen]
        of_first = numbers < len(self.first)
        front = pick(self.first, numbers[of_first])
        back = pick(self.second, numbers[~of_first] - len(self.first))
        gathered = front.new_empty(len(numbers), *front.shape[1:])
        gathered[of_first], gathered[~of_first] = front, back
        return gathered


def joined(first: ImageSet, second: ImageSet) -> ImageSet:
    """All pictures of two sets with the same classes, the second's behind the first's.

    Raises:
        DataError: their shapes or classes differ.
    """
    if (first.shape, first.classes) != (second.shape, second.classes):
        raise DataError(
            f"{first.name} has pictures of {first.shape} and classes {first.classes}, "
            f"{second.name} of {second.shape} and {second.classes}: they must be the same"
        )
    images: Tensor | Pictures
    if isinstance(first.images, Tensor) or isinstance(second.images, Tensor):
        images = torch.cat([first.take(slice(None)), second.take(slice(None))])
    else:
        count = len(first) + len(second)
        images = Joined(first.images, second.images, torch.arange(count))
    return ImageSet(first.name, images, torch.cat([first.labels, second.labels]), first.classes)
