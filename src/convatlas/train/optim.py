"""The optimiser and the course of its learning rate, both PyTorch's own."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from convatlas.errors import ConfigError
from convatlas.train.config import Config
from convatlas.train.strategy import Floor, floors

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm)


_USUAL_LR = {
    ("sgd", True): 0.4,
    ("sgd", False): 0.02,
    ("adamw", True): 4e-3,
    ("adamw", False): 1e-3,
}
_PRETRAINED = 1 / 20  # of that, for weights that are good already


def settle(net: nn.Module, config: Config) -> Config:
    """The settings with what they leave to the network decided: optimiser and learning rate.

    Normalisation after a layer takes the scale out of its weights, so SGD may take large steps;
    without it they blow the activations up, and Adam finds a scale for each weight. A last layer
    by itself, on features of any scale, is such a layer without. Pretrained weights move at a
    twentieth of what new ones do.
    """
    alone = config.strategy == "head"
    normalised = not alone and any(isinstance(layer, _NORMS) for layer in net.modules())
    optimizer = config.optimizer
    if optimizer == "auto":
        optimizer = "sgd" if normalised else "adamw"
    lr = config.lr
    if lr is None:
        lr = _USUAL_LR[optimizer, normalised]
        lr *= _PRETRAINED if config.strategy in ("finetune", "gradual") else 1
    return replace(config, optimizer=optimizer, lr=lr)


def make_optimizer(net: nn.Module, config: Config) -> Optimizer:
    """The configured optimiser over the network's parameters, fused where the device has it.

    The first group holds the last layer. Each floor below it (`strategy.floors`) has groups of its
    own where it learns at its own rate, or begins at its own time.

    Raises:
        ConfigError: no parameter asks for a gradient.
    """
    trained = [p for p in net.parameters() if p.requires_grad]
    if not trained:
        raise ConfigError(
            f"{type(net).__name__} has nothing to train: no parameter needs a gradient"
        )
    config = settle(net, config)
    assert config.lr is not None
    apart = config.stage_decay < 1 or config.l2_sp or config.strategy == "gradual"
    groups = []
    for depth, floor in enumerate(floors(net) if apart else [Floor("", (net,))]):
        lr = config.lr * config.stage_decay**depth
        decay = 0.0 if config.l2_sp and depth else config.weight_decay
        weights = [p for p in floor.parameters if p.requires_grad]
        matrices = [p for p in weights if config.decay_everything or p.dim() > 1]
        rest = [p for p in weights if not config.decay_everything and p.dim() <= 1]
        groups.append({"params": matrices, "lr": lr, "weight_decay": decay})
        groups.append({"params": rest, "lr": lr, "weight_decay": 0.0})
    groups = [group for group in groups if group["params"]]
    fused = trained[0].device.type in ("cpu", "cuda", "mps")
    if config.optimizer == "adamw":
        return AdamW(groups, fused=fused)
    nesterov = config.nesterov and config.momentum > 0
    return SGD(groups, momentum=config.momentum, nesterov=nesterov, fused=fused)


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
