"""L2-SP: weights that were learned elsewhere decay towards where they started, not towards zero."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convatlas.train.config import Config
from convatlas.train.strategy import floors


class StartingPoint:
    """The penalty ``λ/2 · ‖w − w⁰‖²`` on all that lies below the last layer.

    Li, Grandvalet and Davoine, "Explicit Inductive Bias for Transfer Learning with Convolutional
    Networks" (2018), equation 4. As weight decay, it leaves biases and normalisation alone unless
    ``decay_everything``. It enters through the gradient with every optimiser: AdamW's own decay
    goes around its moments, and this does not.

    Args:
        net: the network at its starting point.
        config: ``l2_sp`` is λ.
    """

    def __init__(self, net: nn.Module, config: Config) -> None:
        self.strength = config.l2_sp
        self.weights = [
            weight
            for floor in floors(net)[1:]
            for weight in floor.parameters
            if config.l2_sp and (config.decay_everything or weight.dim() > 1)
        ]
        self.start = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def pull(self) -> None:
        """Add the penalty's gradient to that of each weight that has one."""
        for weight, start in zip(self.weights, self.start, strict=True):
            if weight.grad is not None:
                weight.grad.add_(weight - start, alpha=self.strength)

    def state_dict(self) -> dict[str, Tensor]:
        """Where the weights started: a resumed run cannot see it any more."""
        return {str(number): start for number, start in enumerate(self.start)}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Start from there."""
        for number, start in enumerate(self.start):
            start.copy_(state[str(number)])
