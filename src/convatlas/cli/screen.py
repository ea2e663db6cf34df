"""Where commands write: a table fits the terminal, and a pipe gets it whole and without colour."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

_WHOLE = 1000  # columns: no table of ours is as wide


def console(*, quiet: bool = False) -> Console:
    """Standard output as rich writes to it, or nothing."""
    width = None if sys.stdout.isatty() else _WHOLE
    # names of classes and files are printed as they are, whatever brackets and colons they have
    return Console(width=width, highlight=False, markup=False, emoji=False, quiet=quiet)


def print_json(value: Any) -> None:
    """``value`` for a program to read: one document of JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
