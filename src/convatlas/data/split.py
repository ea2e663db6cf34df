"""A part held back for testing, with each class in its share."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from convatlas.errors import DataError


def stratified(
    labels: Tensor, classes: Sequence[str], seed: int, share: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Indices to train on and to test on, each ascending; at least one of each class in both.

    Args:
        labels: int64 ``(N,)``.
        classes: their names, for the message.
        seed: the same seed holds back the same pictures.
        share: of each class that is held back.

    Raises:
        DataError: a class has fewer than two pictures.
    """
    draw = random.Random(seed)
    held = torch.zeros(len(labels), dtype=torch.bool)
    for number, name in enumerate(classes):
        members = (labels == number).nonzero().squeeze(1).tolist()
        if len(members) < 2:
            raise DataError(
                f"class {name!r} has {len(members)} picture(s), but holding some back for testing "
                "takes at least 2: add pictures, or make the folders train and test yourself"
            )
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        held[draw.sample(members, count)] = True
    return (~held).nonzero().squeeze(1), held.nonzero().squeeze(1)
