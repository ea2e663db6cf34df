"""Every picture the library draws, from plain arrays to a PNG file.

Each function takes a file and arrays, and draws with matplotlib's object interface: no window, no
global state.
"""

from __future__ import annotations

from convatlas.plots.bars import bar_chart
from convatlas.plots.cells import feeding_cells
from convatlas.plots.confusion import confusion_matrix
from convatlas.plots.contact_sheet import contact_sheet
from convatlas.plots.curves import training_curves
from convatlas.plots.functions import function_and_derivative
from convatlas.plots.learning_rates import learning_rates
from convatlas.plots.lines import line_chart
from convatlas.plots.matrix import matrices
from convatlas.plots.normalisations import normalisation_axes
from convatlas.plots.response_maps import responses
from convatlas.plots.searched import searched

__all__ = [
    "bar_chart",
    "confusion_matrix",
    "contact_sheet",
    "feeding_cells",
    "function_and_derivative",
    "learning_rates",
    "line_chart",
    "matrices",
    "normalisation_axes",
    "responses",
    "searched",
    "training_curves",
]
