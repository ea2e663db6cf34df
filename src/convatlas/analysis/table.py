"""A trace as a table for the terminal, narrow enough for 100 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from convatlas.analysis.trace import ReceptiveField, Row, Trace


def table(trace: Trace) -> Table:
    """A line for each row under the name of the room or stage it belongs to; totals below.

    "sees" is the receptive field in pixels, and "every" its stride.
    """
    made = Table(
        title=Text(f"{trace.name}, input {times(trace.shape)}"),
        title_justify="left",
        caption=Text(_totals(trace)),
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
    )
    made.add_column("layer", no_wrap=True)
    made.add_column("kind", overflow="fold")
    made.add_column("output", justify="right", no_wrap=True)
    made.add_column("arithmetic", overflow="fold")
    for header in ("params", "MACs", "bytes", "sees", "every"):
        made.add_column(header, justify="right", no_wrap=True)
    room = ""
    for row in trace.rows:
        under, name = _place(row)
        if under != room:
            made.add_row(Text(under, style="bold"))
            room = under
        made.add_row(
            Text(f"  {name}" if under else name),
            Text(row.kind),
            times(row.shape),
            Text(row.arithmetic),
            f"{row.params:,}" if row.params else "",
            short(row.macs) if row.macs else "",
            short(row.memory, 1024) if row.memory else "",
            _seen(row.receptive_field),
            _stride(row.receptive_field),
        )
    return made


def _totals(trace: Trace) -> str:
    pictures = "a picture" if trace.batch == 1 else f"{trace.batch} pictures"
    line = (
        f"{trace.params:,} parameters; {pictures}: {trace.macs:,} multiply-accumulates, "
        f"{short(trace.memory, 1024)}B of outputs"
    )
    if (last := trace.receptive_field) is not None:
        line += f"; a cell of the last map sees {_seen(last)} pixels, every {_stride(last)}"
    return line


def _place(row: Row) -> tuple[str, str]:
    """The heading that a row stands under, and its name there."""
    parts = row.layer.split(".") if row.layer else []
    is_function = row.kind[:1].islower()  # which stands under the module that calls it
    depth = max(0, min(2, len(parts) - (not is_function)))
    return ".".join(parts[:depth]), ".".join(parts[depth:])


def times(sizes: tuple[float, ...]) -> str:
    """``3×224×224``."""
    return "×".join(f"{value:g}" for value in sizes)


def short(number: int, base: int = 1000) -> str:
    """Three digits and K, M, G or T: ``118M``; ``base`` 1024 for bytes."""
    value, unit = float(number), ""
    for larger in "KMGT":
        if value < 999.5:
            break
        value, unit = value / base, larger
    digits = 0 if not unit or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}{unit}"


def _square(sizes: tuple[float, ...]) -> str:
    return times(sizes[:1] if len(set(sizes)) == 1 else sizes)


def _seen(field: ReceptiveField | None) -> str:
    if field is None:
        return ""
    return "all" if field.stride is None else _square(field.size)


def _stride(field: ReceptiveField | None) -> str:
    return "" if field is None or field.stride is None else _square(field.stride)
