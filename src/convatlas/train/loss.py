"""Cross-entropy, and what it means for a network with more than one exit."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


def logits_of(outputs: Any) -> Tensor:
    """The main logits ``(N, K)`` of a network's outputs, named or plain."""
    logits: Tensor = outputs if isinstance(outputs, Tensor) else outputs.logits
    return logits


def loss_of(net: nn.Module, outputs: Any, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats; auxiliary heads count ``net.aux_weight`` each.

    Args:
        net: the network that answered.
        outputs: logits ``(N, K)``, or named fields ``logits`` and auxiliary ones.
        labels: classes ``(N,)``.
        smoothing: share of each label that is spread over all classes.
    """
    loss = F.cross_entropy(logits_of(outputs).float(), labels, label_smoothing=smoothing)
    if isinstance(outputs, Tensor):
        return loss
    for name, aux in outputs._asdict().items():
        if name != "logits":
            part = F.cross_entropy(aux.float(), labels, label_smoothing=smoothing)
            loss = loss + float(net.aux_weight) * part  # type: ignore[arg-type]
    return loss
