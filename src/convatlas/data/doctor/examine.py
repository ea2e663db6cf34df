"""One picture, all that is to be known of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from convatlas.data.decode import decode
from convatlas.data.doctor.facts import Facts, Pixels
from convatlas.data.doctor.header import fault_of, header
from convatlas.data.doctor.looks import look
from convatlas.errors import DataError


def examine(path: Path) -> Facts:
    """A file: its header, and its pixels where that has no fault."""
    facts = header(path)
    if facts.fault is not None:
        return facts
    try:
        # in colour, so that a grey picture and its copy in RGB are the same
        return replace(facts, pixels=examine_pixels(decode(path, 3)))
    except DataError as error:
        return replace(facts, fault=fault_of(path, error.__cause__ or error))


def examine_pixels(pixels: Tensor) -> Pixels:
    """Decoded pixels, uint8 ``(C, h, w)``."""
    digest = hashlib.blake2b(repr(tuple(pixels.shape)).encode(), digest_size=16)
    digest.update(pixels.contiguous().numpy().data)
    constant = bool((pixels.amax((1, 2)) == pixels.amin((1, 2))).all())
    return Pixels(constant, digest.digest(), *look(pixels))
