"""One step by several threads: each takes a share of the batch, and their gradients are added.

PyTorch splits every single operation over the cores, which small operations hardly gain from: on
two cores a LeNet trains no faster than on one. Splitting the batch once, around the whole of
forward and backward, keeps both cores busy (docs/notes/shards.md has the numbers). As in PyTorch's
own data-parallel training, batch normalisation sees the pictures of its shard, and the moving
averages that are kept are those of the first.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from convatlas.nets.parts import Net
from convatlas.train.adding import adding
from convatlas.train.compiling import compile_steps
from convatlas.train.layout import average_pools, laid_out

LEAST = 64  # pictures in a shard, so that batch statistics stay those of a batch
LARGEST = 5_000_000  # weights of a network whose gradients are worth adding up

T = TypeVar("T")


def most_shards(net: nn.Module, batch_size: int, device: torch.device) -> int:
    """How many shards a batch may have.

    One, unless the processor trains a network of the atlas without dropout: threads would draw
    from the one random state in no particular order, and a seed would no longer fix a run. Large
    networks gain nothing: their operations are long enough for all cores.
    """
    if device.type != "cpu" or not isinstance(net, Net) or draws(net):
        return 1
    if sum(weight.numel() for weight in net.parameters()) > LARGEST:
        return 1
    return max(1, min(torch.get_num_threads(), batch_size // LEAST))


def draws(net: nn.Module) -> bool:
    """Whether a step of the network draws from the random state."""
    return any(isinstance(layer, nn.Dropout) and layer.p > 0 for layer in net.modules())


class Shards:
    """A network and its shadows, which share its weights and have gradients of their own.

    Args:
        net: the network, on its device and in its memory layout.
        count: threads; with one, everything happens in the caller's.
        compiled: whether steps go through ``torch.compile``; for one thread.
    """

    def __init__(self, net: nn.Module, count: int, compiled: bool = False) -> None:
        self.nets = [net, *(shadow(net) for _ in range(count - 1))]
        self.called = compile_steps(net) if compiled else net  # where it is the only one
        self.average_pools = [] if compiled else average_pools(self.nets)
        self.threads = torch.get_num_threads()
        self.each = max(1, self.threads // count)
        self.pool = ThreadPoolExecutor(count, "shard", torch.set_num_threads, (self.each,))

    def learn(
        self,
        pixels: Tensor,
        labels: Tensor,
        work: Callable[[nn.Module, Tensor, Tensor], T],
        parts: int = 1,
        ready: Callable[[Any], None] | None = None,
    ) -> list[T]:
        """Call ``work`` on each part of a batch; afterwards the network has the sum of gradients.

        Args:
            pixels, labels: the batch.
            work: runs forward and backward; the loss it derives must be a sum over pictures, or
                a mean over the whole batch.
            parts: that a shard is learned in, one after the other, to take less memory.
            ready: may be called with each weight whose gradient is whole, while threads that are
                not done yet go on (`adding`).
        """

        def learn(net: nn.Module, share: list[tuple[Tensor, Tensor]]) -> list[T]:
            return [work(net, *part) for part in share]

        for net in self.nets:
            net.zero_grad()
        if len(self.nets) == 1:
            with laid_out(self.average_pools):
                return learn(self.called, in_parts(pixels, labels, parts))
        nets = self.nets[: len(pixels)]
        shards = in_parts(pixels, labels, len(nets))
        shares = [in_parts(*shard, parts) for shard in shards]
        with (
            laid_out(self.average_pools),
            adding(nets, sum(map(len, shares)), self.pool.submit, ready),
        ):
            done = list(self.map(learn, nets, shares))
        return [one for share in done for one in share]

    def map(self, work: Callable[..., T], *inputs: Iterable[Any]) -> Iterator[T]:
        """As the ``map`` of Python; by the threads, where there are several."""
        return (map if len(self.nets) == 1 else self.pool.map)(work, *inputs)

    def copy_buffers(self) -> None:
        """Give the shadows what the network holds beside its weights (moving averages, say)."""
        for shadow in self.nets[1:]:
            for own, other in zip(shadow.buffers(), self.nets[0].buffers(), strict=True):
                own.copy_(other)

    @contextmanager
    def sharing_cores(self) -> Iterator[None]:
        """Inside, every shard has its part of the cores; outside, operations have all of them."""
        torch.set_num_threads(self.each)
        try:
            yield
        finally:
            torch.set_num_threads(self.threads)


def in_parts(pixels: Tensor, labels: Tensor, parts: int) -> list[tuple[Tensor, Tensor]]:
    """A batch cut into so many, or into single pictures."""
    parts = min(parts, len(pixels))
    return list(zip(pixels.tensor_split(parts), labels.tensor_split(parts), strict=True))


def shadow(net: nn.Module) -> nn.Module:
    """A copy with the same weights, not as large ones: only gradients and buffers are its own."""
    weights = {id(p): nn.Parameter(p.data, p.requires_grad) for p in net.parameters()}
    return copy.deepcopy(net, weights)
