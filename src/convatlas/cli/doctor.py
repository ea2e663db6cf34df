"""``convatlas doctor DATA``: what is wrong with a data set, and a copy without it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from convatlas.cli.screen import console, print_json
from convatlas.errors import ConfigError

if TYPE_CHECKING:
    from convatlas.data.doctor import Case, Diagnosis, Finding, Plan

_CASES = 8  # of a finding that are shown
_FILES = 6  # of a case
_CLEAN, _FINDINGS, _UNUSABLE = 0, 1, 2


def doctor(
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")],
    /,
    fix: Annotated[Path | None, tyro.conf.arg(metavar="OUT")] = None,
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    quick: bool = False,
    json: bool = False,
) -> int:
    """Find what is wrong with a data set: broken files, copies across parts, odd pictures.

    The exit code is 0 where nothing is, 1 where there are findings, 2 where nothing could be
    trained from it.

    Args:
        data: as for convatlas train.
        fix: write a cleaned copy into this new folder, with a report; the original stays.
        data_dir: where to look for the data first.
        quick: look at names, sizes and headers alone; copies and what is broken further in are
            not found.
        json: print JSON, with every file of every finding.
    """
    from convatlas.data import doctor as room

    if quick and fix is not None:
        raise ConfigError("--fix needs every picture decoded: leave --quick out")
    diagnosis = room.diagnose(data, data_dir=data_dir, quick=quick)
    if not json:
        _print(diagnosis)
    planned = None if fix is None else room.fix(diagnosis, fix)
    if json:
        print_json(diagnosis.to_dict() | {"fix": planned and _named(diagnosis, planned)})
    elif planned is not None:
        console().print(
            f"{len(planned.names):,} files copied to {fix}, {len(planned.renamed):,} of them "
            f"renamed; {len(planned.left_out):,} left out: {room.REPORT} in it says which and why"
        )
    if not diagnosis.is_usable:
        return _UNUSABLE
    return _FINDINGS if diagnosis.findings else _CLEAN


def _named(diagnosis: Diagnosis, planned: Plan) -> dict[str, Any]:
    """What was done, by the names of the files."""
    files = diagnosis.listing.files
    return {
        "kept": {files[number]: name for number, name in planned.names.items()},
        "left_out": {files[number]: reason for number, reason in planned.left_out.items()},
    }


def _print(diagnosis: Diagnosis) -> None:
    from convatlas.data.listing import PARTS

    listing, say = diagnosis.listing, console().print
    sizes = ((part, len(listing.part(part))) for part in PARTS)
    parts = ", ".join(f"{part} {size:,}" for part, size in sizes if size)
    say(f"{listing.name}: {len(listing):,} pictures of {len(listing.classes)} classes ({parts})")
    for note in listing.notes:
        say(f"  {note}")
    for finding in diagnosis.findings:
        _print_finding(finding)
    say(f"\n{_summary(diagnosis)}")


def _print_finding(finding: Finding) -> None:
    say = console().print
    say(f"\n{finding.severity}  {finding.kind} ({len(finding.cases):,}): {finding.message}")
    for case in finding.cases[:_CASES]:
        say(f"  {_line(case)}")
    if len(finding.cases) > _CASES:
        say(f"  … and {len(finding.cases) - _CASES:,} more")


def _line(case: Case) -> str:
    """``a.jpg = b.jpg (train cat = test cat)``."""
    files = list(case.files[:_FILES])
    if len(case.files) > _FILES:
        files.append(f"… and {len(case.files) - _FILES:,} more")
    named = f" {case.between} ".join(files)
    if not named or not case.says:
        return named or case.says
    return f"{named} ({case.says})" if len(case.files) > 1 else f"{named}: {case.says}"


def _summary(diagnosis: Diagnosis) -> str:
    listing = diagnosis.listing
    if not diagnosis.findings:
        return f"{listing.name}: nothing is wrong with its {len(listing):,} pictures"
    counts = Counter(finding.severity for finding in diagnosis.findings)
    kinds = ", ".join(f"{count} {severity}" for severity, count in counts.items())
    named = {file for finding in diagnosis.findings for file in finding.files}
    rest = "" if diagnosis.is_usable else "; nothing can be trained from it"
    return (
        f"{listing.name}: {len(diagnosis.findings)} kinds of findings ({kinds}) that name "
        f"{len(named):,} of {len(listing):,} pictures{rest}"
    )
