"""All that is wrong with a data set, in one pass over its pictures."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from convatlas import progress
from convatlas.data import shards
from convatlas.data.doctor.checks import check_classes, check_copies, check_files, check_forms
from convatlas.data.doctor.copies import Copies, find_copies
from convatlas.data.doctor.examine import examine, examine_pixels
from convatlas.data.doctor.facts import Facts
from convatlas.data.doctor.findings import Finding, gathered
from convatlas.data.doctor.header import header
from convatlas.data.imageset import Dataset, ImageSet
from convatlas.data.listing import PARTS, Listing
from convatlas.data.sources import listed, load
from convatlas.data.store.reading import in_order
from convatlas.errors import DataError


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found.

    Attributes:
        listing: the pictures; of arrays their files are names like ``train 17``.
        facts: of each, in the same order.
        copies: which of them are the same, or nearly.
        findings: from the gravest; none where all is well.
    """

    listing: Listing
    facts: tuple[Facts, ...]
    copies: Copies
    findings: tuple[Finding, ...]

    @property
    def is_usable(self) -> bool:
        """Whether something can be trained from it."""
        return all(finding.severity != "fatal" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, every finding whole."""
        listing = self.listing
        return {
            "name": listing.name,
            "root": str(listing.root),
            "classes": list(listing.classes),
            "pictures": {part: len(listing.part(part)) for part in PARTS},
            "notes": list(listing.notes),
            "usable": self.is_usable,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def diagnose(source: str, *, data_dir: Path | None = None, quick: bool = False) -> Diagnosis:
    """Look at every picture of a data set, decoding each once, with a bar.

    Of arrays (named sets, ``.npz``, IDX, the archives of CIFAR) there are no files to look at:
    copies, conflicts, constant pictures and the classes alone are checked.

    Args:
        source: as :func:`convatlas.data.load` takes it.
        data_dir: where the files of a named data set are looked for first.
        quick: look at names, sizes and headers alone. Files that are broken behind their header,
            constant pictures and copies are then not found.

    Raises:
        UnknownNameError: neither a name nor a folder.
        DataError: the layout is not as it should be, so that there is nothing to look at; or
            these are shards.
    """
    if shards.claims(source):
        raise DataError(
            f"{source} holds tar shards, which are not looked into: examine the folder that they "
            "were made from, and shard it again"
        )
    listing = listed(source)
    if listing is not None and quick:
        facts = _each(header, listing, "looking at")
    elif listing is not None:
        facts = _each(examine, listing, "examining")
    else:
        listing, facts = _from_arrays(load(source, data_dir=data_dir))
    copies = find_copies(listing, facts)
    found = (
        *check_classes(listing, facts),
        *check_copies(listing, copies),
        *check_files(listing, facts),
        *check_forms(listing, facts),
    )
    return Diagnosis(listing, facts, copies, gathered(found))


def _each(look: Callable[[Path], Facts], listing: Listing, doing: str) -> tuple[Facts, ...]:
    with warnings.catch_warnings():  # what Pillow warns of is found here or does not matter
        warnings.simplefilter("ignore")
        return tuple(in_order(lambda number: look(listing.path(number)), listing, doing))


def _from_arrays(dataset: Dataset) -> tuple[Listing, tuple[Facts, ...]]:
    """A listing whose files are numbers in a part, and the facts of their pixels."""
    sets = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
    parts = {name: part for name, part in sets.items() if isinstance(part, ImageSet)}
    listing = Listing(
        dataset.name,
        Path(dataset.name),
        dataset.train.classes,
        [f"{name} {number}" for name, part in parts.items() for number in range(len(part))],
        torch.cat([part.labels for part in parts.values()]),
        torch.cat(
            [
                torch.full((len(part),), PARTS.index(name), dtype=torch.uint8)
                for name, part in parts.items()
            ]
        ),
        (*dataset.notes, "arrays, not files: copies, labels, constants and classes are checked"),
    )
    facts = []
    with progress.bar(f"examining {dataset.name}", len(listing)) as advance:
        for part in parts.values():
            for number in range(len(part)):
                facts.append(Facts(pixels=examine_pixels(part.take(slice(number, number + 1))[0])))
                advance(1)
    return listing, tuple(facts)
