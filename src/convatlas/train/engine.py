"""Number format, memory layout and threads: how a network's numbers are held while it trains.

Which of them trains this network fastest on this machine is found by a trial (`trial.choose`), and
recorded in the run.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from convatlas.train.loss import logits_of, loss_of
from convatlas.train.winograd import winograd

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
FORMATS = {"channels-last": torch.channels_last, "contiguous": torch.contiguous_format}


class Learned(NamedTuple):
    """What a step saw of some pictures.

    Attributes:
        loss: the sum of what was minimised.
        right: how many it had right.
        losses: of each, ``(n,)``, on the CPU: the main logits' cross-entropy.
    """

    loss: float
    right: int
    losses: Tensor


@dataclass(frozen=True)
class Engine:
    """How the numbers are held while training, and by how many threads a batch is shared.

    Attributes:
        precision: ``"float32"``, or ``"bfloat16"`` for autocast with float32 weights.
        layout: ``"contiguous"`` (N, C, H, W in memory) or ``"channels-last"`` (N, H, W, C).
        shards: threads that take a share of each batch (`shards.Shards`).
        winograd: whether wide 3×3 convolutions are Winograd's (`train.winograd`).
        trial: images a second of each candidate, without the optimiser's part; empty where
            nothing was tried.
    """

    precision: str
    layout: str
    shards: int = 1
    winograd: bool = False
    trial: dict[str, float] = field(default_factory=dict, hash=False)

    def place(self, tensor_or_net: Any) -> Any:
        """A batch ``(N, C, H, W)`` or a network, in this layout."""
        if isinstance(tensor_or_net, Tensor):
            return tensor_or_net.contiguous(memory_format=FORMATS[self.layout])
        return tensor_or_net.to(memory_format=FORMATS[self.layout])

    def computing(self, device: torch.device) -> AbstractContextManager[Any]:
        """The context that the forward pass runs in."""
        if self.precision == "bfloat16":
            return torch.autocast(device.type, dtype=torch.bfloat16)
        return winograd() if self.winograd else nullcontext()

    def learn(
        self, net: nn.Module, pixels: Tensor, labels: Tensor, whole: int, smoothing: float = 0.0
    ) -> Learned:
        """Forward and backward of a batch's shard; its gradients add up to the whole batch's.

        Args:
            net: the network, a shadow of it, or what adds its gradients over processes.
            pixels, labels: the shard, ``(n, C, H, W)`` and ``(n,)``, or ``(n, K)`` of weights.
            whole: pictures in the whole batch.
            smoothing: of the labels, as `loss_of`.
        """
        with self.computing(pixels.device):
            outputs = net(pixels)
        bare = net.module if isinstance(net, DistributedDataParallel) else net
        loss = loss_of(bare, outputs, labels, smoothing)
        (loss * (len(labels) / whole)).backward()  # type: ignore[no-untyped-call]
        true = labels.argmax(dim=1) if labels.is_floating_point() else labels
        logits = logits_of(outputs).detach()
        right = (logits.argmax(dim=1) == true).sum()
        losses = F.cross_entropy(
            logits.float(), labels, reduction="none", label_smoothing=smoothing
        )
        return Learned(loss.item() * len(labels), int(right), losses.cpu())

    def __str__(self) -> str:
        convolutions = ", Winograd" if self.winograd else ""
        threads = f", {self.shards} shards" if self.shards > 1 else ""
        return f"{self.precision}, {self.layout}{convolutions}{threads}"
