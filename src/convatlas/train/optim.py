"""The optimiser and the course of its learning rate, both PyTorch's own."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from convatlas.errors import ConfigError
from convatlas.train.config import Config

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm)


def learning_rate(net: nn.Module, config: Config) -> float:
    """The configured rate, or the usual one.

    Normalisation after a layer takes the scale out of its weights, so a step may be large; without
    it the same step blows the activations up.
    """
    if config.lr is not None:
        return config.lr
    normalised = any(isinstance(layer, _NORMS) for layer in net.modules())
    usual = {"sgd": (0.4, 0.02), "adamw": (4e-3, 1e-3)}[config.optimizer]
    return usual[0] if normalised else usual[1]


def make_optimizer(net: nn.Module, config: Config) -> Optimizer:
    """The configured optimiser over the network's parameters, fused where the device has it.

    Raises:
        ConfigError: no parameter asks for a gradient.
    """
    trained = [p for p in net.parameters() if p.requires_grad]
    if not trained:
        raise ConfigError(
            f"{type(net).__name__} has nothing to train: no parameter needs a gradient"
        )
    lr = learning_rate(net, config)
    matrices = [p for p in trained if config.decay_everything or p.dim() > 1]
    rest = [p for p in trained if not config.decay_everything and p.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = trained[0].device.type in ("cpu", "cuda", "mps")
    if config.optimizer == "adamw":
        return AdamW(groups, lr=lr, fused=fused)
    nesterov = config.nesterov and config.momentum > 0
    return SGD(groups, lr=lr, momentum=config.momentum, nesterov=nesterov, fused=fused)


def make_schedule(optimizer: Optimizer, config: Config, steps: int) -> LambdaLR:
    """The learning rate of each of ``steps`` steps, as a share of the highest."""
    rising = round(config.warmup * steps)

    def share(step: int) -> float:
        if config.schedule == "constant":
            return 1.0
        if step < rising:
            return (step + 1) / rising
        return (steps - step) / (steps - rising) if step < steps else 0.0

    return LambdaLR(optimizer, share)


def best_device() -> torch.device:
    """The accelerator that PyTorch finds, else the CPU."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")
