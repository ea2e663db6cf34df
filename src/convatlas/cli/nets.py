"""``convatlas nets``: the catalogue."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import tyro

from convatlas.cli.screen import console, print_json
from convatlas.errors import UnknownNameError
from convatlas.nets.catalog import CATALOG, Row


def nets(
    family: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None, json: bool = False
) -> None:
    """List the catalogue: every network with its paper's year, its size, its idea.

    Args:
        family: only this one, as LeNet or ResNet.
        json: print JSON, with the papers and every option.
    """
    rows = list(CATALOG.values())
    if family is not None:
        rows = [row for row in rows if row.family.lower() == family.lower()]
        if not rows:
            raise UnknownNameError("family", family, {row.family for row in CATALOG.values()})
    if json:
        print_json([asdict(row) for row in rows])
    else:
        _print(rows)


def _print(rows: list[Row]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("name", no_wrap=True)
    table.add_column("family", no_wrap=True)
    table.add_column("year", no_wrap=True)
    for header in ("params", "MACs", "input"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("idea")
    table.add_column("deviations")
    for row in rows:
        side = row.input_size
        table.add_row(
            row.name,
            row.family,
            str(row.year),
            f"{row.params:,}",
            f"{row.macs / 1e6:,.1f}M",
            f"{row.in_channels}×{side}×{side}",
            row.idea,
            row.deviations,
        )
    console().print(table)
