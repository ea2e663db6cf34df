"""Draws the pictures of docs/layers: `python docs/pictures [FOLDER]`.

A file here belongs to the page of its name; each public function in it draws one picture, which
gets the function's name. They compute real numbers with `convatlas.ops` and draw them with
`convatlas.plots`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
IMAGES = HERE.parent / "images" / "layers"


def pictures() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """File name and function of every picture, in the order of the files here."""
    for path in sorted(HERE.glob("[a-z]*.py")):
        module = import_module(path.stem)
        for name, draw in inspect.getmembers(module, inspect.isfunction):
            if draw.__module__ == path.stem and list(inspect.signature(draw).parameters) == ["png"]:
                yield f"{name.replace('_', '-')}.png", draw


def main(folder: Path = IMAGES) -> None:
    """Draw all pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in pictures():
        draw(folder / name)
        print(folder / name)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
