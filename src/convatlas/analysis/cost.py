"""What an operation costs: multiply-accumulates, and the memory of what it makes.

Convolutions and matrix products count, with the formulas of PyTorch's own FLOP counter, which are
also torchvision's; what is linear in the map (normalisation, activation, pooling) is left out, as
in the papers' tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch._ops import OpOverload
from torch.utils.flop_counter import flop_registry


def macs(
    operation: OpOverload[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], out: Any
) -> int:
    """Multiply-accumulates of one operation of PyTorch's core (``aten``), for the whole batch.

    A convolution costs ``N · H' · W' · C' · C/groups · k_h · k_w``; a matrix product ``M · K · N``.
    """
    count = flop_registry.get(operation.overloadpacket)
    return 0 if count is None else int(count(*args, **kwargs, out_val=out)) // 2


def memory(tensor: Tensor) -> int:
    """Bytes of a tensor: elements times the size of one."""
    return tensor.numel() * tensor.element_size()


def storage(tensor: Tensor) -> int:
    """The same number for tensors that lie in the same memory, while one of them lives."""
    return int(tensor.untyped_storage()._cdata)
