"""What holds of every page in two languages: the examples run, the partner has the same ones."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from convatlas import ops
from convatlas.cli import COMMANDS, main
from convatlas.train import Config
from convatlas.train.recipes import BY_NETWORK, RECIPES

DOCS = Path(__file__).parents[2] / "docs"
CHINESE = ".zh-CN.md"
PAGES = sorted(
    str(page.relative_to(DOCS)).removesuffix(CHINESE)
    for page in (*DOCS.glob(f"*{CHINESE}"), *DOCS.glob(f"layers/*{CHINESE}"))
)


def text(page: str, ending: str = ".md") -> str:
    return (DOCS / f"{page}{ending}").read_text(encoding="utf-8")


def found(pattern: str, source: str) -> list[str]:
    return re.findall(pattern, source, re.DOTALL | re.MULTILINE)


def blocks(source: str) -> list[str]:
    """What stands between fences: code, and what is included from the source."""
    return found(r"^```.*?^```$", source)


def headings(source: str) -> list[str]:
    for block in blocks(source):
        source = source.replace(block, "")
    return found(r"^(#+) ", source)


def commands(source: str) -> list[str]:
    return [" ".join(command.split()) for command in found(r"`convatlas (layer[^`]+)`", source)]


@pytest.mark.parametrize("page", PAGES)
def test_its_examples_print_what_they_say(page: str) -> None:
    code = "\n".join(found(r"^```python\n(.*?)^```$", text(page)))
    names = {"torch": torch, "ops": ops}  # as the index of the layers says
    examples = doctest.DocTestParser().get_doctest(code, names, page, None, 0)
    assert examples.examples or not page.startswith("layers/")
    assert doctest.DocTestRunner().run(examples).failed == 0


@pytest.mark.parametrize("page", PAGES)
def test_the_chinese_page_has_the_same_blocks_formulas_pictures_and_headings(page: str) -> None:
    english, chinese = text(page), text(page, CHINESE)
    assert headings(english) == headings(chinese)
    for pattern in (r"\$\$.*?\$\$", r"!\[[^]]*\]\(([^)]+)\)"):
        assert found(pattern, english) == found(pattern, chinese)
    same, partner = (
        # a list of pages names those of its own language
        [block for block in blocks(source) if not block.startswith("```{toctree}")]
        for source in (english, chinese)
    )
    assert same == partner
    assert commands(english) == commands(chinese)


@pytest.mark.parametrize("ending", [".md", CHINESE])
@pytest.mark.parametrize("page", PAGES)
def test_its_links_lead_somewhere_and_stay_in_its_language(page: str, ending: str) -> None:
    links = found(r"(?<!!)\[[^]]*\]\(([^)#]+)[^)]*\)", text(page, ending))
    partner, *rest = [link for link in links if "://" not in link]
    assert partner == Path(page).name + (CHINESE if ending == ".md" else ".md")
    for link in rest:
        target = (DOCS / page).parent / link
        assert target.exists(), link
        if target.suffix == ".md" and not link.endswith(ending):
            assert not target.with_suffix("").with_suffix(CHINESE).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_it_mentions_run(
    page: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # where pictures are drawn
    for command in commands(text(page)):
        assert main(shlex.split(command)) == 0, capsys.readouterr().err


@pytest.mark.parametrize("ending", [".md", CHINESE])
@pytest.mark.parametrize("page", ["data", "training", "transfer"])
def test_the_settings_and_commands_it_names_exist(page: str, ending: str) -> None:
    said, known = text(page, ending), {field.name for field in fields(Config)}
    assert set(found(r"`([a-z_0-9]+)=", said)) <= known
    assert set(found(r"--with ([a-z_0-9]+)=", said)) <= known
    assert set(found(r"(?<!import )convatlas ([a-z-]+)", said)) <= set(COMMANDS)
    assert set(found(r"--recipe ([a-z0-9-]+)", said)) <= {*RECIPES, *BY_NETWORK}


@pytest.mark.slow
def test_the_documents_build_without_a_warning(tmp_path: Path) -> None:
    for module in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(module, reason=f"{module} is not installed: documents are not built")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-b", "html", "-d"]
    built = subprocess.run(
        [*command, tmp_path / "trees", DOCS, tmp_path / "html"], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "html" / "layers" / "convolution.html").read_text(encoding="utf-8")
    assert "ngchwij,gocij-&gt;ngohw" in page, "the code is included"
