"""Where what was downloaded is kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_dir() -> Path:
    """Where downloads are kept; it need not exist yet.

    ``CONVATLAS_CACHE``; else ``convatlas`` inside ``XDG_CACHE_HOME``, or inside the system's own
    place: ``~/.cache``, ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%`` on Windows.
    """
    if own := os.environ.get("CONVATLAS_CACHE"):
        return Path(own).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).expanduser() / "convatlas"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "convatlas"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "convatlas"
    return Path.home() / ".cache" / "convatlas"
