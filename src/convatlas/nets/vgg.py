"""VGG: one block, repeated; depth from 3×3 convolutions alone.

Paper: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition" (2014), table 1 for the configurations A to E, section 3.2 for dense evaluation.
"""

from __future__ import annotations

import copy
import math
from typing import Literal

import torch
from torch import nn

from convatlas.errors import ConfigError
from convatlas.nets import haar, parts, sizes
from convatlas.nets.parts import Activation, LocalResponseNorm, Net, Norm, chain

#: (convolutions, channels), and the side of the last kernel where it is not 3
Block = tuple[int, int] | tuple[int, int, int]

_A: tuple[Block, ...] = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))


class VGG(Net):
    """Blocks of 3×3 convolutions that keep the side, each ending in a pool that halves it.

    Args:
        conv_arch: a pair (convolutions, channels) for each block; a third number is the kernel of
            the block's last convolution (1 in configuration C).
        width: ratio on the channels of the convolutions; the dense layers keep theirs.
        hidden: units of fc6 and fc7.
        patches: a stem of 2×2 patches in Haar's basis (`haar_patches`); the paper has none.
        lrn: local response normalisation after the first convolution (A-LRN).
        norm: normalisation between each convolution and its ReLU (after the paper's time).
        activation: of the convolutions, where the paper has ReLU.
        pool_first: pool before a block's last normalisation and ReLU, which then touch a quarter
            of the cells; without ``norm`` the network computes the same.
        late: a block widens in its last convolution, which its pool follows, where the paper's
            widens in its first; and the last block has no pool (Jordan 2024, see `haar_patches`).
        gates: of the convolutions the last so many weight their channels by what the whole map
            holds (`parts.SqueezeExcitation`); the paper, which is older, has none.
        head: ``"dense"`` as in the paper, or ``"average"`` for a global average pool and one
            dense layer, which takes pictures of any side.

    Raises:
        ConfigError: more gates than convolutions, or fewer than none.
        ShapeError: an ``input_size`` that does not survive the pooling.
    """

    def __init__(
        self,
        *,
        conv_arch: tuple[Block, ...] = _A,
        width: float = 1.0,
        hidden: int = 4096,
        patches: bool = False,
        lrn: bool = False,
        norm: Norm = "none",
        activation: Activation = "relu",
        pool_first: bool = False,
        late: bool = False,
        gates: int = 0,
        head: Literal["dense", "average"] = "dense",
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int = 224,
    ) -> None:
        super().__init__(num_classes, in_channels, input_size)
        self.stem = haar.haar_patches(in_channels, norm, activation) if patches else nn.Sequential()
        self.stages = nn.Sequential()
        c_in = in_channels * (haar.CHANNELS if patches else 1)
        ahead = sum(convs for convs, *_ in conv_arch)  # convolutions from here to the head
        if not 0 <= gates <= ahead:
            raise ConfigError(f"gates is {gates}, but it must be 0 to {ahead}, one a convolution")
        for i, (convs, full, *last) in enumerate(conv_arch, start=1):
            c_out = max(1, round(width * full))
            block, pools = nn.Sequential(), not late or i < len(conv_arch)
            for j in range(1, convs + 1):
                kernel = last[0] if last and j == convs else 3
                channels = c_in if late and j < convs else c_out
                layer = chain(
                    conv=nn.Conv2d(c_in, channels, kernel, padding=kernel // 2),
                    pool=nn.MaxPool2d(2) if pools and pool_first and j == convs else None,
                    norm=parts.norm(norm, channels),
                    **{activation: parts.activation(activation)},
                    lrn=LocalResponseNorm() if lrn and i == j == 1 else None,
                    gate=parts.SqueezeExcitation(channels) if ahead <= gates else None,
                )
                ahead -= 1
                block.add_module(f"conv{i}_{j}", layer)
                c_in = channels
            if pools and not pool_first:
                block.add_module("pool", nn.MaxPool2d(2))
            self.stages.add_module(f"block{i}", block)
        if head == "average":
            self.head = chain(pool=parts.global_average_pool(), fc=nn.Linear(c_in, num_classes))
        else:
            body = nn.Sequential(self.stem, self.stages)
            features = math.prod(sizes.feature_shape(body, in_channels, input_size))
            self.head = dense_head(features, hidden, num_classes)
        # the paper first trained A, and later found that Glorot's weights need no such help (3.1)
        for room in (self.stages, self.head):
            room.apply(parts.init_xavier)


def dense_head(features: int, hidden: int, num_classes: int) -> nn.Sequential:
    """The three dense layers that every column of table 1 ends in."""
    return chain(
        flatten=nn.Flatten(),
        fc6=nn.Linear(features, hidden),
        relu6=nn.ReLU(inplace=True),
        drop6=nn.Dropout(),
        fc7=nn.Linear(hidden, hidden),
        relu7=nn.ReLU(inplace=True),
        drop7=nn.Dropout(),
        fc8=nn.Linear(hidden, num_classes),
    )


@torch.no_grad()
def convolutionise(net: VGG) -> Net:
    """The same network with its dense head as convolutions (section 3.2); ``net`` stays as it is.

    A dense layer on 512×7×7 numbers is a 7×7 convolution, the two after it are 1×1. The weights
    are those of ``net``, copied: a picture of ``net.input_size`` gets the same logits, as
    ``(N, classes, 1, 1)``, and a larger one a map ``(N, classes, H', W')``, one place for every
    window of ``input_size``, 32 pixels apart (256 gives 2×2).

    The paper averages the map to one score a class, and the probabilities with those of the
    mirrored picture::

        def scores(x):
            return dense(x).mean((2, 3)).softmax(1)
        answer = (scores(x) + scores(x.flip(3))) / 2

    Raises:
        ConfigError: a network without VGG's three dense layers, or with gates.
    """
    if not (isinstance(net, VGG) and hasattr(net.head, "fc6")):
        raise ConfigError(f"{type(net).__name__} has no dense head of VGG's to convolutionise")
    if any(isinstance(layer, parts.SqueezeExcitation) for layer in net.modules()):
        raise ConfigError("a gate sees the whole map, not each window: build the VGG with gates=0")
    dense: Net = copy.deepcopy(net, {id(net.head): nn.Sequential()})  # the head is made anew
    dense.name, dense.options = "", {}  # the catalogue builds no such network
    _, height, width = sizes.feature_shape(
        nn.Sequential(dense.stem, dense.stages), net.in_channels, net.input_size
    )
    dense.head = nn.Sequential()
    for name, layer in net.head.named_children():
        if isinstance(layer, nn.Linear):
            kernel = (height, width) if name == "fc6" else (1, 1)
            dense.head.add_module(name, _as_convolution(layer, kernel))
        elif not isinstance(layer, nn.Flatten):
            dense.head.add_module(name, copy.deepcopy(layer))
    return dense.train(net.training)


def _as_convolution(layer: nn.Linear, kernel: tuple[int, int]) -> nn.Conv2d:
    """The convolution that does on one window what the dense layer does on all it gets."""
    channels = layer.in_features // math.prod(kernel)
    conv = nn.Conv2d(channels, layer.out_features, kernel, device="meta")
    conv.weight = nn.Parameter(layer.weight.reshape(-1, channels, *kernel).clone())
    conv.bias = nn.Parameter(layer.bias.clone())
    return conv
