"""The cleaned copy of a folder: whole or not at all, the original never touched."""

from __future__ import annotations

import csv
import io
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch

from convatlas import files, progress
from convatlas.data.doctor.checks import check_classes
from convatlas.data.doctor.diagnosis import Diagnosis
from convatlas.data.doctor.plan import REPORT, Plan, plan
from convatlas.data.listing import PARTS
from convatlas.errors import DataError, StorageError


def fix(diagnosis: Diagnosis, out: Path) -> Plan:
    """Write a copy without what `plan` leaves out, in the same layout, with a report in it.

    The copy is made under another name and takes its own once it is whole.

    Args:
        diagnosis: of picture files.
        out: a folder that does not exist yet, outside of the original.

    Returns:
        What was kept, left out and renamed.

    Raises:
        DataError: these are arrays and no files; or what would be left is of no use.
        StorageError: ``out`` exists, lies inside the original, or cannot be written.
    """
    listing = diagnosis.listing
    if all(known.format is None and known.fault is None for known in diagnosis.facts):
        raise DataError(f"{listing.name} holds arrays, but only picture files can be cleaned")
    _refuse_place(out, listing.root)
    planned = plan(diagnosis)
    _refuse_useless(diagnosis, planned)
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    with files.storing(out):
        try:
            part.mkdir(parents=True)
            _copy(diagnosis, planned, part)
            _refuse_place(out, listing.root)  # somebody may have made it meanwhile
            part.rename(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)  # after `rename` it is gone
    return planned


def _refuse_place(out: Path, root: Path) -> None:
    if out.exists() or out.is_symlink():
        raise StorageError(f"{out} exists already, and nothing is overwritten: name a new folder")
    if out.resolve().is_relative_to(root.resolve()):
        raise StorageError(
            f"{out} lies inside {root}, which is never changed: name a folder outside of it"
        )


def _refuse_useless(diagnosis: Diagnosis, planned: Plan) -> None:
    listing = diagnosis.listing
    kept = torch.tensor(sorted(planned.names), dtype=torch.int64)
    rest = listing.subset(kept)
    lacking = [
        case.says
        for kind, case in check_classes(rest, [diagnosis.facts[i] for i in kept.tolist()])
        if kind == "unusable"
    ]
    if listing.drawn:  # the parts of the copy are drawn anew, which takes two of each class
        counts = torch.bincount(rest.labels, minlength=len(listing.classes)).tolist()
        lacking = [
            f"{name} would have {count} picture(s)"
            for name, count in zip(listing.classes, counts, strict=True)
            if count < 2
        ]
    if lacking:
        raise DataError(
            f"{listing.name} has too little for a cleaned copy to train from, since {lacking[0]}: "
            "add pictures, or mend those that cannot be read"
        )


def _copy(diagnosis: Diagnosis, planned: Plan, folder: Path) -> None:
    listing = diagnosis.listing
    with progress.bar(f"copying {listing.name}", len(planned.names)) as advance:
        for number, name in planned.names.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(listing.path(number), target)  # of a link, what it leads to
            advance(1)
    if listing.table is not None:
        files.write_text(folder / listing.table.name, _table(diagnosis, planned))
    report = "".join(f"{line}\n" for line in _report(diagnosis, planned))
    # names that are no UTF-8 are written with their bytes spelled out
    files.write_bytes(folder / REPORT, report.encode(errors="backslashreplace"))


def _table(diagnosis: Diagnosis, planned: Plan) -> str:
    """The rows that are kept: path, label, and the part where the original had it."""
    listing = diagnosis.listing
    columns = ("path", "label") if listing.drawn else ("path", "label", "split")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for number, name in sorted(planned.names.items()):
        label, part = int(listing.labels[number]), int(listing.parts[number])
        writer.writerow((name, listing.classes[label], PARTS[part])[: len(columns)])
    return text.getvalue()


def _report(diagnosis: Diagnosis, planned: Plan) -> Iterator[str]:
    names = diagnosis.listing.files
    same = len(planned.names) - len(planned.renamed)
    yield (
        f"A copy of {diagnosis.listing.root} by convatlas doctor: {same} files as they were, "
        f"{len(planned.renamed)} renamed, {len(planned.left_out)} left out."
    )
    for number, name in enumerate(names):
        if number in planned.left_out:
            yield f"left out  {name}: {planned.left_out[number]}"
        elif number in planned.renamed:
            yield f"renamed   {name} → {planned.names[number]}: {planned.renamed[number]}"
        else:
            yield f"copied    {name}"
