"""What the documents say can be done can be done."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from convatlas.cli import COMMANDS
from convatlas.nets import catalog
from convatlas.nets.build import build

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
DOCUMENTS = (*READMES, "CONTRIBUTING.md", "ARCHITECTURE.md")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str = "[a-z]*") -> list[str]:
    """The fenced code blocks of a document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def headings(text: str) -> list[str]:
    """The levels of its headings, in order; a ``#`` in a code block is none."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^(#+) ", prose, re.MULTILINE)


def shell(text: str) -> str:
    """All that is meant for a shell: its blocks, and what stands between backticks."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join([*blocks(text, "bash"), *re.findall(r"`([^`\n]+)`", prose)])


def test_both_readmes_have_the_same_code_and_the_same_headings() -> None:
    english, chinese = map(read, READMES)
    assert blocks(english)
    assert blocks(english) == blocks(chinese)
    assert headings(english) == headings(chinese)
    pictures = r"!\[[^]]*\]\(([^)]+)\)"
    assert re.findall(pictures, english) == re.findall(pictures, chinese)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_is_mentioned_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    mentioned = set(re.findall(r"\bmake ([a-z]+)", shell(read(document))))
    assert mentioned <= targets
    assert set(re.findall(r"\bconvatlas ([a-z][a-z-]+)", shell(read(document)))) <= set(COMMANDS)


def test_make_demo_runs_a_command_that_exists() -> None:
    (command,) = re.findall(r"^demo:.*\n.*-m convatlas (\w+)", read("Makefile"), re.MULTILINE)
    assert command in COMMANDS


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_linked_exists(document: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", read(document))
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


@pytest.mark.parametrize("document", READMES)
def test_the_first_two_commands_are_make_demo_and_make_test(document: str) -> None:
    assert re.findall(r"^make ([a-z]+)", blocks(read(document))[0], re.MULTILINE) == [
        "demo",
        "test",
    ]


def test_the_family_added_in_contributing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two code blocks, put where the text says, give a network that keeps its row's word."""
    source, rows = blocks(read("CONTRIBUTING.md"), "python")
    module = ModuleType("convatlas.nets.allcnn")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, "allcnn.py", "exec"), module.__dict__)
    names = dict(vars(catalog))
    exec(compile(rows, "catalog.py", "exec"), names)
    (row,) = names["_ALLCNNS"]
    monkeypatch.setitem(catalog.CATALOG, row.name, row)

    net = build("allcnn_c")
    assert sum(p.numel() for p in net.parameters()) == row.params
    with FlopCounterMode(display=False) as counter:
        assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert counter.get_total_flops() == 2 * row.macs  # a multiply-accumulate is two operations
    assert net.features(torch.zeros(1, 3, 32, 32)).shape == (1, 192, 6, 6)  # table 1: 6×6
