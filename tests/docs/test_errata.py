"""Each erratum is shown by a check, which test_pages.py runs."""

from __future__ import annotations

from pathlib import Path

ERRATA = Path(__file__).parents[2] / "docs" / "errata.md"


def test_every_erratum_has_a_check() -> None:
    _, *errata = ERRATA.read_text("utf-8").split("\n## ")
    assert len(errata) >= 7
    for erratum in errata:
        assert ">>> " in erratum, erratum.splitlines()[0]
