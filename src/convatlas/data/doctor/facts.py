"""What is known of a picture once it has been looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file cannot be used.

    Attributes:
        kind: of `findings.KINDS`: empty, broken-link, bomb, truncated or unreadable.
        reason: in words.
    """

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pixels:
    """What decoding shows, upright.

    Attributes:
        constant: whether they all are of one colour.
        digest: 16 bytes; pictures of the same size and pixels share it.
        hash: 64 bits of the perceptual hash.
        thumbnail: uint8 ``(192,)``, 8 × 8 in RGB.
    """

    constant: bool
    digest: bytes
    hash: int
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says in its header, and what its pixels show if they were decoded.

    Attributes:
        fault: why it cannot be used; None where it can.
        format: Pillow's name of what it holds, whatever its suffix; None of arrays.
        width, height: in pixels, as stored.
        mode: Pillow's ("RGB", "P", …).
        deep: whether a channel has more than 8 bits.
        orientation: EXIF's, 1 to 8; 1 is upright.
        transparent: whether it can be seen through.
        animated: whether there are more pictures behind the first.
        pixels: None where it was not decoded, or could not be.
    """

    fault: Fault | None = None
    format: str | None = None
    width: int = 0
    height: int = 0
    mode: str = ""
    deep: bool = False
    orientation: int = 1
    transparent: bool = False
    animated: bool = False
    pixels: Pixels | None = None
