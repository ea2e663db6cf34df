"""What every picture shares: its colours, its letters, and how it becomes a PNG."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

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


def save(figure: Figure, target: BinaryIO | Path) -> None:
    """Write the figure as PNG. Texts are drawn as they are: a ``$`` begins no formula."""
    from matplotlib.font_manager import fontManager
    from matplotlib.text import Text

    installed = {font.name for font in fontManager.ttflist}
    families = ["DejaVu Sans", *(name for name in _CHINESE if name in installed)]
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_fontfamily(families)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(target, format="png", dpi=120, metadata={"Software": None})
