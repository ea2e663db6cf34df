"""LeNet-5 of 1998, and the small LeNet that d2l's course trains, with or without normalisation.

Papers: LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (1998), section
II.B and table I; Ioffe and Szegedy, "Batch Normalization" (2015) for the course's `lenet_bn`.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from convatlas.nets import parts, sizes
from convatlas.nets.parts import Activation, Net, Norm, chain

# table I: which of the six maps of S2 each of the sixteen maps of C3 looks at
_THREES = ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5))
_FOURS = ((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5))
_FOURS_APART = ((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5))
TABLE_I = (*_THREES, *_FOURS, *_FOURS_APART, (0, 1, 2, 3, 4, 5))


class LeNet5(Net):
    """C1, S2, C3, S4, C5 and F6 as published; a dense layer stands for the RBF output units.

    28×28 digits are padded to 32×32 so that strokes can end in the middle of a corner unit's
    field. C5 is a convolution as large as the map it gets (5×5 of a 32×32 picture), hence the
    size is fixed when the network is made.
    """

    def __init__(
        self, *, num_classes: int = 10, in_channels: int = 1, input_size: int = 32
    ) -> None:
        super().__init__(num_classes, in_channels, input_size)
        self.stem = nn.Sequential()
        self.stages = chain(
            C1=chain(conv=nn.Conv2d(in_channels, 6, 5), squash=ScaledTanh()),
            S2=_subsample(6),
            C3=chain(conv=PartialConv(TABLE_I, 5), squash=ScaledTanh()),
            S4=_subsample(16),
        )
        side = sizes.feature_shape(self.stages, in_channels, input_size)[-1]
        self.head = chain(
            C5=nn.Conv2d(16, 120, side),
            squash5=ScaledTanh(),
            flatten=nn.Flatten(),
            F6=nn.Linear(120, 84),
            squash6=ScaledTanh(),
            output=nn.Linear(84, num_classes),
        )
        self.apply(_init_lecun)


class LeNet(Net):
    """The course's LeNet: 6 and 16 maps of 5×5 with pooling, then 120, 84 and the classes.

    Args:
        padding: zeros around the picture: 2 stands for the paper's 32×32 frame.
        pool: ``"average"`` or ``"max"``, 2×2.
        activation: after every layer but the last.
        norm: normalisation before each activation, in the dense layers too.
    """

    def __init__(
        self,
        *,
        padding: int = 2,
        pool: Literal["average", "max"] = "average",
        activation: Activation = "sigmoid",
        norm: Norm = "none",
        num_classes: int = 10,
        in_channels: int = 1,
        input_size: int = 28,
    ) -> None:
        super().__init__(num_classes, in_channels, input_size)

        def convolution(c_in: int, c_out: int, padding: int = 0) -> nn.Sequential:
            return chain(
                conv=nn.Conv2d(c_in, c_out, 5, padding=padding),
                norm=parts.norm(norm, c_out),
                squash=parts.activation(activation),
            )

        def dense(n_in: int, n_out: int) -> nn.Sequential:
            return chain(
                fc=nn.Linear(n_in, n_out),
                norm=parts.norm(norm, n_out, dense=True),
                squash=parts.activation(activation),
            )

        def pooling() -> nn.Module:
            return nn.AvgPool2d(2) if pool == "average" else nn.MaxPool2d(2)

        self.stem = nn.Sequential()
        self.stages = chain(
            C1=convolution(in_channels, 6, padding),
            S2=pooling(),
            C3=convolution(6, 16),
            S4=pooling(),
        )
        features = math.prod(sizes.feature_shape(self.stages, in_channels, input_size))
        self.head = chain(
            flatten=nn.Flatten(),
            C5=dense(features, 120),
            F6=dense(120, 84),
            output=nn.Linear(84, num_classes),
        )
        self.apply(parts.init_xavier)


class PartialConv(nn.Module):
    """A convolution whose every output map looks at some of the input maps only (table I).

    Output maps with equally many inputs are one grouped convolution, so nothing is computed that
    the table leaves out.

    Args:
        table: the input maps of each output map, those with equally many next to each other.
        kernel: side of the kernels.
    """

    def __init__(self, table: tuple[tuple[int, ...], ...], kernel: int) -> None:
        super().__init__()
        self.sources: list[list[int]] = []
        self.convs = nn.ModuleList()
        for count in sorted({len(row) for row in table}):
            rows = [row for row in table if len(row) == count]
            self.sources.append([source for row in rows for source in row])
            self.convs.append(nn.Conv2d(count * len(rows), len(rows), kernel, groups=len(rows)))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W) → (N, len(table), H − kernel + 1, W − kernel + 1)``."""
        maps = [conv(x[:, s]) for conv, s in zip(self.convs, self.sources, strict=True)]
        return torch.cat(maps, dim=1)


class Scale(nn.Module):
    """A trainable coefficient and bias for each map: what makes S2 and S4 learn."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in, ``(N, C, H, W)``."""
        return x * self.weight + self.bias


class ScaledTanh(nn.Module):
    """``1.7159 · tanh(2x/3)``: ±1 go to ±1, where its second derivative peaks (appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        return 1.7159 * torch.tanh(x * (2 / 3))


def _subsample(channels: int) -> nn.Sequential:
    """Sum of 2×2 neighbours, times a coefficient, plus a bias, squashed: S2 and S4."""
    return chain(
        sum=nn.AvgPool2d(2, divisor_override=1), scale=Scale(channels), squash=ScaledTanh()
    )


@torch.no_grad()
def _init_lecun(module: nn.Module) -> None:
    """Uniform within 2.4/F of zero, F the inputs of a unit (appendix A); biases zero."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        bound = 2.4 / module.weight[0].numel()
        nn.init.uniform_(module.weight, -bound, bound)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
