"""Which parts of a network train, and when: its floors, from the last layer down to the pixels.

What does not train is frozen altogether: its weights need no gradient, and it stays in evaluation
mode. In training mode its batch normalisation would use each batch's statistics and go on moving
its averages towards the new pictures, while the weights that were learned for the old averages
cannot follow; its dropout would add noise to features that are not being learned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import nn

from convatlas.data import ImageSet, Stream
from convatlas.errors import ConfigError
from convatlas.nets.parts import Net
from convatlas.train.config import Config

# pictures a class from which on all of a network gets further than its last layer did, in every
# case that was measured (docs/transfer.md)
_FEW = 25
_STEPS = 10  # that an epoch of few pictures is stretched to
_ROOMS = ("stem", "stages", "head")


class Floor(NamedTuple):
    """Layers that are trained or frozen together, in the order in which a picture meets them."""

    name: str
    layers: tuple[nn.Module, ...]

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All of its weights, in the network's order."""
        return [p for layer in self.layers for p in layer.parameters()]


def floors(net: nn.Module) -> list[Floor]:
    """The floors of a network, the last layer first.

    Each stage is one, the stem is the lowest, and of a head of several dense layers each is one.
    Layers without weights stand on the floor that feeds them, but dropout on the one that it
    feeds, since it is there for that one's training. GoogLeNet's auxiliary heads train with the
    last layer. A module that has no three rooms is one floor.
    """
    if not isinstance(net, Net):
        return [Floor(type(net).__name__, (net,))]
    first, *below = _walked(net)
    beside = [layer for name, layer in net.named_children() if name not in _ROOMS]
    return [Floor(first.name, (*first.layers, *beside)), *below]


def halves(net: Net) -> tuple[nn.Sequential, nn.Sequential]:
    """What lies below the last layer, and the last layer with what belongs to it.

    One after the other they answer as the network does, in evaluation mode.
    """
    first, *below = _walked(net)
    body = [layer for floor in reversed(below) for layer in floor.layers]
    return nn.Sequential(*body), nn.Sequential(*first.layers)


def _walked(net: Net) -> list[Floor]:
    """The floors without what stands beside the way from the stem to the logits."""
    layers = {"stem": net.stem}
    layers |= {f"stages.{name}": layer for name, layer in net.stages.named_children()}
    layers |= {f"head.{name}": layer for name, layer in net.head.named_children()}
    found: list[Floor] = []
    for name, layer in layers.items():
        begins = _learns(layer) or isinstance(layer, nn.Dropout)
        if not found or (begins and _learns(*found[-1].layers)):
            found.append(Floor(name, (layer,)))
        else:
            below = found[-1]
            found[-1] = Floor(
                below.name if _learns(*below.layers) else name, (*below.layers, layer)
            )
    return found[::-1]


class Thaw:
    """What is frozen at which step.

    With ``"head"`` all floors but the first, for good. With ``"gradual"`` the floors are thawed
    from the last layer downwards, each for an equal share of the steps before the next (gradual
    unfreezing: Howard and Ruder 2018, section 3.3). With ``freeze_at`` floors are frozen from the
    stem upwards, in training mode: what stands above has learned from outputs that were normalised
    so. Which ones train follows from the number of the step alone. What was frozen before stays so.

    Args:
        nets: the network, and its shadows.
        config: whose ``strategy`` decides.
        steps: of the whole run.

    Raises:
        ConfigError: ``freeze_at`` leaves nothing that learns.
    """

    def __init__(self, nets: Sequence[nn.Module], config: Config, steps: int) -> None:
        self.nets, self.strategy, self.steps = nets, config.strategy, steps
        self.floors = [floors(net) for net in nets]
        self.learning = [
            [[p for p in floor.parameters if p.requires_grad] for floor in every]
            for every in self.floors
        ]
        self.open = 0
        self.closing = [round(share * steps) for share in config.freeze_at]
        if len(self.closing) >= len(self.floors[0]):
            raise ConfigError(
                f"freeze_at has {len(self.closing)} shares, but it must leave one of the network's "
                f"{len(self.floors[0])} floors that learns: give fewer"
            )

    def count(self, step: int) -> int:
        """How many floors train at a step, counted from the last layer down."""
        every = len(self.floors[0])
        if self.strategy == "head":
            return 1
        if self.strategy == "gradual":
            return min(every, 1 + step * every // self.steps)
        return every - sum(step >= start for start in self.closing)

    def train(self, step: int) -> None:
        """Gradients for what trains at a step, and training mode for what has ever trained."""
        self.open = self.count(step)
        waiting = self.strategy in ("head", "gradual")
        for net, every, learning in zip(self.nets, self.floors, self.learning, strict=True):
            net.train()
            for depth, (floor, weights) in enumerate(zip(every, learning, strict=True)):
                for layer in floor.layers:
                    layer.train(depth < self.open or not waiting)
                for weight in weights:
                    weight.requires_grad_(depth < self.open)

    def advance(self, step: int) -> None:
        """As `train`, where something has changed since the last step."""
        if self.count(step) != self.open:
            self.train(step)


def settled(net: nn.Module, config: Config, images: ImageSet | Stream) -> Config:
    """The settings with what they leave to the size of the data set decided.

    ``"auto"`` becomes ``"head"`` below 25 pictures a class, and ``"finetune"`` from there on. A
    last layer has few weights for few pictures to fix, it cannot forget what the body knows, and
    it takes seconds; with more pictures there is enough to move the body as well, slowly, the
    early stages least. A module without the three rooms is fine-tuned as a whole.

    Args:
        net: the network that is to be trained.
        config: whose ``strategy`` and ``repeat`` may be open.
        images: what it is trained on.

    Raises:
        ConfigError: a strategy that needs to know the stages of a module that has none.
    """
    strategy, decay, repeat = config.strategy, config.stage_decay, config.repeat
    if strategy == "auto":
        few = len(images) < _FEW * len(images.classes)
        strategy = "head" if few and isinstance(net, Net) else "finetune"
        decay = decay if isinstance(net, Net) else 1.0
    if repeat is None:
        short = isinstance(images, ImageSet)
        repeat = max(1, math.ceil(_STEPS * config.batch_size / len(images))) if short else 1
    config = replace(config, strategy=strategy, stage_decay=decay, repeat=repeat)
    for name, plain in (
        ("strategy", ("scratch", "finetune")),
        ("stage_decay", (1,)),
        ("l2_sp", (0,)),
    ):
        if not isinstance(net, Net) and getattr(config, name) not in plain:
            raise ConfigError(
                f"{name} is {getattr(config, name)!r}, but {type(net).__name__} is no network of "
                f"the atlas, whose stem, stages and head are known: it must be {plain[0]}"
            )
    return config


def described(config: Config) -> str:
    """What a strategy does, in a line."""
    said = {
        "head": "the last layer learns, and all below it is frozen",
        "gradual": "the last layer learns first, and the stages below it join one by one",
    }.get(config.strategy, "all layers learn")
    if config.stage_decay < 1 and config.strategy != "head":
        said += f", each stage at {config.stage_decay:g} of the rate of the one above it"
    return f"strategy {config.strategy}: {said}"


def _learns(*layers: nn.Module) -> bool:
    return any(True for layer in layers for _ in layer.parameters())
