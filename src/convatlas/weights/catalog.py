"""Pretrained weights that are published for the atlas's networks, as data.

A name is ``NET.TAG``. ``tv_v1`` and ``tv_v2`` are torchvision's files (its ``IMAGENET1K_V1`` and
``IMAGENET1K_V2``), ``akamaster`` those of akamaster/pytorch_resnet_cifar10, and every other tag is
timm's own, as on its hub: ``resnet50.a1_in1k``. Nothing here imports torch.
"""

from __future__ import annotations

from convatlas.errors import UnknownNameError
from convatlas.nets.catalog import CATALOG
from convatlas.weights.sources import akamaster, hub, torchvision
from convatlas.weights.sources.row import Pretrained

__all__ = ["PRETRAINED", "Pretrained", "find"]

_ORDER = {name: i for i, name in enumerate(CATALOG)}

#: Every row by its id, network by network.
PRETRAINED: dict[str, Pretrained] = {
    row.id: row
    for row in sorted(
        (*torchvision.ROWS, *hub.ROWS, *akamaster.ROWS), key=lambda row: _ORDER[row.net]
    )
}


def find(id: str) -> Pretrained:  # noqa: A002
    """The row of that id.

    Raises:
        UnknownNameError: there is none; the nearest are offered.
    """
    if id not in PRETRAINED:
        raise UnknownNameError("pretrained weights", id, PRETRAINED)
    return PRETRAINED[id]
