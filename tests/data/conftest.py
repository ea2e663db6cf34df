from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, so that no test sees or touches the user's."""
    folder = tmp_path_factory.mktemp("home") / "cache"
    monkeypatch.setenv("CONVATLAS_CACHE", str(folder))
    return folder
