"""From a picture file to pixels: the one decoder that everything goes through.

What each kind of file becomes:

========================  =====================================================================
orientation in EXIF, XMP  applied
1 bit                     0 and 255
16-bit grey               divided by 257, so that white stays white
palette                   its colours
transparency              shown on white, of palettes, grey and colour alike
CMYK                      RGB by Pillow's plain formula, without colour profiles
floating-point levels     refused: they have no defined white
animation                 its first frame
colour, to one channel    ITU-R 601 luma
large JPEG                decoded at a half, quarter or eighth, still twice as large as needed
========================  =====================================================================

Colour JPEGs without either go through simplejpeg where it is installed (the extra ``fast``): it
gives the same pixels as Pillow, since both are libjpeg-turbo.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convatlas.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

#: a file that claims more is a decompression bomb, or far beyond what a network is shown
MOST_PIXELS = 178_956_970
_GREY_MODES = ("1", "L", "LA", "La", "I")  # and "I;16" in its byte orders
#: where Pillow finds an orientation: in EXIF, or else in XMP
_TURNED = (b"Exif\0\0", b"tiff:Orientation")


def decode(
    source: str | Path | bytes | Image,
    channels: int | None,
    least: int | None = None,
    name: str = "",
) -> Tensor:
    """Pixels of a file, or of a Pillow picture, upright: uint8 ``(channels, h, w)``.

    Args:
        source: the file, the bytes in it, or a picture as Pillow holds it.
        channels: 1 (grey) or 3 (RGB); None for as many as the file has.
        least: the short side that is needed in the end; None keeps a large JPEG at full size.
        name: what an error calls it, where it is no file.

    Raises:
        DataError: the file is missing, unreadable, too large, or without a defined range.
        ConfigError: another number of channels.
    """
    if channels not in (None, 1, 3):
        raise ConfigError(
            f"a picture file becomes 1 channel or 3, not the {channels} of this model"
        )
    name = name or getattr(source, "filename", "") or "the picture"
    try:
        if not isinstance(source, str | Path | bytes):
            return _tensor(_from_image(source, channels))
        if not isinstance(source, bytes):
            name = str(source)
            _refuse_device(source)
        quick = _from_jpeg(source, channels, least)
        return _tensor(_from_file(source, channels, least) if quick is None else quick)
    except FileNotFoundError:
        raise DataError(f"{name} does not exist") from None
    except MemoryError:
        raise
    except Exception as error:  # a broken file can raise anything from Pillow's decoders
        raise DataError(f"{name} cannot be read as a picture: {error}") from error


def _tensor(array: NDArray[np.uint8]) -> Tensor:
    """``(h, w)`` or ``(h, w, 3)`` as ``(C, h, w)``, not copied: resizing likes it as it lies."""
    pixels = torch.from_numpy(array)
    return pixels[None] if pixels.dim() == 2 else pixels.permute(2, 0, 1)


def _from_file(
    source: str | Path | bytes, channels: int | None, least: int | None
) -> NDArray[np.uint8]:
    with opened(source) as file:
        if least is not None:
            file.draft(None, (2 * least, 2 * least))  # does nothing where it is no JPEG
        return _from_image(file, channels)


def _from_image(image: Image, channels: int | None) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    grey = is_grey(image)
    image = ImageOps.exif_transpose(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        levels = np.asarray(image).astype(np.int64)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError(f"its levels {levels.min()}…{levels.max()} exceed 16 bits")
        image = Image.fromarray(((levels + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("its levels are floating-point, which have no defined white")
    elif image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    wanted = channels or (1 if grey else 3)
    return np.array(image.convert("L" if wanted == 1 else "RGB"))


def is_grey(image: Image) -> bool:
    """Whether a picture that Pillow has opened has no colours, by its mode."""
    return image.mode in _GREY_MODES or image.mode.startswith("I;16")


@contextmanager
def opened(source: str | Path | bytes) -> Iterator[ImageFile]:
    """A picture file, or the bytes in one, as Pillow opens it: its header read, nothing decoded.

    Raises:
        PIL.Image.DecompressionBombError: it claims more than `MOST_PIXELS`.
        Exception: whatever else Pillow finds wrong.
    """
    from PIL import Image

    _quiet_about_size()
    with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as file:
        if file.width * file.height > MOST_PIXELS:
            raise Image.DecompressionBombError(
                f"it is {file.width}×{file.height}, but {MOST_PIXELS:,} pixels are the most"
            )
        yield file


def look(source: Path | bytes, name: str = "") -> bool | str:
    """Whether a file is grey, by its header alone; or why it is no picture that can be used."""
    name = name if isinstance(source, bytes) else str(source)
    try:
        if not isinstance(source, bytes):
            _refuse_device(source)
        with opened(source) as file:
            return is_grey(file)
    except FileNotFoundError:
        return f"{name} does not exist"
    except Exception as error:
        return f"{name} cannot be read as a picture: {error}"


def _refuse_device(path: str | Path) -> None:
    """A pipe would be waited for without end."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 (asked of every picture)
        raise ValueError("it is no file")


def _from_jpeg(
    source: str | Path | bytes, channels: int | None, least: int | None
) -> NDArray[np.uint8] | None:
    """A plain JPEG by simplejpeg; None for what needs Pillow, or its judgement."""
    library = _simplejpeg()
    if library is None:
        return None
    if isinstance(source, bytes):
        content = source
    elif os.fspath(source).lower().endswith((".jpg", ".jpeg")):
        # `Path.read_bytes` goes through a buffer, which counts where files are small
        with open(source, "rb", buffering=0) as file:  # noqa: PTH123
            content = file.read()
    else:
        return None
    if not content.startswith(b"\xff\xd8\xff") or any(mark in content for mark in _TURNED):
        return None
    try:
        height, width, space, _ = library.decode_jpeg_header(content)
        large = least is not None and min(height, width) >= 4 * least
        if large or height * width > MOST_PIXELS or space not in ("Gray", "YCbCr", "RGB"):
            return None
        wanted = channels or (1 if space == "Gray" else 3)
        if wanted == 1 and space != "Gray":
            return None
        array: NDArray[np.uint8] = library.decode_jpeg(content, "GRAY" if wanted == 1 else "RGB")
    except ValueError:  # damaged: Pillow says how
        return None
    return array[..., 0] if wanted == 1 else array


@cache
def _simplejpeg() -> ModuleType | None:
    try:
        import simplejpeg
    except ImportError:
        return None
    found: ModuleType = simplejpeg
    return found


@cache
def _quiet_about_size() -> None:
    """Pillow warns from half of `MOST_PIXELS` on; a large photograph is nobody's fault."""
    import warnings

    from PIL.Image import DecompressionBombWarning

    warnings.simplefilter("ignore", DecompressionBombWarning)
