"""How sizes and numbers are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def times(sizes: Sequence[int]) -> str:
    """``3×224×224``."""
    return "×".join(map(str, sizes))


def number(value: Tensor | float) -> str:
    """Four digits, and whole numbers as they are."""
    value = float(value)
    text = f"{value:.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.4g}"
    return text.replace("-", "−").replace("inf", "∞")
