"""AlexNet: as published in 2012, the "one weird trick" form that torchvision has, and d2l's.

Papers: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks" (2012), section 3 and figure 2; Krizhevsky, "One weird trick for parallelizing
convolutional neural networks" (2014).

**227, not 224.** The paper crops 224×224 and prints 55×55 maps after conv1, an 11×11 kernel of
stride 4. But (224 − 11)/4 + 1 = 54.25: no whole number of strides covers 224 without padding,
which the paper does not mention. 227 gives (227 − 11)/4 + 1 = 55 exactly, and what follows
(27, 13, 6) is as in figure 2. Networks with ``padding=2`` get 55 from 224 by rounding down:
⌊(224 + 4 − 11)/4⌋ + 1 = 55.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal, get_args

from torch import nn

from convatlas.errors import ConfigError
from convatlas.nets import parts, sizes
from convatlas.nets.parts import Activation, LocalResponseNorm, Net, chain

Init = Literal["paper", "kaiming", "xavier", "default"]
_ONES = {"conv2", "conv4", "conv5", "fc6", "fc7"}  # layers whose biases start at one


class AlexNet(Net):
    """Five convolutions and three dense layers; the convolutions run in two towers.

    Args:
        channels: of conv1 to conv5.
        hidden: units of fc6 and fc7.
        width: ratio on all of those.
        towers: 2 splits the channels over the paper's two GPUs, which exchange maps only into
            conv3 and the dense layers; 1 does not split them.
        lrn: local response normalisation, within each tower, after conv1 and conv2 (section 3.3).
        overlapping: max pooling of 3 with stride 2 (section 3.4); else 2 with stride 2, whose
            maps have the same size.
        activation: ReLU, or the saturating ones it replaced (section 3.1).
        padding: of conv1.
        dropout_first: dropout before fc6 and fc7 (torchvision) rather than after (the paper).
        init: ``"paper"`` N(0, 0.01) with biases of one in conv2, conv4, conv5, fc6 and fc7
            (section 5); ``"kaiming"``, fan-out, with N(0, 0.01) in the dense layers;
            ``"xavier"``; or PyTorch's own ``"default"``.

    Raises:
        ConfigError: channels that do not split over the towers, or an unknown ``init``.
        ShapeError: an ``input_size`` that does not survive the pooling.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256),
        hidden: int = 4096,
        width: float = 1.0,
        towers: Literal[1, 2] = 2,
        lrn: bool = True,
        overlapping: bool = True,
        activation: Activation = "relu",
        padding: int = 0,
        dropout_first: bool = False,
        init: Init = "paper",
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int = 227,
    ) -> None:
        super().__init__(num_classes, in_channels, input_size)
        c1, c2, c3, c4, c5 = (max(1, round(width * c)) for c in channels)
        units = max(1, round(width * hidden))
        for c in (c1, c2, c3, c4, c5):
            if towers not in (1, 2) or c % towers:
                raise ConfigError(f"{c} channels do not split over {towers} towers: 1 or 2 of them")

        def stage(conv: nn.Conv2d, normalised: bool = False, pooled: bool = True) -> nn.Sequential:
            return chain(
                conv=conv,
                relu=parts.activation(activation),
                lrn=LocalResponseNorm(towers=towers) if lrn and normalised else None,
                pool=nn.MaxPool2d(3 if overlapping else 2, stride=2) if pooled else None,
            )

        conv = partial(nn.Conv2d, kernel_size=3, padding=1)
        self.stem = nn.Sequential()
        self.stages = chain(
            conv1=stage(nn.Conv2d(in_channels, c1, 11, 4, padding), normalised=True),
            conv2=stage(nn.Conv2d(c1, c2, 5, padding=2, groups=towers), normalised=True),
            conv3=stage(conv(c2, c3), pooled=False),
            conv4=stage(conv(c3, c4, groups=towers), pooled=False),
            conv5=stage(conv(c4, c5, groups=towers)),
        )
        features = math.prod(sizes.feature_shape(self.stages, in_channels, input_size))
        self.head = chain(
            flatten=nn.Flatten(),
            drop5=nn.Dropout() if dropout_first else None,
            fc6=nn.Linear(features, units),
            relu6=parts.activation(activation),
            drop6=nn.Dropout(),
            fc7=nn.Linear(units, units),
            relu7=parts.activation(activation),
            drop7=None if dropout_first else nn.Dropout(),
            fc8=nn.Linear(units, num_classes),
        )
        _initialise(self, init)


def _initialise(net: AlexNet, init: Init) -> None:
    if init not in get_args(Init):
        raise ConfigError(f"init is {init!r}, but it must be one of {', '.join(get_args(Init))}")
    for name, layer in net.named_modules():
        if init == "default" or not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        if init == "xavier":
            parts.init_xavier(layer)
        elif init == "kaiming" and isinstance(layer, nn.Conv2d):
            parts.init_kaiming(layer)
        else:
            ones = init == "paper" and not _ONES.isdisjoint(name.split("."))
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 1.0 if ones else 0.0)
