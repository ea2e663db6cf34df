"""``convatlas show NET``: the layers of a network."""

from __future__ import annotations

from typing import Annotated

import tyro

from convatlas.cli.arguments import read_options, read_shape
from convatlas.cli.screen import console, print_json
from convatlas.nets.catalog import find


def show(
    net: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NET")],
    /,
    input: Annotated[str | None, tyro.conf.arg(metavar="CxHxW")] = None,  # noqa: A002
    classes: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),  # noqa: A002
    json: bool = False,
) -> None:
    """Show every layer: its output and the arithmetic of it, its cost, and what a cell sees.

    Nothing is computed and no weights are made, however large the network. In the table, "sees" is
    the receptive field in pixels and "every" its stride; bytes are empty where a layer works in
    place or only looks at its input anew.

    Args:
        net: a network of the catalogue (convatlas nets).
        input: shape of a picture, 1x28x28 say; the network's own by default.
        classes: how many the head tells apart.
        set: an option of the network's family, norm=group say; may be repeated.
        json: print JSON.
    """
    row = find(net)
    shape = read_shape(input) if input else (row.in_channels, row.input_size, row.input_size)
    channels, height, width = shape
    options = read_options(set)

    import torch  # here, since what is mistyped is said at once

    from convatlas.analysis.trace import trace
    from convatlas.nets.build import build

    with torch.device("meta"):
        built = build(
            net,
            num_classes=classes,
            in_channels=channels,
            input_size=height if height == width else None,
            **options,
        )
    found = trace(built, shape)
    if json:
        print_json(found.to_dict())
    else:
        console().print(found)
