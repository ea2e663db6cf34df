"""``convatlas predict RUN|MODEL PATH…``: what a trained network says of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from convatlas.cli.screen import console, print_json
from convatlas.errors import DataError


def predict(
    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|MODEL")],
    paths: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PATH ...")],
    /,
    top: Annotated[int, tyro.conf.arg(metavar="N")] = 3,
    json: bool = False,
) -> None:
    """Name the classes of pictures, with their probabilities.

    Args:
        model: a run folder, or a .safetensors file.
        paths: pictures, folders of pictures, or patterns ('photos/*.jpg').
        top: how many classes to name for each picture, 5 at most.
        json: print JSON.
    """
    from convatlas.classifier import Classifier

    classifier = Classifier.load(model)
    pictures = [picture for path in paths for picture in _expand(path)]
    answers = classifier.stream(pictures)
    if json:
        print_json(
            [{"picture": str(a.picture), "label": a.label, "top": dict(a.top)} for a in answers]
        )
        return
    say = console().print
    for answer in answers:
        named = ", ".join(f"{name} {p:.1%}" for name, p in answer.top[: max(top, 1)])
        say(f"{answer.picture}: {named}")


def _expand(pattern: str) -> list[Path]:
    """The pictures that a path means, in order of name.

    Raises:
        DataError: there are none.
    """
    import glob

    from convatlas.data import pictures_in

    path = Path(pattern).expanduser()
    matches = [path]
    if not path.exists():
        names = glob.glob(str(path), recursive=True)  # noqa: PTH207 (a pattern may be absolute)
        matches = [Path(name) for name in sorted(names)]
    found = [p for match in matches for p in (pictures_in(match) if match.is_dir() else [match])]
    if not found:
        raise DataError(f"no pictures at {pattern}: give image files, a folder or a pattern")
    return found
