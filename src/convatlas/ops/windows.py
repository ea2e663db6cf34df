"""The window that slides: what convolution and pooling have in common."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def windows(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Tensor:
    """Every place of a window over the last axes, as a view that copies nothing.

    Args:
        x: ``(…, *size)``, padded already.
        kernel, stride, dilation: one number for each of the axes that the window slides along.

    Returns:
        ``(…, *output_size, *kernel)``: ``[…, i, j, p, q]`` is ``x[…, i·s + p·d, j·s + q·d]``.
    """
    first = x.dim() - len(kernel)
    for axis, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        x = x.unfold(first + axis, d * (k - 1) + 1, s)[..., ::d]
    return x
