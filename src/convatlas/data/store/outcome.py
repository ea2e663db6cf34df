"""What comes of a listing's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convatlas.data.pictures import Pictures


@dataclass(frozen=True, eq=False)
class Outcome:
    """The pictures that could be read, and what became of the others.

    Attributes:
        images: M pictures, in the order of the listing.
        kept: int64 ``(M,)``, which files they are.
        left_out: why the others are not there, by their number.
        place: the folder of the cache that holds them, where there is one.
    """

    images: Tensor | Pictures
    kept: Tensor
    left_out: Mapping[int, str]
    place: Path | None

    @classmethod
    def of(cls, images: Tensor | Pictures, count: int, known: Any, place: Path) -> Outcome:
        """From what a cache's index says of ``count`` files."""
        left_out = {int(number): reason for number, reason in known["left_out"].items()}
        kept = torch.ones(count, dtype=torch.bool)
        kept[list(left_out)] = False
        return cls(images, kept.nonzero().squeeze(1), left_out, place)
