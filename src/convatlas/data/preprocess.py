"""From a picture to a tensor: the one path that training, evaluation and prediction share.

::

    file ──decode──▶ uint8 (C, h, w) ──fit──▶ uint8 (C, size, size) ──normalise──▶ float32

A model carries its `Preprocess` with it, so that what it sees later is what it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.data.decode import decode
from convatlas.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from PIL.Image import Image

_STRIP = 8  # a picture this many times longer than wide is cut before it is resized


@dataclass(frozen=True)
class Preprocess:
    """What is done to each picture, as numbers.

    Attributes:
        size: side that the network gets, in pixels.
        resize: what the short side is resized to before the centre of ``size`` is cut out; equal
            to ``size`` where nothing is to be cut but what makes the picture square.
        channels: 1 (grey) or 3 (RGB) for pictures from files; arrays may have any number.
        mean, std: of each channel, for pixels in [0, 1].

    Raises:
        ConfigError: one of these cannot be.
    """

    size: int
    resize: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, value, least in (
            ("size", self.size, 1),
            ("resize", self.resize, self.size),
            ("channels", self.channels, 1),
        ):
            if value < least:
                raise ConfigError(f"{name} is {value}, but it must be at least {least}")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ConfigError(
                f"mean {self.mean} and std {self.std} must have one number for each of the "
                f"{self.channels} channels"
            )
        if not all(value > 0 for value in self.std):
            raise ConfigError(f"std is {self.std}, but each must be above 0")

    @classmethod
    def measure(cls, images: Tensor, size: int, resize: int | None = None) -> Preprocess:
        """With the mean and standard deviation of ``images``, uint8 ``(N, C, H, W)``, as they are.

        They are exact (from a histogram of the 256 levels) and those of all pixels of a channel.
        A channel that is the same everywhere gets a deviation of 1.
        """
        levels = torch.arange(256, dtype=torch.float64) / 255
        mean, std = [], []
        for channel in range(images.shape[1]):
            counts = torch.bincount(images[:, channel].flatten().cpu(), minlength=256).double()
            share = counts / counts.sum()
            mean.append(float(share @ levels))
            std.append(float(share @ (levels - mean[-1]) ** 2) ** 0.5 or 1.0)
        return cls(size, resize or size, images.shape[1], tuple(mean), tuple(std))

    def __call__(self, pixels: Tensor) -> Tensor:
        """What the network gets: `fit`, then `normalise`."""
        return self.normalise(self.fit(pixels))

    def decode(self, source: str | Path | Image) -> Tensor:
        """Pixels of a file, or of a Pillow picture, upright: uint8 ``(channels, h, w)``.

        `decode.decode` says what becomes of each kind of file.

        Raises:
            DataError: the file is missing, unreadable, too large, or without a defined range.
        """
        return decode(source, self.channels, least=self.resize)

    def fit(self, pixels: Tensor) -> Tensor:
        """The short side resized to ``resize``, then the centre: ``(…, C, h, w) → (…, C, s, s)``.

        uint8 in and out. Bilinear with antialiasing; the long side is rounded down and the crop's
        corner to the nearest, as torchvision's ``Resize`` and ``CenterCrop`` do. On the CPU it is
        torch's own uint8 kernel (Pillow's algorithm in integers); elsewhere it runs in float32
        and is rounded, which differs by one level at most. What fits already is returned as is.

        Raises:
            ShapeError: the number of channels differs.
            DataError: the pixels are not uint8.
        """
        if pixels.dtype != torch.uint8:
            raise DataError(f"pixels are {pixels.dtype}, but they must be uint8 in 0…255")
        if pixels.dim() < 3 or pixels.shape[-3] != self.channels:
            raise ShapeError(
                f"the pictures are {tuple(pixels.shape)}, but (…, {self.channels}, h, w) was "
                f"expected: this model takes {self.channels} channels"
            )
        height, width = pixels.shape[-2:]
        if height == width == self.resize == self.size:
            return pixels
        short = min(height, width)
        # of a strip only the middle is kept, and all of it, enlarged, may not fit in memory
        pixels = _centre(pixels, _STRIP * short, _STRIP * short)
        height, width = (self.resize * side // short for side in pixels.shape[-2:])
        if short != self.resize:
            pixels = _resize(pixels, height, width)
        return _centre(pixels, self.size, self.size)

    def normalise(self, pixels: Tensor, out: Tensor | None = None) -> Tensor:
        """``(pixels / 255 − mean) / std`` as float32, on the device of ``pixels``.

        Args:
            pixels: uint8 ``(…, C, h, w)``.
            out: float32 of that shape, where the numbers are to go. Of large batches new memory
                costs four times as much as the arithmetic (docs/notes/memory.md).
        """
        scale = torch.tensor([1 / (255 * s) for s in self.std], device=pixels.device)
        shift = torch.tensor(
            [-m / s for m, s in zip(self.mean, self.std, strict=True)], device=pixels.device
        )
        values = pixels.float() if out is None else out.copy_(pixels)
        if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
            # in whole rows: channel by channel it takes four times as long
            rows, width = values.permute(0, 2, 3, 1).flatten(2), values.shape[3]
            rows.mul_(scale.repeat(width)).add_(shift.repeat(width))
        else:
            values.mul_(scale[:, None, None]).add_(shift[:, None, None])
        return values

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """What :meth:`to_dict` wrote.

        Raises:
            ConfigError: a value is missing, unknown or cannot be.
        """
        names = [field.name for field in fields(cls)]
        if sorted(values) != sorted(names):
            raise ConfigError(
                f"a preprocessing of {', '.join(values) or 'nothing'} was found, and "
                f"{', '.join(names)} were expected"
            )
        return cls(
            int(values["size"]),
            int(values["resize"]),
            int(values["channels"]),
            tuple(float(value) for value in values["mean"]),
            tuple(float(value) for value in values["std"]),
        )


def _resize(pixels: Tensor, height: int, width: int) -> Tensor:
    batch = pixels.reshape(-1, *pixels.shape[-3:])
    on_cpu = pixels.device.type == "cpu"
    resized = F.interpolate(
        batch if on_cpu else batch.float(), (height, width), mode="bilinear", antialias=True
    )
    if not on_cpu:
        resized = resized.round_().clamp_(0, 255).byte()
    return resized.view(*pixels.shape[:-3], *resized.shape[1:])


def _centre(pixels: Tensor, height: int, width: int) -> Tensor:
    """The middle of at most ``height × width``."""
    top = round(max(pixels.shape[-2] - height, 0) / 2)
    left = round(max(pixels.shape[-1] - width, 0) / 2)
    return pixels[..., top : top + height, left : left + width]
