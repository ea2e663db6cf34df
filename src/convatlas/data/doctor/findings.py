"""What the doctor says, and every kind of it.

========  ====================================================================================
severity  means
========  ====================================================================================
fatal     nothing can be trained
error     results would be wrong, or pictures are left out
warning   training goes on, and is worse than it could be
note      training is as it should be; other programs, or a person, may want to know
========  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

#: from the gravest
SEVERITIES = ("fatal", "error", "warning", "note")


@dataclass(frozen=True)
class Kind:
    """A thing that can be wrong.

    Attributes:
        severity: of `SEVERITIES`.
        message: what it does to training and what to do about it, in one line.
    """

    severity: str
    message: str


KINDS = {
    "unusable": Kind(
        "fatal",
        "nothing can be trained: add pictures to these, or mend those that cannot be read",
    ),
    "leak": Kind(
        "error",
        "the same picture is in two parts, so what was learned by heart counts as recognised: "
        "remove it from the one that is learned from (--fix does)",
    ),
    "near-leak": Kind(
        "error",
        "nearly the same picture is in two parts, so the score flatters: look at them, and remove "
        "them from the one that is learned from (--fix does)",
    ),
    "conflict": Kind(
        "error",
        "the same picture has two labels, so one of them is learned wrong: keep the right one "
        "(--fix leaves out all)",
    ),
    "truncated": Kind(
        "error", "cut short and left out of training: copy it again, or remove it (--fix does)"
    ),
    "unreadable": Kind(
        "error", "not to be decoded and left out of training: replace or remove it (--fix does)"
    ),
    "empty": Kind(
        "error", "of zero size and left out of training: copy it again, or remove it (--fix does)"
    ),
    "bomb": Kind(
        "error",
        "claims more pixels than are ever decoded and is left out of training: make it smaller, "
        "or remove it (--fix does)",
    ),
    "broken-link": Kind(
        "error", "a link that leads nowhere, left out of training: mend or remove it (--fix does)"
    ),
    "imbalance": Kind(
        "warning",
        "more than ten times as many pictures, so rare classes are hardly learned: add some, or "
        "weight the classes",
    ),
    "few": Kind("warning", "too few pictures to learn a class from, which mostly fails: add some"),
    "duplicate": Kind(
        "warning", "the same picture again in its part, so it counts double: keep one (--fix does)"
    ),
    "constant": Kind(
        "warning", "all pixels are of one colour, which shows nothing: see whether it is meant"
    ),
    "aspect": Kind(
        "warning",
        "so long that the centre crop, which a network sees, loses most of it: crop or pad it",
    ),
    "wrong-extension": Kind(
        "warning",
        "read by its content all the same, but programs that go by the name fail: rename it "
        "(--fix does)",
    ),
    "near-duplicate": Kind(
        "note", "nearly the same picture again in its part, which adds little: see whether to keep"
    ),
    "rotated": Kind(
        "note", "stored otherwise and turned upright by EXIF: here, but not by every program"
    ),
    "one-bit": Kind("note", "1 bit a pixel becomes 0 and 255"),
    "deep": Kind("note", "more than 8 bits a channel become 8, white staying white"),
    "palette": Kind("note", "numbers of a palette become its colours"),
    "cmyk": Kind("note", "ink levels become RGB by a plain formula: colours may be a little off"),
    "alpha": Kind("note", "transparent parts become white: see whether it suits the others"),
    "animation": Kind("note", "only the first picture of several is used"),
    "name": Kind("note", "its name is no UTF-8: read here, but other programs may fail: rename it"),
}


@dataclass(frozen=True)
class Case:
    """One instance of a finding.

    Attributes:
        files: names relative to the listing's root; several where they are found together, none
            where it is about a class.
        says: what is particular to it.
        between: the sign that stands between the files.
    """

    files: tuple[str, ...]
    says: str = ""
    between: str = "="


@dataclass(frozen=True)
class Finding:
    """What is wrong, and where.

    Attributes:
        kind: of `KINDS`.
        cases: at least one, in the order of the listing.
        severity, message: of the kind.
    """

    kind: str
    cases: tuple[Case, ...]
    severity: str = field(init=False)
    message: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "severity", KINDS[self.kind].severity)
        object.__setattr__(self, "message", KINDS[self.kind].message)

    @property
    def files(self) -> tuple[str, ...]:
        """All that it names, each once."""
        return tuple(dict.fromkeys(file for case in self.cases for file in case.files))

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, whole."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "cases": [{"files": list(case.files), "says": case.says} for case in self.cases],
        }


def gathered(found: Sequence[tuple[str, Case]]) -> tuple[Finding, ...]:
    """A finding for each kind that has cases, from the gravest, in the order of `KINDS`."""
    cases: dict[str, list[Case]] = {}
    for kind, case in found:
        cases.setdefault(kind, []).append(case)
    return tuple(Finding(kind, tuple(cases[kind])) for kind in KINDS if kind in cases)
