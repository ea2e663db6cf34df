"""What every picture shares: its colours, and how it reaches the disk."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from convatlas import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: told apart with any kind of colour vision (Okabe and Ito 2008)
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG, all at once or not at all.

    Raises:
        StorageError: the disk is full or may not be written.
    """
    png = BytesIO()
    figure.savefig(png, format="png", dpi=120, metadata={"Software": None})
    files.write_bytes(path, png.getvalue())
    return path
