"""What a network knows already: the easiest pictures may be left out of an epoch.

Small losses leave small gradients, and a step that is spent on them is a step that teaches little
(selective backpropagation: Jiang et al. 2019, "Accelerating Deep Learning by Focusing on the
Biggest Losers"). Losses cost nothing here: each is the one that the picture last had in training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

_FROM = 2  # epochs: losses of the first are of a network that was another at its end


class Easiest:
    """The last loss of each sight, and an epoch's order without the easiest of them.

    Who is left out is out for an epoch, with the loss that it had: when the others have become
    easier than that, it is back.

    Args:
        count: of sights.
        share: of them that are left out.
    """

    def __init__(self, count: int, share: float) -> None:
        self.losses = torch.full((count,), math.inf)
        self.kept = torch.ones(count, dtype=torch.bool)
        self.share = share
        self.order = torch.arange(count)

    def begin(self, epoch: int) -> None:
        """Choose who is left out of an epoch, counted from 0."""
        self.kept = torch.ones_like(self.kept)
        if epoch >= _FROM:
            easiest = self.losses.argsort(stable=True)[: int(self.share * len(self.losses))]
            self.kept[easiest] = False

    def ordered(self, generator: torch.Generator) -> Tensor:
        """Numbers ``(count,)`` of the epoch: those that are kept in a new order, then in another.

        Number ``i + count`` is the second look at sight ``i``, and so on.
        """
        count, kept = len(self.kept), self.kept.nonzero().flatten()
        orders = [
            kept[torch.randperm(len(kept), generator=generator)] + look * count
            for look in range(math.ceil(count / len(kept)))
        ]
        numbers = torch.cat(orders)[:count]
        self.order = numbers % count
        return numbers

    def see(self, batch: int, losses: Tensor) -> None:
        """Keep the losses ``(N,)`` of a batch of the epoch, counted from 0."""
        self.losses[self.order[batch * len(losses) :][: len(losses)]] = losses

    def state_dict(self) -> dict[str, Tensor]:
        """The losses, and who is in the epoch under way."""
        return {"losses": self.losses, "kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state_dict` was taken."""
        self.losses.copy_(state["losses"])
        self.kept.copy_(state["kept"])
