"""AlexNet on two devices, as published: a tower on each, which meet only where a layer sees both.

Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks" (2012), section 3.2 and figure 2: half of the kernels and of the units are on each GPU;
conv3 and the dense layers see all of the layer before, and everything else its own half alone. It
is the network that is divided, not the batch, and no weight is anywhere twice. What crosses are
activations, and their gradients on the way back::

    link = Link()                                    # in two processes, inside `joined`
    tower = Tower(build("alexnet"), link)            # the same weights in both, each keeps its half
    F.cross_entropy(tower(pixels), labels).backward()  # the same batch in both
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from convatlas.errors import ConfigError
from convatlas.nets import sizes
from convatlas.nets.alexnet import AlexNet
from convatlas.nets.parts import LocalResponseNorm


class Link:
    """The way between the two processes of a group.

    Attributes:
        rank: which of them this one is.
        sent: bytes that went from here to the other one.

    Raises:
        ConfigError: there are not two.
    """

    def __init__(self) -> None:
        world = dist.get_world_size() if dist.is_initialized() else 1
        if world != 2:
            raise ConfigError(f"two towers need two processes, and there are {world}: --procs 2")
        self.rank, self.sent = dist.get_rank(), 0

    def swap(self, mine: Tensor) -> Tensor:
        """What the other process has in the place of ``mine``, which it gets for it."""
        mine, theirs = mine.contiguous(), torch.empty_like(mine).contiguous()
        other = 1 - self.rank
        both = [dist.P2POp(dist.isend, mine, other), dist.P2POp(dist.irecv, theirs, other)]
        for way in dist.batch_isend_irecv(both):
            way.wait()
        self.sent += mine.numel() * mine.element_size()
        return theirs

    def join(self, mine: Tensor, dim: int) -> Tensor:
        """Both halves, the first process's first."""
        halves = [mine, self.swap(mine)]
        return torch.cat(halves if self.rank == 0 else halves[::-1], dim)


class Tower(nn.Module):
    """Half of a network with two towers: the one that this process has.

    In rooms and names it is the network, and so are its answers. An optimiser over its parameters
    trains this half, and needs to hear nothing of the other.

    Args:
        net: the whole network, with the same weights in both processes.
        link: to the other process.

    Raises:
        ConfigError: a network of one tower, or units or classes that cannot be halved.
    """

    def __init__(self, net: AlexNet, link: Link) -> None:
        super().__init__()
        self.link = link
        self.stages, self.head = copy.deepcopy(net.stages), copy.deepcopy(net.head)
        if not any(isinstance(layer, nn.Conv2d) and layer.groups == 2 for layer in net.modules()):
            raise ConfigError(
                f"{net.name or 'the network'} has one tower, and the paper's alexnet has two: take "
                "that"
            )
        sees_pixels = True
        for layer in self.modules():
            if isinstance(layer, LocalResponseNorm):
                layer.towers = 1
            elif isinstance(layer, nn.Conv2d | nn.Linear):
                crosses = not sees_pixels and getattr(layer, "groups", 1) == 1
                sees_pixels = False
                self._halve(layer)
                if crosses:
                    layer.register_forward_pre_hook(self._see_both)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of pictures ``(N, in_channels, H, W)``, alike in both."""
        logits: Tensor = _Both.apply(self.head(self.stages(x)), self.link, True)  # type: ignore[no-untyped-call]
        return logits

    def whole(self) -> dict[str, Tensor]:
        """The weights of the whole network, by its names; both processes have to ask."""
        return {name: self.link.join(half, 0) for name, half in self.state_dict().items()}

    def _halve(self, layer: nn.Conv2d | nn.Linear) -> None:
        if len(layer.weight) % 2:
            raise ConfigError(
                f"two towers have {len(layer.weight)} units or classes between them: it must be "
                "an even number"
            )
        for name, whole in list(layer.named_parameters()):
            mine = whole.detach().chunk(2)[self.link.rank].clone()
            setattr(layer, name, nn.Parameter(mine))
        if isinstance(layer, nn.Linear):
            layer.out_features //= 2
        else:
            layer.out_channels //= 2
            layer.in_channels //= layer.groups
            layer.groups = 1

    def _see_both(self, layer: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        both: Tensor = _Both.apply(inputs[0], self.link, False)  # type: ignore[no-untyped-call]
        return both


class _Both(torch.autograd.Function):
    """Both halves ``(N, C, …)`` of what each tower has, ``(N, C/2, …)``.

    Where the towers do different things with it, the gradient of a half is the sum of what both
    say; where they do the same (the loss of the logits), each has it already.
    """

    @staticmethod
    def forward(ctx: Any, mine: Tensor, link: Link, alike: bool) -> Tensor:
        ctx.link, ctx.alike = link, alike
        return link.join(mine, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        halves = gradient.chunk(2, 1)
        mine, theirs = halves[ctx.link.rank], halves[1 - ctx.link.rank]
        return (mine if ctx.alike else mine + ctx.link.swap(theirs)), None, None


def crossing_bytes(net: AlexNet, batch: int) -> int:
    """What a tower sends in a training step, in bytes of float32.

    Half of what conv3 and each dense layer see, and as much gradient on the way back; and half of
    the logits.

    Args:
        net: the whole network.
        batch: pictures a step, which both towers see.
    """
    conv3 = math.prod(sizes.feature_shape(net.stages[:2], net.in_channels, net.input_size))
    dense = sum(layer.in_features for layer in net.head.modules() if isinstance(layer, nn.Linear))
    return 4 * batch * (conv3 + dense + net.num_classes // 2)


def gradient_bytes(net: nn.Module, world: int) -> int:
    """What a process sends in a step of data-parallel training, in bytes of float32.

    Each gradient goes around a ring, once to be added up and once to be known: ``2 · (W − 1)/W`` of
    all parameters, whatever the batch (Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce
    algorithms for clusters of workstations", section 3).

    Args:
        net: which every process has a copy of.
        world: how many processes.
    """
    count = sum(p.numel() for p in net.parameters())
    return 4 * 2 * count * (world - 1) // world
