"""Every layer written out from its definition, with the signatures of ``torch.nn.functional``."""

from __future__ import annotations

from convatlas.arithmetic import (
    adaptive_window,
    conv_output_size,
    conv_transpose_output_size,
    pool_output_size,
    same_padding,
    unpool_output_size,
)

__all__ = [
    "adaptive_window",
    "conv_output_size",
    "conv_transpose_output_size",
    "pool_output_size",
    "same_padding",
    "unpool_output_size",
]
