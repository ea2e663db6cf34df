"""A file by its header alone: nothing is decoded."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from convatlas.data.decode import opened
from convatlas.data.doctor.facts import Facts, Fault

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_ORIENTATION = 0x0112  # EXIF 2.32, table 4
_ANIMATED = ("GIF", "PNG", "TIFF", "WEBP")  # MPO has previews behind its first, which mean nothing


def header(path: Path) -> Facts:
    """What a file claims to be, or the fault for which it is left out."""
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    if fault := _fault_on_disk(path):
        return Facts(fault)
    try:
        with opened(path) as file:
            return _facts(file)
    except DecompressionBombError as error:
        return Facts(Fault("bomb", str(error)))
    except UnidentifiedImageError:
        return Facts(Fault("unreadable", "what it holds is no picture format that is known"))
    except MemoryError:
        raise
    except Exception as error:  # a broken file can raise anything from Pillow's readers
        return Facts(fault_of(path, error))


def fault_of(path: Path, error: BaseException) -> Fault:
    """What a decoder's complaint means: cut short, or broken otherwise."""
    if isinstance(error, OSError) and error.strerror:  # the system's, not a decoder's
        return Fault("unreadable", error.strerror)
    reason = " ".join(str(error).split()) or type(error).__name__
    short = "truncated" in reason or "not enough image data" in reason or _is_short_webp(path)
    return Fault("truncated" if short else "unreadable", reason)


def _fault_on_disk(path: Path) -> Fault | None:
    try:
        status = path.stat()
    except OSError as error:
        if path.is_symlink():
            return Fault("broken-link", f"leads to {path.readlink()}")
        return Fault("unreadable", error.strerror or str(error))
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for without end
        return Fault("unreadable", "it is no file")
    return None if status.st_size else Fault("empty", "0 bytes")


def _facts(file: ImageFile) -> Facts:
    return Facts(
        format=file.format,
        width=file.width,
        height=file.height,
        mode=file.mode,
        deep=_is_deep(file),
        orientation=_orientation(file),
        transparent=file.has_transparency_data,
        animated=file.format in _ANIMATED and getattr(file, "is_animated", False),
    )


def _is_deep(file: ImageFile) -> bool:
    """By how the decoder was told to unpack: Pillow's mode of 16-bit colour is RGB, cut to 8."""
    if file.mode == "I" or file.mode.startswith("I;16"):
        return True
    for codec, _, _, told in file.tile:
        highest = told[1] if codec == "ppm" and isinstance(told, tuple) else 255
        if ";16" in repr(told) or highest > 255:
            return True
    return False


def _orientation(file: ImageFile) -> int:
    if file.format == "PNG" and "exif" not in file.info:
        return 1  # asking further would decode it
    return int(file.getexif().get(_ORIENTATION, 1))


def _is_short_webp(path: Path) -> bool:
    """Its decoder does not say why it fails, but its first bytes say how long it should be."""
    try:
        with path.open("rb") as file:
            head, size = file.read(12), os.fstat(file.fileno()).st_size
    except OSError:  # gone meanwhile
        return False
    length = int.from_bytes(head[4:8], "little") + 8
    return head[:4] == b"RIFF" and head[8:] == b"WEBP" and size < length
