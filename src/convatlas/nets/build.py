"""From a name in the catalogue to a network."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from convatlas.errors import ConfigError
from convatlas.nets.catalog import find
from convatlas.nets.parts import Net


def build(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    input_size: int | None = None,
    **options: Any,
) -> Net:
    """Build a network of the catalogue, with fresh weights.

    Args:
        name: as ``convatlas nets`` lists it.
        num_classes, in_channels, input_size: in place of the paper's.
        options: the family's own (``norm="group"``, ``shortcut="A"``, …), as its class documents.

    Raises:
        UnknownNameError: no such network.
        ConfigError: an option that the family does not have, or a value that cannot be.
        ShapeError: a dense head for an input that does not survive the pooling.
    """
    row = find(name)
    chosen = {
        **row.options,
        **options,
        "num_classes": row.num_classes if num_classes is None else num_classes,
        "in_channels": row.in_channels if in_channels is None else in_channels,
        "input_size": row.input_size if input_size is None else input_size,
    }
    module, _, builder = row.builder.rpartition(".")
    family: Callable[..., Net] = getattr(
        importlib.import_module(f"convatlas.nets.{module}"), builder
    )
    known = list(inspect.signature(family).parameters)
    for option in chosen:
        if option not in known:
            raise ConfigError(f"{name} has no option {option!r}: it takes {', '.join(known)}")
    net = family(**chosen)
    net.name, net.options = name, chosen
    return net
