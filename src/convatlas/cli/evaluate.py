"""``convatlas evaluate RUN|MODEL DATA``: how good a trained network is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from convatlas.cli.screen import console, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from convatlas.evaluate import Report

_WIDEST = 20  # classes up to which a confusion matrix can be read in a terminal


def evaluate(
    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|MODEL")],
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")],
    /,
    out: Annotated[Path | None, tyro.conf.arg(metavar="PNG")] = None,
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    crops: Literal[1, 10] = 1,
    no_cache: bool = False,
    json: bool = False,
) -> None:
    """Score a trained network on a data set's test pictures.

    Args:
        model: a run folder, or a .safetensors file.
        data: as for convatlas train.
        out: the picture of the confusion matrix; plots/confusion.png of the run, or confusion.png
            beside the model, by default.
        data_dir: where to look for the data first.
        crops: 10 averages over the corners, the centre and their mirrors, for a model that was
            trained with resize above its size.
        no_cache: decode pictures anew, instead of once into the cache.
        json: print JSON.
    """
    from convatlas import data as sources
    from convatlas import files, plots
    from convatlas.classifier import Classifier
    from convatlas.evaluate import evaluate as score
    from convatlas.evaluate import unseen

    classifier = Classifier.load(model)
    spec = classifier.preprocess
    pictures = sources.load(
        data,
        data_dir=data_dir,
        side=spec.resize,
        cache=not no_cache,
        channels=spec.channels,
    )
    test, seen = unseen(model, pictures)
    report = score(classifier, test, crops=crops)
    notes = list(pictures.notes)
    if seen:
        notes.append(
            f"{seen} of {len(pictures.test)} test pictures were learned from by {model}, "
            "and are left out"
        )
    drawn = out or (model / "plots" if model.is_dir() else model.parent) / "confusion.png"
    if json:
        print_json(report.to_dict() | {"picture": str(drawn), "notes": notes})
    else:
        for note in notes:
            console().print(note)
        _print(report, data)
    with files.replacing(drawn) as png:
        plots.confusion_matrix(png, report.confusion, classifier.classes)
    if not json:
        console().print(f"confusion matrix drawn in {drawn}")


def _print(report: Report, data: str) -> None:
    say = console().print
    say(_scores(report))
    if len(report.classes) <= _WIDEST:
        say(_confusion(report))
    five = "" if report.top5 is None else f", top-5 {report.top5:.2%}"
    say(f"{report.n:,} test pictures of {data}: top-1 {report.top1:.2%}{five}")


def _scores(report: Report) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("class", box=SIMPLE_HEAD)
    for header in ("precision", "recall", "F1", "pictures"):
        table.add_column(header, justify="right")
    for row in report.classes:
        numbers = (f"{value:.2%}" for value in (row.precision, row.recall, row.f1))
        table.add_row(row.name, *numbers, f"{row.support:,}")
    return table


def _confusion(report: Report) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("true ↓  predicted →", box=SIMPLE_HEAD, padding=0)
    for row in report.classes:
        table.add_column(row.name, justify="right")
    for row, counts in zip(report.classes, report.confusion.tolist(), strict=True):
        table.add_row(row.name, *(str(count) if count else "·" for count in counts))
    return table
