"""What every picture shares: its colours, and how it reaches the disk."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from convatlas import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: told apart with any kind of colour vision (Okabe and Ito 2008)
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"


#: what shows Chinese class names, where it is installed; matplotlib's own font lacks them
_CHINESE = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Microsoft YaHei",
)


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG, all at once or not at all.

    Texts are drawn as they are: a ``$`` in a class name begins no formula.

    Raises:
        StorageError: the disk is full or may not be written.
    """
    from matplotlib.font_manager import fontManager
    from matplotlib.text import Text

    installed = {font.name for font in fontManager.ttflist}
    families = ["DejaVu Sans", *(name for name in _CHINESE if name in installed)]
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_fontfamily(families)
    png = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(png, format="png", dpi=120, metadata={"Software": None})
    files.write_bytes(path, png.getvalue())
    return path
