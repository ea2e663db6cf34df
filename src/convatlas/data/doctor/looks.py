"""How a picture looks in few bytes: a perceptual hash, and a thumbnail to be sure.

The hash is pHash (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions",
2010): the picture in grey at 32 × 32, its discrete cosine transform, and one bit for each of the
64 lowest frequencies, set where it is above their median. It stays within a few bits when a
picture is recompressed, resized, or made brighter. On 32 × 32 photographs it alone would call
different pictures alike now and then, so thumbnails that differ by more than brightness and
contrast have the last word (`near`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

_SIDE = 32  # of the picture that is transformed
_BITS = 64
_THUMB = 8  # side of the thumbnail


def look(pixels: Tensor) -> tuple[int, NDArray[np.uint8]]:
    """The perceptual hash and the thumbnail of a picture.

    Args:
        pixels: uint8 ``(C, h, w)``, C being 1 or 3.

    Returns:
        64 bits, and uint8 ``(192,)``.
    """
    from PIL.Image import Resampling

    small = _image(pixels).resize((_SIDE, _SIDE), Resampling.BOX)
    thumbnail = np.array(small.resize((_THUMB, _THUMB), Resampling.BOX).convert("RGB"))
    return _hash(np.array(small.convert("L"), np.float64)), thumbnail.reshape(-1)


def _hash(grey: NDArray[np.float64]) -> int:
    cosines, rows, columns = _lowest()
    levels = (cosines @ grey @ cosines.T)[rows, columns]
    bits = np.packbits(levels > np.median(levels))
    return int.from_bytes(bits.tobytes(), "big")


@cache
def _lowest() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The cosines of the lowest frequencies, and which pairs of them are the 64 lowest.

    They go from corner to corner as JPEG's do, without the first, which is the mean.
    """
    pairs = sorted((r + c, r, c) for r in range(_SIDE) for c in range(_SIDE))[1 : _BITS + 1]
    _, rows, columns = np.array(pairs).T
    frequencies = np.arange(max(rows.max(), columns.max()) + 1)
    cosines = np.cos(np.pi * frequencies[:, None] * (2 * np.arange(_SIDE) + 1) / (2 * _SIDE))
    return cosines, rows, columns


def _image(pixels: Tensor) -> Image:
    from PIL.Image import fromarray

    if len(pixels) == 1:
        return fromarray(pixels[0].numpy())
    return fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
