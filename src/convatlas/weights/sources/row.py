"""A row of the catalogue of pretrained weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

#: Mean or standard deviation for pictures in [-1, 1].
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Pretrained:
    """One file of weights.

    Attributes:
        id: what the library calls it.
        net: the network it is for, by its name in the catalogue of networks.
        url: where it is.
        sha256: of the file, in hex: whole, or the first digits where only those are published;
            empty where not even those are.
        size: bytes of the file (torchvision's to within 0.5 KiB); None where unknown.
        top1: per cent of the data set's validation or test pictures that it gets right, as
            published, prepared as the next fields say.
        resize: side that the short side of a picture is resized to.
        crop: side of the centre that is cut out, and that the network gets.
        licence: under which its publisher gives it away (SPDX).
        citation: who made it.
        mean, std: of each channel, for pixels in [0, 1].
        interpolation: how pictures were resized.
        non_commercial: whether the licence forbids commercial use.
        options: what `build` needs beside ``net``.
        num_classes: as many as the file has.
        data: what it was trained on last, and its classes are from.
    """

    id: str
    net: str
    url: str
    sha256: str
    size: int | None
    top1: float
    resize: int
    crop: int
    licence: str
    citation: str
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"
    non_commercial: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    num_classes: int = 1000
    data: str = "ImageNet-1k"

    @property
    def file(self) -> str:
        """Its name in the cache."""
        return self.id + PurePosixPath(self.url).suffix

    @property
    def caveat(self) -> str:
        """A sentence on what `Preprocess` does otherwise than the publisher; empty for nothing."""
        if self.interpolation == "bilinear":
            return ""
        return (
            f"{self.id} was trained and scored on pictures resized {self.interpolation}ally, and "
            "ConvAtlas resizes bilinearly: expect a slightly other accuracy than "
            f"{self.top1:g} %"
        )
