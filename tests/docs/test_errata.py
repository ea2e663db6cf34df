"""What the errata say is shown by their checks, and the Chinese page has the same ones."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: Path) -> list[str]:
    """Its checks, block by block."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_every_check_shows_what_it_says() -> None:
    page = DOCS / "errata.md"
    checks = doctest.DocTestParser().get_doctest("\n".join(blocks(page)), {}, page.name, None, 0)
    assert doctest.DocTestRunner().run(checks).failed == 0
    assert len(checks.examples) > 40


def test_the_chinese_page_has_the_same_checks_and_headings() -> None:
    english, chinese = DOCS / "errata.md", DOCS / "errata.zh-CN.md"
    assert blocks(english) == blocks(chinese)
    for mark in ("## ", "$$"):
        assert english.read_text("utf-8").count(mark) == chinese.read_text("utf-8").count(mark)


def test_every_erratum_has_a_check() -> None:
    _, *errata = (DOCS / "errata.md").read_text("utf-8").split("\n## ")
    assert len(errata) >= 7
    for erratum in errata:
        assert ">>> " in erratum, erratum.splitlines()[0]
