"""Pictures that are there several times: within a part, in two parts, under two labels."""

from __future__ import annotations

from collections.abc import Iterator

from convatlas.data.doctor.copies import Copies
from convatlas.data.doctor.findings import Case
from convatlas.data.listing import PARTS, Listing


def check_copies(listing: Listing, copies: Copies) -> Iterator[tuple[str, Case]]:
    """Leaks, conflicts and duplicates; a group may be both of the first two."""
    for group in copies.identical:
        case = _case(listing, group, "=")
        leaks, conflicts = crosses_parts(listing, group), disagrees(listing, group)
        if leaks:
            yield "leak", case
        if conflicts:
            yield "conflict", case
        if not leaks and not conflicts:
            yield "duplicate", case
    for group in copies.alike:
        kind = "near-leak" if crosses_parts(listing, group) else "near-duplicate"
        yield kind, _case(listing, group, "≈")


def crosses_parts(listing: Listing, group: tuple[int, ...]) -> bool:
    """Whether pictures of a group are in several parts."""
    return len({int(listing.parts[number]) for number in group}) > 1


def disagrees(listing: Listing, group: tuple[int, ...]) -> bool:
    """Whether pictures of a group have several labels."""
    return len({int(listing.labels[number]) for number in group}) > 1


def _case(listing: Listing, group: tuple[int, ...], between: str) -> Case:
    where = (
        f"{PARTS[int(listing.parts[i])]} {listing.classes[int(listing.labels[i])]}" for i in group
    )
    return Case(tuple(listing.files[i] for i in group), f" {between} ".join(where), between)
