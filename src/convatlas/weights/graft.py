"""Tensors of one network on their way into another of its kind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.data import Preprocess
from convatlas.errors import ConfigError
from convatlas.nets import sizes
from convatlas.nets.parts import Net, chain
from convatlas.weights.channels import Rule, carry, usual_rule
from convatlas.weights.shapes import depending_on


@dataclass
class Graft:
    """What of a donor is carried over, and what becomes of each tensor.

    Attributes:
        donor: the network; it stays as it is.
        carried: its tensors by name, on the CPU, as they will be copied.
        preprocess: the donor's, changed as its channels are.
        adapted, reset: how, or why, by the tensor's name.
        notes: sentences that a person should read.
    """

    donor: Net
    carried: dict[str, Tensor]
    preprocess: Preprocess
    adapted: dict[str, str] = field(default_factory=dict)
    reset: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_classes(self, known: tuple[str, ...], wanted: tuple[str, ...]) -> None:
        """Rows of the class layer, picked by name where all ``wanted`` are ``known``."""
        if wanted == known:
            return
        axes = depending_on(self.donor, "num_classes")
        # d2l's NiN is as wide as there are classes in three layers, the first two not by class
        one_row_a_class = all(axis == (0,) for axis in axes.values())
        if one_row_a_class and set(wanted) <= set(known):
            rows = [known.index(name) for name in wanted]
            how = f"the rows of {len(wanted)} of its {len(known)} classes"
            for name in axes:
                self._change(name, self.carried[name][rows], how)
            return
        count = self.donor.num_classes
        if len(wanted) != count:
            why = f"{len(wanted)} classes in place of {count}"
        else:
            why = f"{count} other classes" if known else f"its {count} classes have no names"
        for name in axes:
            self._drop(name, why)

    def to_channels(self, count: int, rule: Rule | None, measured: Preprocess | None) -> None:
        """The first convolution and the preprocessing for ``count`` channels.

        Raises:
            ConfigError: as `carry`; or more than the first convolution depends on the channels.
        """
        before = self.donor.in_channels
        kernel, *others = depending_on(self.donor, "in_channels")
        if others:
            raise ConfigError(
                f"in {self.donor.name} more than the first convolution depends on the number of "
                f"channels ({others[0]} does, too), so that it cannot be had for "
                f"in_channels={count}: give it pictures of {_channels(before)}"
            )
        rule = rule or usual_rule(before, count)
        first = carry(self.carried[kernel], self.preprocess, count, rule, measured)
        how = f"{before} channels become {count} ({rule})"
        self._change(kernel, first.kernel, how)
        self.preprocess = replace(self.preprocess, channels=count, mean=first.mean, std=first.std)
        if first.surplus.any():
            self._take_off(kernel.removesuffix(".weight"), first.surplus, how)

    def to_shapes_of(self, new: Net) -> None:
        """What is left: layers that fix the size of the picture."""
        own = new.state_dict()
        for name, tensor in list(self.carried.items()):
            if tensor.shape == own[name].shape:
                continue
            sides = f"{self.donor.input_size} pixels become {new.input_size}"
            if name.startswith("head."):
                pooling = _behind_a_pool(tensor, _last_map(self.donor), _last_map(new))
                self._change(name, pooling.reshape(own[name].shape), f"{sides} (average pool)")
            else:
                self._drop(name, sides)

    def _change(self, name: str, tensor: Tensor, how: str) -> None:
        self.carried[name], self.adapted[name] = tensor, how

    def _drop(self, name: str, why: str) -> None:
        del self.carried[name]
        self.reset[name] = why

    def _take_off(self, layer: str, surplus: Tensor, how: str) -> None:
        """In the bias of the first convolution, or in the batch norm behind it."""
        bias, (place, behind) = f"{layer}.bias", _behind(self.donor, layer)
        if bias in self.carried:
            self._change(bias, self.carried[bias] - surplus, how)
        elif isinstance(behind, nn.BatchNorm2d):
            mean = f"{place}.running_mean"
            self._change(mean, self.carried[mean] + surplus, how)
        elif not isinstance(behind, nn.InstanceNorm2d):  # which takes it off by itself
            self.notes.append(
                f"grey pictures get nearly the donor's answers: nothing behind {layer} makes up "
                "for the one mean that stands for that of each channel"
            )
            return
        conv = self.donor.get_submodule(layer)
        if isinstance(conv, nn.Conv2d) and any(conv.padding):
            self.notes.append(
                f"grey pictures get the donor's answers but for their border, where {layer} sees "
                "the one mean that stands for that of each channel"
            )


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _behind(net: Net, layer: str) -> tuple[str, nn.Module | None]:
    """The layer that stands behind another in the same sequence, with its name."""
    inside, _, name = layer.rpartition(".")
    siblings = list(net.get_submodule(inside).named_children())
    place = [sibling for sibling, _ in siblings].index(name) + 1
    if place == len(siblings):
        return "", None
    return f"{inside}.{siblings[place][0]}", siblings[place][1]


def _last_map(net: Net) -> tuple[int, ...]:
    body = chain(stem=net.stem, stages=net.stages)
    return sizes.feature_shape(body, net.in_channels, net.input_size)


def _behind_a_pool(weight: Tensor, old: tuple[int, ...], new: tuple[int, ...]) -> Tensor:
    """A layer for maps ``old`` (C, h, w), made one for maps ``new`` that it pools to ``old``.

    The pool is linear: its matrix is what it makes of maps with a single one in them.
    """
    channels, height, width = old
    cells = torch.eye(new[1] * new[2]).view(-1, 1, *new[1:])
    pool = F.adaptive_avg_pool2d(cells, (height, width)).flatten(1)
    return weight.view(len(weight), channels, height * width) @ pool.T.to(weight)
