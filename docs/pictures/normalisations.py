"""Pictures of docs/layers/normalisations.md."""

from __future__ import annotations

from pathlib import Path

from convatlas import plots


def normalisation_axes(png: Path) -> None:
    """Which numbers share a mean."""
    plots.normalisation_axes(png)
