"""What a cleaned copy keeps, and under which names; nothing is written here.

==================================  ===========================================================
pictures                            in the copy
==================================  ===========================================================
with a fault                        left out
identical, with several labels      all left out, since nobody knows which is right
identical otherwise                 one is kept, of the last part they are in (test, val, train)
nearly the same in several parts    those of the last part are kept
nearly the same in one part         kept; where the parts were drawn the first alone is, for they
                                    are drawn anew for the copy and could be divided
with a wrong suffix                 renamed by their content
all others                          as they are, EXIF, mode and all: nothing is encoded anew
==================================  ===========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from convatlas.data.doctor.checks.copies import disagrees
from convatlas.data.doctor.checks.files import SUFFIXES, is_misnamed
from convatlas.data.doctor.diagnosis import Diagnosis

#: the report in the copy, whose name no picture gets
REPORT = "doctor.txt"


@dataclass(frozen=True)
class Plan:
    """What becomes of each picture, by its number in the listing.

    Attributes:
        names: of those that are kept, where they go, relative to the copy.
        left_out: of the others, why.
        renamed: of those of another name than before, why.
    """

    names: Mapping[int, str]
    left_out: Mapping[int, str]
    renamed: Mapping[int, str]


def plan(diagnosis: Diagnosis) -> Plan:
    """What a copy would keep."""
    listing = diagnosis.listing
    left_out: dict[int, str] = {}
    for number, reason in _left_out(diagnosis):
        left_out.setdefault(number, reason)  # the first reason is the gravest
    names: dict[int, str] = {}
    renamed: dict[int, str] = {}
    taken = {REPORT} | ({listing.table.name.casefold()} if listing.table else set())
    kept = [number for number in range(len(listing)) if number not in left_out]
    # those that keep their names go first, so that no other takes it
    for number in sorted(kept, key=lambda i: is_misnamed(listing.files[i], diagnosis.facts[i])):
        old, known = listing.files[number], diagnosis.facts[number]
        suffixes = SUFFIXES.get(known.format or "", ())
        wrong = is_misnamed(old, known) and suffixes
        names[number] = _free(_inside(old), suffixes[0] if wrong else None, taken)
        if wrong:
            renamed[number] = f"it holds {known.format}"
        elif names[number] != old:
            renamed[number] = "its place is outside of the folder, or taken"
    return Plan(names, left_out, renamed)


def _left_out(diagnosis: Diagnosis) -> Iterator[tuple[int, str]]:
    listing, files = diagnosis.listing, diagnosis.listing.files
    for number, known in enumerate(diagnosis.facts):
        if known.fault is not None:
            yield number, f"{known.fault.kind}: {known.fault.reason}"
    conflicting: set[int] = set()
    for group in diagnosis.copies.identical:
        if disagrees(listing, group):
            conflicting.update(group)
            for number in group:
                others = ", ".join(files[other] for other in group if other != number)
                yield number, f"the same picture as {others}, where labels differ"
        else:
            for number in group[1:]:
                yield number, f"the same picture as {files[group[0]]}"
    for group in diagnosis.copies.alike:
        rest = [number for number in group if number not in conflicting]
        for number in rest[1:]:
            if listing.drawn or listing.parts[number] != listing.parts[rest[0]]:
                yield number, f"nearly the same picture as {files[rest[0]]}"


def _inside(name: str) -> str:
    """The name without what would lead out of the folder: a table may name files anywhere."""
    parts = PurePosixPath(name).parts
    return "/".join(part for part in parts if part != ".." and part[-1] not in "/:")


def _free(name: str, suffix: str | None, taken: set[str]) -> str:
    """The name with another suffix, numbered where a file has it, in any case of letters."""
    path = PurePosixPath(name)
    if suffix is not None:
        path = path.with_suffix(suffix)
    chosen, number = path, 1
    while str(chosen).casefold() in taken:
        number += 1
        chosen = path.with_name(f"{path.stem}-{number}{path.suffix}")
    taken.add(str(chosen).casefold())
    return str(chosen)
