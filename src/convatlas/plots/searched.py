"""How a search went: the best so far, and the accuracy over each setting that was searched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

from convatlas.plots.canvas import BLUE, ORANGE, save

_COLUMNS = 3
_DECADES = 1000  # between the ends, from which on there is room for powers of ten only


def searched(
    target: BinaryIO | Path,
    *,
    numbers: Sequence[int],
    accuracies: Sequence[float],
    finished: Sequence[bool],
    settings: Mapping[str, Sequence[Any]],
    choices: Mapping[str, Sequence[Any]],
    logarithmic: Collection[str] = (),
    title: str = "",
) -> None:
    """Draw the accuracy of each trial, over its number and over each of its settings.

    Args:
        target: the PNG file, open or by its path.
        numbers: of the trials, ascending.
        accuracies: the last one of each, from 0 to 1.
        finished: whether that was at its end.
        settings: values of each trial by setting.
        choices: all values that a setting may have, of those that have no scale.
        logarithmic: the settings with a logarithmic scale.
        title: above the picture.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    columns = min(_COLUMNS, 1 + len(settings))
    rows = -(-(1 + len(settings)) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.2 * rows), layout="constrained")
    figure.suptitle(title)
    first, *rest = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    percent = [100 * accuracy for accuracy in accuracies]
    done = [i for i, ended in enumerate(finished) if ended]
    early = [i for i, ended in enumerate(finished) if not ended]

    def dots(axes: Any, x: Sequence[Any]) -> None:
        for chosen, marker, colour, label in (
            (early, "x", ORANGE, "given up"),
            (done, "o", BLUE, "finished"),
        ):
            places = [x[i] for i in chosen], [percent[i] for i in chosen]
            axes.scatter(*places, marker=marker, color=colour, label=label, s=24)
        axes.grid(alpha=0.3)

    dots(first, numbers)
    highest = list(accumulate((percent[i] for i in done), max))
    first.step([numbers[i] for i in done], highest, where="post", color=BLUE, label="best so far")
    first.set_xlabel("trial")
    first.set_ylabel("validation accuracy (%)")
    first.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    for axes, (name, values) in zip(rest, settings.items(), strict=False):
        known = choices.get(name)
        dots(axes, values if known is None else [known.index(value) for value in values])
        axes.set_xlabel(name)
        if known is not None:
            axes.set_xticks(range(len(known)), [str(value) for value in known])
            axes.margins(x=0.2)
        if name in logarithmic:
            axes.set_xscale("log")
            narrow = max(values) < _DECADES * min(values)
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if narrow else (1,)))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.set_minor_formatter(lambda value, _: "")
    for axes in rest[len(settings) :]:
        axes.set_axis_off()
    save(figure, target)
