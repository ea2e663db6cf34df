"""The import law of ARCHITECTURE.md, read off the syntax of every file, lazy imports included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import convatlas

SOURCE = Path(convatlas.__file__).parent

#: from left to right; a package imports only what stands to its left, and itself
LAW = (
    ("errors",),
    ("progress",),
    ("arithmetic", "files", "plots"),
    ("nets", "ops", "data"),
    ("classifier",),
    ("weights", "analysis", "evaluate"),
    ("train", "explain", "export"),
    ("studies",),
    ("serve",),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(LAW) for room in rooms}
#: the front door: it names everything and nothing may come in through it
DOORS = {"__init__", "__main__"}
#: oracles of the tests and frameworks that the loop does without
FORBIDDEN = {"torchvision", "timm", "lightning", "pytorch_lightning"}


def imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Line and absolute name of all that a module in ``package`` imports, however it does it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__"):
                name = node.args[0]
                if isinstance(name, ast.JoinedStr):  # f"convatlas.nets.{module}"
                    name = name.values[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    yield node.lineno, name.value


def offences(root: Path) -> list[str]:
    """``file:line: what is wrong`` for every import under ``root`` that breaks the law."""
    found = []
    for file in sorted(root.rglob("*.py")):
        relative = file.relative_to(root)
        room = relative.with_suffix("").parts[0]
        package = ".".join(["convatlas", *relative.parent.parts])
        for line, name in imports(ast.parse(file.read_text(encoding="utf-8")), package):
            if reason := offence(room, name):
                found.append(f"{relative.as_posix()}:{line}: {reason}")
    return found


def offence(room: str, name: str) -> str | None:
    """Why a module of ``room`` may not import ``name``."""
    top, *inside = name.split(".")
    if top in FORBIDDEN:
        return f"imports {top}, which is for tests alone"
    if top != "convatlas" or room in DOORS:
        return None
    target = inside[0] if inside else ""
    if target not in LEVEL:
        return f"imports {name}: name a room of the house, not the front door"
    if room not in LEVEL:
        return f"{room} has no place in the law yet"
    if target != room and LEVEL[target] >= LEVEL[room]:
        return f"{room} may not import {target}, which does not stand to its left"
    return None


def test_the_source_obeys() -> None:
    assert len(list(SOURCE.rglob("*.py"))) > 20, "the law would hold for nothing"
    assert offences(SOURCE) == []


@pytest.mark.parametrize(
    ("file", "code", "said"),
    [
        (
            "nets/vgg.py",
            "\nimport convatlas.data.folder",
            "nets/vgg.py:2: nets may not import data",
        ),
        ("nets/vgg.py", "from convatlas import train", "nets may not import train"),
        ("nets/vgg.py", "from ..cli import main", "nets may not import cli"),
        ("nets/vgg.py", "from . import parts, sizes", None),
        ("nets/vgg.py", "def f():\n    from convatlas.serve import app", "nets/vgg.py:2: nets may"),
        ("nets/vgg.py", "import torchvision.models", "nets/vgg.py:1: imports torchvision"),
        ("nets/vgg.py", "from timm import create_model", "imports timm"),
        ("nets/vgg.py", "import convatlas as ca", "not the front door"),
        ("nets/vgg.py", "from convatlas.errors import ShapeError", None),
        ("data/load.py", "m = import_module(f'convatlas.nets.{n}')", "data may not import nets"),
        ("files.py", "from convatlas.plots import curves", "files may not import plots"),
        ("novel/x.py", "import convatlas.errors", "novel has no place in the law"),
        ("cli/show.py", "import convatlas.analysis.trace, torch, json", None),
        ("__init__.py", "from convatlas.cli import main", None),
    ],
)
def test_an_offender_is_named_by_file_and_line(
    tmp_path: Path, file: str, code: str, said: str | None
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(code)
    found = offences(tmp_path)
    if said is None:
        assert found == []
    else:
        assert len(found) == 1
        assert said in found[0]
