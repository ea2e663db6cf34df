"""Every picture the library draws, from plain arrays to a PNG file.

Each function takes a file and arrays, and draws with matplotlib's object interface: no window, no
global state.
"""

from __future__ import annotations

from convatlas.plots.bars import bar_chart
from convatlas.plots.confusion import confusion_matrix
from convatlas.plots.contact_sheet import contact_sheet
from convatlas.plots.curves import training_curves
from convatlas.plots.lines import line_chart
from convatlas.plots.normalisations import normalisation_axes

__all__ = [
    "bar_chart",
    "confusion_matrix",
    "contact_sheet",
    "line_chart",
    "normalisation_axes",
    "training_curves",
]
