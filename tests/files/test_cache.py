from __future__ import annotations

import sys
from pathlib import Path

import pytest

from convatlas import files


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("CONVATLAS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return monkeypatch


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", ".cache/convatlas"),
        ("darwin", "Library/Caches/convatlas"),
        ("win32", "AppData/Local/convatlas"),
    ],
)
def test_the_cache_is_where_the_system_keeps_its_own(
    bare: pytest.MonkeyPatch, tmp_path: Path, platform: str, expected: str
) -> None:
    bare.setattr(sys, "platform", platform)
    assert files.cache_dir() == tmp_path / expected


def test_the_environment_moves_the_cache(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("XDG_CACHE_HOME", "/somewhere")
    assert files.cache_dir() == Path("/somewhere/convatlas")
    bare.setenv("CONVATLAS_CACHE", "/own")
    assert files.cache_dir() == Path("/own")
