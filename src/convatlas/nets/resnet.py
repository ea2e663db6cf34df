"""Residual networks: ResNet, its plain counterparts, wide ResNet and ResNeXt.

Papers: He et al., "Deep Residual Learning for Image Recognition" (2015), table 1 and section 4.2;
Zagoruyko and Komodakis, "Wide Residual Networks" (2016); Xie et al., "Aggregated Residual
Transformations for Deep Neural Networks" (2017), table 1 and section 4.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.errors import ConfigError
from convatlas.nets.parts import Net, Norm, chain, init_kaiming, norm

Shortcut = Literal["A", "B", "C", "none"]


class ResNet(Net):
    """Stages of residual blocks; each stage after the first halves the side and doubles the width.

    Args:
        depths: blocks in each stage.
        bottleneck: 1×1, 3×3, 1×1 (four times as wide at its end) in place of two 3×3.
        width: channels of the first stage (64; 16 in the CIFAR family).
        groups: the bottleneck's cardinality: the same number in every stage, or ``"depthwise"``
            for a group of its own for every channel.
        group_width: channels of one group where ``width`` is 64 (ResNeXt-50 32×4d: 32 and 4).
        stem: ``"imagenet"`` (7×7 of stride 2, then a 3×3 max pool) or ``"cifar"`` (one 3×3).
        shortcut: what joins maps of different shape: ``"A"`` zero padding, ``"B"`` a 1×1
            convolution, ``"C"`` a 1×1 convolution in every block; ``"none"`` is the plain network.
        stride_in: the bottleneck's convolution that strides: the first ``"1x1"`` (the paper) or
            the ``"3x3"`` (torchvision).
        norm: normalisation after each convolution.
        bias: biases in the convolutions, which only a network without ``norm`` needs.
        shortcut_norm: normalisation after the shortcut's 1×1.
    """

    def __init__(
        self,
        *,
        depths: tuple[int, ...] = (2, 2, 2, 2),
        bottleneck: bool = False,
        width: int = 64,
        groups: int | Literal["depthwise"] = 1,
        group_width: int = 64,
        stem: Literal["imagenet", "cifar"] = "imagenet",
        shortcut: Shortcut = "B",
        stride_in: Literal["1x1", "3x3"] = "3x3",
        norm: Norm = "batch",
        bias: bool = False,
        shortcut_norm: bool = True,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int = 224,
    ) -> None:
        super().__init__(num_classes, in_channels, input_size)
        if not bottleneck and (groups, group_width) != (1, 64):
            raise ConfigError("groups and group_width shape the bottleneck; a basic block has none")
        layers = Layers(norm, bias, shortcut, shortcut_norm, stride_in, groups, group_width)

        large = stem == "imagenet"
        self.stem = chain(
            conv=layers.conv(in_channels, width, 7 if large else 3, 2 if large else 1),
            norm=layers.norm(width),
            relu=nn.ReLU(inplace=True),
            pool=nn.MaxPool2d(3, stride=2, padding=1) if large else None,
        )
        self.stages = nn.Sequential()
        channels = width
        for i, depth in enumerate(depths):
            stage = nn.Sequential()
            for j in range(depth):
                make = layers.bottleneck if bottleneck else layers.basic
                stride = 2 if i > 0 and j == 0 else 1
                stage.append(make(channels, width * 2**i, stride))
                channels = width * 2**i * (4 if bottleneck else 1)
            self.stages.add_module(f"conv{i + 2}_x", stage)
        self.head = chain(
            pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(channels, num_classes)
        )
        self.apply(init_kaiming)


class Block(nn.Module):
    """``relu(F(x) + shortcut(x))``, section 3.1; a plain network's block has no shortcut."""

    def __init__(self, residual: nn.Module, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.residual, self.shortcut = residual, shortcut
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W) → (N, C', H/stride, W/stride)``."""
        y = self.residual(x)
        y = y if self.shortcut is None else y + self.shortcut(x)
        activated: Tensor = self.relu(y)
        return activated


class ZeroPad(nn.Module):
    """Option A: every ``stride``-th pixel, and zeros as new channels, half before, half after."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        before = (out_channels - in_channels) // 2
        self.stride, self.channels = stride, (before, out_channels - in_channels - before)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W) → (N, C', ⌈H/stride⌉, ⌈W/stride⌉)``."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.channels))


@dataclass(frozen=True)
class Layers:
    """How one network makes its blocks: the choices that are the same in all of them."""

    norm_kind: Norm
    bias: bool
    option: Shortcut
    shortcut_norm: bool
    stride_in: Literal["1x1", "3x3"]
    groups: int | Literal["depthwise"]
    group_width: int

    def basic(self, c_in: int, width: int, stride: int) -> Block:
        """Two 3×3 (figure 5, left)."""
        residual = chain(
            conv1=self.conv(c_in, width, 3, stride),
            norm1=self.norm(width),
            relu1=nn.ReLU(inplace=True),
            conv2=self.conv(width, width, 3),
            norm2=self.norm(width),
        )
        return Block(residual, self.shortcut(c_in, width, stride))

    def bottleneck(self, c_in: int, width: int, stride: int) -> Block:
        """1×1, 3×3, 1×1 (figure 5, right); with groups, ResNeXt's (figure 3c)."""
        inner, groups = width * self.group_width // 64, self.groups
        if groups == "depthwise":
            groups = inner
        else:
            inner *= groups
        first, second = (stride, 1) if self.stride_in == "1x1" else (1, stride)
        residual = chain(
            conv1=self.conv(c_in, inner, 1, first),
            norm1=self.norm(inner),
            relu1=nn.ReLU(inplace=True),
            conv2=self.conv(inner, inner, 3, second, groups),
            norm2=self.norm(inner),
            relu2=nn.ReLU(inplace=True),
            conv3=self.conv(inner, 4 * width, 1),
            norm3=self.norm(4 * width),
        )
        return Block(residual, self.shortcut(c_in, 4 * width, stride))

    def shortcut(self, c_in: int, c_out: int, stride: int) -> nn.Module | None:
        """What carries ``x`` around the block (section 4.1, options A, B and C)."""
        same = c_in == c_out and stride == 1
        if self.option == "none":
            return None
        if same and self.option != "C":
            return nn.Identity()
        if self.option == "A":
            return ZeroPad(c_in, c_out, stride)
        return chain(
            conv=self.conv(c_in, c_out, 1, stride),
            norm=self.norm(c_out) if self.shortcut_norm else None,
        )

    def conv(
        self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> nn.Conv2d:
        """A convolution that keeps the side but for its stride."""
        bias = self.bias or self.norm_kind == "none"
        return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=bias)

    def norm(self, channels: int) -> nn.Module | None:
        """The network's normalisation, for ``channels``."""
        return norm(self.norm_kind, channels)
