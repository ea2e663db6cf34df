"""What classes may be called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convatlas.errors import DataError


def refuse_alike(source: Path, classes: Sequence[str]) -> None:
    """Refuse names that a person, or another system, takes for one class.

    Raises:
        DataError: two of them differ by case only.
    """
    alike = {name.casefold(): name for name in classes}
    for name in classes:
        if alike[name.casefold()] != name:
            raise DataError(
                f"{source} has the classes {name!r} and {alike[name.casefold()]!r}, which differ "
                "by case only and are one folder on many systems: rename or merge them"
            )
