"""What the page on data says can be done can be done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convatlas.data import SOURCES
from convatlas.data.decode import MOST_PIXELS
from convatlas.data.layouts.scan import SUFFIXES

PAGES = [Path(__file__).parents[2] / "docs" / name for name in ("data.md", "data.zh-CN.md")]
ENGLISH, CHINESE = (page.read_text(encoding="utf-8") for page in PAGES)


def test_both_pages_have_the_same_commands_headings_and_rows() -> None:
    for pattern in (r"^```.*?^```$", r"^#+ ", r"^\| ?`?(?=\S)", r"`[a-z_]+=[^`]*`"):
        found = [re.findall(pattern, text, re.DOTALL | re.MULTILINE) for text in (ENGLISH, CHINESE)]
        assert found[0]
        assert found[0] == found[1]


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_sources_exist(text: str) -> None:
    assert all(f"`{name}`" in text for name in SOURCES)
    assert f"{MOST_PIXELS:,}" in text
    kinds = {"jpg": "jpeg", "tif": "tiff"}
    named = {kinds.get(suffix[1:], suffix[1:]).lower() for suffix in SUFFIXES}
    assert named <= {word.lower() for word in re.findall(r"[A-Za-z]+", text)}
