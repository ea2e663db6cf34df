"""Cross-entropy, and what it means for a network with more than one exit."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from convatlas.errors import ConfigError


def logits_of(outputs: Any) -> Tensor:
    """The main logits ``(N, K)`` of a network's outputs, named or plain.

    Raises:
        ConfigError: there are none.
    """
    logits = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
    if not isinstance(logits, Tensor):
        raise ConfigError(
            f"the network returns {type(outputs).__name__}, but logits (N, K) were expected, or "
            "named fields with one called logits"
        )
    return logits


def loss_of(net: nn.Module, outputs: Any, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats; auxiliary heads count ``net.aux_weight`` each, if it has one.

    Args:
        net: the network that answered.
        outputs: logits ``(N, K)``, or a named tuple of ``logits`` and those of auxiliary heads.
        labels: classes ``(N,)``, or the weight of each class ``(N, K)``.
        smoothing: share of each label that is spread over all classes.
    """
    loss = F.cross_entropy(logits_of(outputs).float(), labels, label_smoothing=smoothing)
    weight = getattr(net, "aux_weight", None)
    if isinstance(outputs, Tensor) or weight is None:
        return loss
    for name, aux in outputs._asdict().items():
        if name != "logits":
            part = F.cross_entropy(aux.float(), labels, label_smoothing=smoothing)
            loss = loss + weight * part
    return loss
