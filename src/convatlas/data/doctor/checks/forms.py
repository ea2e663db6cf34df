"""What a picture is that others are not: turned, deep, transparent, long, of one colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convatlas.data.doctor.facts import Facts
from convatlas.data.doctor.findings import Case
from convatlas.data.listing import Listing

#: of the long side to the short one: beyond it, a square crop shows less than a quarter
LONGEST = 4.0
_TURNS = {
    2: "mirrored",
    3: "by 180°",
    4: "mirrored and by 180°",
    5: "mirrored and by 90° to the left",
    6: "by 90° to the right",
    7: "mirrored and by 90° to the right",
    8: "by 90° to the left",
}


def check_forms(listing: Listing, facts: Sequence[Facts]) -> Iterator[tuple[str, Case]]:
    """Everything that has no fault and is unusual; `decode` says what becomes of each mode."""
    for name, known in zip(listing.files, facts, strict=True):
        if known.fault is None:
            for kind, says in _unusual(known):
                yield kind, Case((name,), says)


def _unusual(known: Facts) -> Iterator[tuple[str, str]]:
    if known.pixels is not None and known.pixels.constant:
        yield "constant", ""
    if max(known.width, known.height) > LONGEST * min(known.width, known.height):
        yield "aspect", f"{known.width}×{known.height}"
    if known.orientation in _TURNS:
        yield "rotated", _TURNS[known.orientation]
    if known.mode == "1":
        yield "one-bit", ""
    if known.deep:
        yield "deep", ""
    if known.mode in ("P", "PA"):
        yield "palette", ""
    if known.mode == "CMYK":
        yield "cmyk", ""
    if known.transparent:
        yield "alpha", ""
    if known.animated:
        yield "animation", ""
