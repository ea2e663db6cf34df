"""Files that cannot be read, or whose name misleads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from convatlas.data.doctor.facts import Facts
from convatlas.data.doctor.findings import Case
from convatlas.data.listing import Listing

#: the suffixes of each format, the usual one first
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),  # a JPEG with more behind it, as phones write them
    "PNG": (".png",),
    "PPM": (".ppm", ".pgm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}


def check_files(listing: Listing, facts: Sequence[Facts]) -> Iterator[tuple[str, Case]]:
    """Faults, wrong suffixes, and names that are no UTF-8."""
    for name, known in zip(listing.files, facts, strict=True):
        if known.fault is not None:
            yield known.fault.kind, Case((name,), known.fault.reason)
        elif is_misnamed(name, known):
            yield "wrong-extension", Case((name,), f"holds {known.format}")
        if not _is_utf8(name):
            yield "name", Case((name,))


def is_misnamed(name: str, known: Facts) -> bool:
    """Whether a file's suffix belongs to another format than its content; arrays have none."""
    if known.format is None:
        return False
    return PurePosixPath(name).suffix.lower() not in SUFFIXES.get(known.format, ())


def _is_utf8(name: str) -> bool:
    try:
        name.encode()  # bytes that are no UTF-8 are surrogates, which have no encoding
    except UnicodeEncodeError:
        return False
    return True
