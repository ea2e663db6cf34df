"""A network that several processes have a copy of each: PyTorch's ``DistributedDataParallel``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from convatlas.train.layout import laid_out
from convatlas.train.shards import Shards, in_parts

T = TypeVar("T")


class Replica(Shards):
    """`Shards` with one thread, whose gradients are the mean over all processes.

    Gradients travel while the backward pass is still under way; where it is compiled, and so of one
    piece, after it. The moving averages are those of the first process.

    Args:
        net: this process's copy, on its device and in its memory layout.
        compiled: as of `Shards`.
    """

    def __init__(self, net: nn.Module, compiled: bool = False) -> None:
        super().__init__(net, 1, compiled)
        self.trained = 0  # tensors that `whole` moves
        self.whole: DistributedDataParallel | None = None

    def learn(
        self,
        pixels: Tensor,
        labels: Tensor,
        work: Callable[[nn.Module, Tensor, Tensor], T],
        parts: int = 1,
        ready: Callable[[Any], None] | None = None,
    ) -> list[T]:
        """As of `Shards`, of this process's share of the batch; nothing is ready ahead."""
        whole = self._wrapped()
        whole.zero_grad()
        *first, last = in_parts(pixels, labels, parts)
        with laid_out(self.average_pools):
            with whole.no_sync():
                done = [work(whole, *part) for part in first]
            return [*done, work(whole, *last)]

    def _wrapped(self) -> DistributedDataParallel:
        """The network for what is trained by now: stages may thaw on the way."""
        trained = sum(p.requires_grad for p in self.nets[0].parameters())
        if self.whole is None or trained != self.trained:
            self.whole = None  # it lets go of the weights before another one takes hold
            self.trained, self.whole = trained, DistributedDataParallel(self.called)
        return self.whole
