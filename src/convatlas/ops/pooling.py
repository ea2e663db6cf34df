"""What the pooling layers have in common: the map they look at and the window they slide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from convatlas.arithmetic import pool_output_size
from convatlas.errors import ShapeError
from convatlas.ops.arguments import batched, per_axis, switches
from convatlas.ops.windows import windows


def maps(x: Tensor, axes: int) -> tuple[Tensor, bool]:
    """``x`` as a batch ``(N, C, …)``, and whether it came as a single picture ``(C, …)``.

    Raises:
        ShapeError: it has the dimensions of neither, no channel or no cell.
        ArgumentTypeError: it is no tensor.
    """
    batch, single = batched(x, axes)
    if 0 in batch.shape[1:]:
        raise ShapeError(f"input has shape {tuple(x.shape)}, but only the batch may be empty")
    return batch, single


@dataclass(frozen=True)
class Pool:
    """The window of a pooling layer; one number for each axis that it slides along."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool

    @classmethod
    def read(
        cls,
        axes: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None,
        padding: int | Sequence[int],
        ceil_mode: bool,
        dilation: int | Sequence[int] = 1,
    ) -> Pool:
        """The arguments of a pooling function of so many axes."""
        switches(ceil_mode=ceil_mode)
        kernel = per_axis("kernel_size", kernel_size, axes)
        return cls(
            kernel,
            # PyTorch takes an empty sequence for no stride, too
            kernel if stride in (None, (), []) else per_axis("stride", stride, axes),
            per_axis("padding", padding, axes),
            per_axis("dilation", dilation, axes),
            ceil_mode,
        )

    def windows(self, x: Tensor, padding: float, beyond: float) -> Tensor:
        """Every window over the last axes of ``x``.

        Args:
            x: ``(…, *size)``.
            padding: what a window sees in the padding.
            beyond: what the last one sees past it, where ``ceil_mode`` lets it hang over.

        Returns:
            ``(…, *output_size, K)``: the K cells of each window, row by row.
        """
        around: list[int] = []
        overhang: list[int] = []
        for n, k, s, p, d in zip(
            x.shape[-len(self.kernel) :],
            self.kernel,
            self.stride,
            self.padding,
            self.dilation,
            strict=True,
        ):
            out = pool_output_size(n, k, s, p, d, self.ceil_mode)
            end = (out - 1) * s + d * (k - 1) + 1
            # before what is there: F.pad begins with the last axis
            around[:0] = [p, p]
            overhang[:0] = [0, max(end - n - 2 * p, 0)]
        x = F.pad(F.pad(x, around, value=padding), overhang, value=beyond)
        return windows(x, self.kernel, self.stride, self.dilation).flatten(-len(self.kernel))
