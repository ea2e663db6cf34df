"""Pictures that are not one array in memory, asked for by number like one."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Pictures(Protocol):
    """What indexes like uint8 ``(N, C, H, W)``: files decoded when asked for, or a cache of them.

    A memory-mapped array is a plain tensor and needs none of this.
    """

    @property
    def shape(self) -> torch.Size:
        """``(N, C, H, W)``, as indexing gives them."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        """uint8 ``(n, C, H, W)``: short side resized to ``H = W``, then the centre."""

    def crops(self, chosen: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """uint8 ``(n, C, size, size)``: a random resized crop of each original."""

    def subset(self, indices: Tensor) -> Pictures:
        """Those at ``indices`` (int64, or a bool mask) alone, not looked at yet."""

    def fingerprint(self) -> str:
        """SHA-256 in hex of what they are made from: names, sizes and times of the files."""
