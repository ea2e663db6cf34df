"""What people type, read: shapes and options."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from convatlas.errors import ConfigError


def read_shape(text: str) -> tuple[int, int, int]:
    """``(C, H, W)`` of ``3x224x224``.

    Raises:
        ConfigError: it is written otherwise.
    """
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ConfigError(
            f"input is {text!r}, but it must be channels x height x width: 3x224x224, say"
        )
    channels, height, width = map(int, parts)
    return channels, height, width


def read_options(pairs: Iterable[str]) -> dict[str, Any]:
    """Options of a network out of ``name=value``; a value is a Python literal, or else a word.

    Raises:
        ConfigError: there is no ``=``.
    """
    options = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (equals and name.isidentifier()):
            raise ConfigError(f"option {pair!r} must be name=value: norm=group, say")
        try:
            options[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            options[name] = text
    return options
