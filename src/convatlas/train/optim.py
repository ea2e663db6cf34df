"""The optimiser and the course of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from convatlas.errors import ConfigError
from convatlas.nets.parts import Net
from convatlas.train.config import Config
from convatlas.train.optimizers import AlexNetSGD, Muon
from convatlas.train.strategy import Floor, floors

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm)


_USUAL_LR = {
    ("sgd", True): 0.4,
    ("sgd", False): 0.02,
    ("alexnet", True): 0.1,
    ("alexnet", False): 0.01,
    ("adamw", True): 4e-3,
    ("adamw", False): 1e-3,
    ("muon", True): 0.02,
    ("muon", False): 1e-3,
}
_RISING = 0.2  # share of a cycle
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


def make_optimizer(
    net: nn.Module, config: Config, mapped: Callable[..., Iterable[None]] = map
) -> Optimizer:
    """The configured optimiser over the network's parameters, fused where the device has it.

    The first group holds the last layer. Each floor below it (`strategy.floors`) has groups of its
    own where it learns at its own rate, or begins at its own time.

    Args:
        net, config: whose parameters, and how they learn.
        mapped: of `Muon`.

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
    last = set(_last_layer(net)) if config.optimizer == "muon" else set()
    groups = []
    for depth, floor in enumerate(floors(net) if apart else [Floor("", (net,))]):
        lr = config.lr * config.stage_decay**depth
        decay = 0.0 if config.l2_sp and depth else config.weight_decay
        weights = [p for p in floor.parameters if p.requires_grad]
        vectors = [p for p in weights if p.dim() <= 1]
        small = decay if config.decay_everything else 0.0
        matrices = [p for p in weights if p.dim() > 1]
        hidden, others = ([p for p in matrices if (p in last) is out] for out in (False, True))
        groups.append({"params": hidden, "lr": lr, "weight_decay": decay, "hidden": True})
        groups.append({"params": others, "lr": lr, "weight_decay": decay, "hidden": False})
        groups.append({"params": vectors, "lr": lr, "weight_decay": small, "hidden": False})
    groups = [group for group in groups if group["params"]]
    fused = trained[0].device.type in ("cpu", "cuda", "mps")
    nesterov = config.nesterov and config.momentum > 0
    match config.optimizer:
        case "adamw":
            return AdamW(groups, fused=fused)
        case "muon":
            return Muon(
                groups, momentum=config.momentum, nesterov=nesterov, fused=fused, mapped=mapped
            )
        case "alexnet":
            return AlexNetSGD(groups, lr=config.lr, momentum=config.momentum)
    return SGD(groups, momentum=config.momentum, nesterov=nesterov, fused=fused)


def _last_layer(net: nn.Module) -> list[nn.Parameter]:
    """What makes logits of features: it has no hidden units on its far side."""
    if isinstance(net, Net):
        return floors(net)[0].parameters
    return [p for p in net.parameters() if p.dim() > 1][-1:]


def make_schedule(optimizer: Optimizer, config: Config, steps: int) -> LambdaLR:
    """The learning rate of each of ``steps`` steps, as a share of the highest."""
    warmup = config.warmup
    if warmup is None:
        warmup = _RISING if config.schedule == "one-cycle" else 0.0
    rising = round(warmup * steps)
    drops = [(round(start * steps), share) for start, share in config.drops]

    def share(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        left = (steps - step) / (steps - rising) if step < steps else 0.0
        match config.schedule:
            case "one-cycle":
                return left
            case "cosine":
                return (1 - math.cos(math.pi * left)) / 2
            case "exponential":
                return math.exp(math.log(config.final) * (1 - left))
            case "step":
                return next((share for start, share in reversed(drops) if step >= start), 1.0)
        return 1.0

    return LambdaLR(optimizer, share)


def best_device() -> torch.device:
    """The accelerator that PyTorch finds, else the CPU."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")
