"""Patterns of file names in braces, as the shell and WebDataset write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from convatlas.errors import DataError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST = 1_000_000  # names that a pattern may stand for


def shards_of(pattern: str) -> list[Path]:
    """The files that a pattern names: ``shards/{000..063}.tar``, or ``{train,test}-{0..9}.tar``.

    Numbers keep their zeros; a pattern without braces is one file.

    Raises:
        DataError: a file is missing, or the braces cannot be read.
    """
    paths = [Path(name).expanduser() for name in _expanded(pattern)]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(
            f"{pattern} names {len(paths)} shards, and {len(missing)} of them are not there: "
            f"{missing[0]} is the first"
        )
    return paths


def _expanded(pattern: str) -> Iterator[str]:
    found = _BRACES.search(pattern)
    if found is None:
        if "{" in pattern or "}" in pattern:
            raise DataError(f"{pattern} has a brace without its other half: {{000..063}}, say")
        yield pattern
        return
    for choice in _choices(pattern, found[1]):
        yield from _expanded(pattern[: found.start()] + choice + pattern[found.end() :])


def _choices(pattern: str, inside: str) -> Iterator[str]:
    if ends := _RANGE.fullmatch(inside):
        first, last = int(ends[1]), int(ends[2])
        if not 0 <= last - first < _MOST:
            raise DataError(f"{pattern}: {{{inside}}} must count upwards, and to a million at most")
        # as in a shell: as wide as the wider end where one begins with a zero
        padded = any(len(end) > 1 and end[0] == "0" for end in ends.groups())
        width = max(map(len, ends.groups())) if padded else 1
        yield from (f"{number:0{width}}" for number in range(first, last + 1))
    elif "," in inside:
        yield from inside.split(",")
    else:
        raise DataError(f"{pattern}: {{{inside}}} is neither {{000..063}} nor {{a,b,c}}")
