"""Random resized crops: a box of any size and shape from a picture, made a square (Inception's).

Szegedy et al. 2014, "Going deeper with convolutions", section 6: between 8 % and 100 % of the
area, width over height between 3/4 and 4/3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.data.augment import draws
from convatlas.data.augment.pixels import restored
from convatlas.errors import ConfigError

_SCALE, _RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
# up to this side matrices are faster on a CPU, too: 256 pictures of 32×32 take them 4 ms and a loop
# over the pictures 10, but 64 of 256×256 made 224×224 take them 240 ms and the loop 21 (one core)
_SMALL = 32


def resized_crop(
    x: Tensor,
    size: int,
    generator: torch.Generator,
    scale: tuple[float, float] = _SCALE,
    ratio: tuple[float, float] = _RATIO,
) -> Tensor:
    """A random box of each picture, resized to a square: RandomResizedCrop, ``(N, C, size, size)``.

    Bilinear with antialiasing. uint8 on a CPU goes through torch's own uint8 kernel where the
    pictures are larger than 32×32; otherwise uint8 is computed in float32 and rounded, which
    differs by one level at most. 16-bit floats are computed in float32, too.

    Args:
        x: uint8 or float ``(N, C, H, W)``.
        size: side of what is returned.
        generator: where the numbers come from.
        scale: least and greatest area as a share of the picture's.
        ratio: least and greatest width over height.

    Raises:
        ConfigError: ``size`` is below 1, or a range cannot be.
    """
    sizes = torch.tensor(x.shape[-2:]).expand(len(x), 2).to(x.device)
    return crop_boxes(x, draw_boxes(sizes, generator, scale, ratio), size)


def draw_boxes(
    sizes: Tensor,
    generator: torch.Generator,
    scale: tuple[float, float] = _SCALE,
    ratio: tuple[float, float] = _RATIO,
) -> Tensor:
    """Boxes for pictures of any sizes: top, left, height and width, int64 ``(n, 4)``.

    As torchvision's RandomResizedCrop draws them: of ten boxes the first that fits, and where none
    does, the middle of the picture, as much of it as ``ratio`` allows.

    Args:
        sizes: height and width of each picture, int ``(n, 2)``; the boxes come on its device.
        generator, scale, ratio: as of :func:`resized_crop`.

    Raises:
        ConfigError: a range cannot be.
    """
    box, found = draws.boxes(sizes, scale, ratio, generator)
    height, width = sizes.unbind(1)
    middle = torch.stack(
        [
            height.minimum((width / ratio[0]).round()).clamp(min=1),
            width.minimum((height * ratio[1]).round()).clamp(min=1),
        ],
        dim=1,
    )
    corner = ((sizes - middle) / 2).floor()
    return torch.where(found[:, None], box, torch.cat([corner, middle], dim=1).long())


def crop_box(picture: Tensor, box: Sequence[int], size: int) -> Tensor:
    """One picture ``(C, h, w)`` cut to a box of `draw_boxes` and resized to ``(C, size, size)``.

    Bilinear with antialiasing, as everywhere; made for uint8 on a CPU, where it is exactly what
    `Preprocess.fit` does to a picture that is its box.
    """
    top, left, height, width = box
    window = picture[None, :, top : top + height, left : left + width]
    if window.stride(1) == 1:  # as decoders leave it: a sixth faster without gaps
        window = window.contiguous(memory_format=torch.channels_last)
    return F.interpolate(window, (size, size), mode="bilinear", antialias=True)[0]


def crop_boxes(x: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Each picture of ``(N, C, H, W)`` cut to its box ``(N, 4)`` and resized.

    Raises:
        ConfigError: ``size`` is below 1.
    """
    if size < 1:
        raise ConfigError(f"size is {size}, but it must be at least 1")
    small = max(size, *x.shape[-2:]) <= _SMALL
    if small or x.device.type != "cpu" or x.dtype in (torch.bfloat16, torch.float16):
        return by_matrices(x, boxes.to(x.device), size)
    out = x.new_empty(*x.shape[:2], size, size)
    for i, box in enumerate(boxes.tolist()):
        out[i] = crop_box(x[i], box, size)
    return out


def by_matrices(x: Tensor, boxes: Tensor, size: int) -> Tensor:
    """All boxes resized at once: rows and columns are each one product with the weights."""
    top, left, height, width = boxes.unbind(1)
    rows = _weights(top, height, x.shape[-2], size)
    columns = _weights(left, width, x.shape[-1], size)
    n, c, h, w = x.shape
    values = x.float().reshape(n, c * h, w) @ columns.mT
    return restored(rows[:, None] @ values.view(n, c, h, size), x)


def _weights(start: Tensor, extent: Tensor, length: int, size: int) -> Tensor:
    """What each of ``length`` pixels gives to each of ``size``, ``(n, size, length)``.

    A triangle about each new pixel's middle, as wide as the new pixels are (or the old ones, if
    those are wider), of what lies inside the box.
    """
    step = (extent / size)[:, None, None]
    middles = step * (torch.arange(size, device=start.device)[:, None] + 0.5)
    cells = torch.arange(length, device=start.device) - start[:, None, None]
    triangle = 1 - ((cells + 0.5 - middles) / step.clamp(min=1)).abs()
    weights = triangle.clamp(min=0) * ((cells >= 0) & (cells < extent[:, None, None]))
    return weights / weights.sum(2, keepdim=True)
