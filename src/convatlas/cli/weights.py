"""``convatlas weights``: what is published, and its licence; ``weights fetch ID``: have it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import tyro

from convatlas.cli.screen import console, print_json
from convatlas.errors import ConfigError, UnknownNameError
from convatlas.weights.catalog import PRETRAINED, Pretrained, find
from convatlas.weights.fetch import fetch, place_of

#: what a licence of weights leaves open
_TERMS = (
    "The licences are those under which the files are given away. ImageNet's own terms allow its "
    "pictures for non-commercial research and education; what that means for weights is unsettled."
)


def weights(
    words: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[fetch ID]")
    ] = (),
    /,
    net: Annotated[str | None, tyro.conf.arg(metavar="NET")] = None,
    accept_licence: bool = False,
    json: bool = False,
) -> None:
    """List pretrained weights, or fetch those of an id and print where they are.

    An id is NET.TAG: tv_v1 and tv_v2 are torchvision's files, akamaster those for CIFAR-10, and
    every other tag is timm's. A download that broke is gone on with, and checked when it is whole.

    Args:
        words: nothing, for the list; or fetch and an id.
        net: list only weights for this network, as resnet50.
        accept_licence: fetch weights that may not be used commercially.
        json: print JSON, with addresses, hashes, preprocessing and citations.
    """
    match words:
        case ():
            _list(net, json)
        case ("fetch", id) if net is None:
            row = find(id)
            path = fetch(row, accept_licence=accept_licence)
            if row.caveat:
                print(row.caveat, file=sys.stderr)
            if json:
                print_json(_entry(row))
            else:
                print(path)
        case _:
            raise ConfigError("write weights [--net NET] for the list, or weights fetch ID")


def _list(net: str | None, json: bool) -> None:
    rows = [row for row in PRETRAINED.values() if net in (None, row.net)]
    if not rows:
        known = {row.net for row in PRETRAINED.values()}
        raise UnknownNameError("network with pretrained weights", str(net), known)
    if json:
        print_json([_entry(row) for row in rows])
        return
    _print(rows)
    console().print(_TERMS)


def _entry(row: Pretrained) -> dict[str, Any]:
    place = place_of(row)
    return asdict(row) | {"file": str(place), "cached": place.is_file()}


def _print(rows: list[Pretrained]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for header in ("id", "net", "trained on"):
        table.add_column(header, no_wrap=True)
    for header in ("top-1 %", "MB"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    table.add_column("cached", no_wrap=True)
    for row in rows:
        table.add_row(
            row.id,
            row.net,
            row.data,
            f"{row.top1:.2f}",
            "" if row.size is None else f"{row.size / 1e6:.1f}",
            row.licence + (", not commercial" if row.non_commercial else ""),
            "yes" if place_of(row).is_file() else "",
        )
    console().print(table)
