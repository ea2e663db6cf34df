"""GoogLeNet: Inception modules, four paths side by side whose maps are joined over channels.

Paper: Szegedy et al., "Going Deeper with Convolutions" (2014), table 1 and section 5. torchvision's
network and d2l's are other options of the same class; the catalogue says how they differ.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from convatlas.errors import ShapeError
from convatlas.nets import sizes
from convatlas.nets.parts import (
    LocalResponseNorm,
    Net,
    Norm,
    chain,
    global_average_pool,
    init_kaiming,
    init_xavier,
    norm,
)

#: Table 1: channels of 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool projection.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Outputs(NamedTuple):
    """What a network with auxiliary heads returns in training: logits ``(N, num_classes)`` each."""

    logits: Tensor
    aux1: Tensor  # of the head on 4a
    aux2: Tensor  # of the head on 4d


class GoogLeNet(Net):
    """Nine Inception modules; in training, two auxiliary heads bring gradient to 4a and 4d.

    In training the network returns :class:`Outputs`, and the loss is that of ``logits`` plus
    ``aux_weight`` times that of each auxiliary head. In evaluation it returns logits alone, and a
    saved network has no auxiliary heads.

    Args:
        kernel5: side of the "5×5" kernels; 3 is torchvision's.
        norm: normalisation after each convolution, which then has no bias; the paper has none.
        lrn: local response normalisation around conv2. The paper gives no constants: AlexNet's.
        pool: the 3×3 pools of stride 2 halve an even side either by a last window that hangs
            over the edge (``"ceil"``) or by ``"padding"`` (d2l).
        pool4: side of the window before 5a; 2 is torchvision's.
        aux: the auxiliary heads.
        aux_pool: the paper's ``"average"`` pool, 5×5 of stride 3, whose dense layer fixes the
            training pictures to ``input_size``, or ``"adaptive"`` to 4×4 (torchvision), for any.
        dropout: probability before the last dense layer.

    Raises:
        ShapeError: pictures of ``input_size`` are too small for the auxiliary heads.
    """

    #: what the loss of each auxiliary head counts beside that of the logits (section 5)
    aux_weight = 0.3

    def __init__(
        self,
        *,
        kernel5: Literal[3, 5] = 5,
        norm: Norm = "none",
        lrn: bool = True,
        pool: Literal["ceil", "padding"] = "ceil",
        pool4: Literal[2, 3] = 3,
        aux: bool = True,
        aux_pool: Literal["average", "adaptive"] = "average",
        dropout: float = 0.4,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int = 224,
    ) -> None:
        super().__init__(num_classes, in_channels, input_size)
        self.stem = chain(
            conv1=conv(in_channels, 64, 7, norm, stride=2),
            pool1=halve(3, pool),
            lrn1=LocalResponseNorm() if lrn else None,
            conv2_reduce=conv(64, 64, 1, norm),
            conv2=conv(64, 192, 3, norm),
            lrn2=LocalResponseNorm() if lrn else None,
            pool2=halve(3, pool),
        )
        self.stages = nn.Sequential()
        channels = 192
        for name, widths in INCEPTIONS.items():
            if name == "4a":
                self.stages.add_module("pool3", halve(3, pool))
            if name == "5a":
                self.stages.add_module("pool4", halve(pool4, pool))
            self.stages.add_module(name, inception(channels, *widths, kernel5, norm))
            channels = sum(widths[i] for i in (0, 2, 4, 5))
        self.head = chain(
            pool=global_average_pool(),
            dropout=nn.Dropout(dropout) if dropout else None,
            fc=nn.Linear(channels, num_classes),
        )
        self.aux = nn.ModuleDict()
        self.aux_map = self._map_at_4a() if aux and aux_pool == "average" else None
        if aux:
            self.aux["4a"] = aux_head(512, num_classes, norm, self.aux_map)
            self.aux["4d"] = aux_head(528, num_classes, norm, self.aux_map)
        self.apply(init_xavier if norm == "none" else init_kaiming)

    def walk(self, x: Tensor) -> Any:
        """Logits ``(N, num_classes)``, or :class:`Outputs` in training with auxiliary heads."""
        if not (self.training and self.aux):
            return super().walk(x)
        height, width = x.shape[2:]
        x = self.stem(x)
        exits: dict[str, Tensor] = {}
        for name, stage in self.stages.named_children():
            x = stage(x)
            if name in self.aux:
                if self.aux_map not in (None, tuple(x.shape[2:])):
                    raise ShapeError(
                        f"the auxiliary heads of {self.name or 'GoogLeNet'} were built for "
                        f"{self.input_size}×{self.input_size}, and this picture is "
                        f"{height}×{width}: build it with input_size={height}, or aux=False"
                    )
                exits[name] = self.aux[name](x)
        return Outputs(logits=self.head(x), aux1=exits["4a"], aux2=exits["4d"])

    def deployed(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Options and weights without the auxiliary heads."""
        options, weights = super().deployed()
        kept = {name: w for name, w in weights.items() if not name.startswith("aux.")}
        return {**options, "aux": False}, kept

    def _map_at_4a(self) -> tuple[int, ...]:
        """``(H, W)`` on 4a and 4d, where the heads' 5×5 pool has to fit."""
        body = chain(stem=self.stem, stages=self.stages[:4], aux=nn.AvgPool2d(5, stride=3))
        try:
            sizes.feature_shape(body, self.in_channels, self.input_size)
        except ShapeError as error:
            raise ShapeError(f"{error}, or smaller with aux=False") from None
        return sizes.feature_shape(body[:2], self.in_channels, self.input_size)[1:]


class Inception(nn.ModuleDict):
    """Paths side by side that leave maps of one size, joined over channels (figure 2b)."""

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W) → (N, sum of the paths' channels, H', W')``."""
        return torch.cat([path(x) for path in self.values()], dim=1)


def inception(
    c_in: int,
    c1: int,
    c3_reduce: int,
    c3: int,
    c5_reduce: int,
    c5: int,
    c_pool: int,
    kernel5: int,
    kind: Norm,
) -> Inception:
    """The module of figure 2b; the 1×1 convolutions before the large ones are there for cost."""
    return Inception(
        {
            "1x1": conv(c_in, c1, 1, kind),
            "3x3": chain(reduce=conv(c_in, c3_reduce, 1, kind), conv=conv(c3_reduce, c3, 3, kind)),
            "5x5": chain(
                reduce=conv(c_in, c5_reduce, 1, kind), conv=conv(c5_reduce, c5, kernel5, kind)
            ),
            "pool": chain(
                pool=nn.MaxPool2d(3, stride=1, padding=1), project=conv(c_in, c_pool, 1, kind)
            ),
        }
    )


def aux_head(
    c_in: int, num_classes: int, kind: Norm, side: tuple[int, ...] | None
) -> nn.Sequential:
    """The classifier of section 5 on a map of ``side``; None pools any map to 4×4."""
    pool = nn.AdaptiveAvgPool2d(4) if side is None else nn.AvgPool2d(5, stride=3)
    cells = 4 * 4 if side is None else ((side[0] - 5) // 3 + 1) * ((side[1] - 5) // 3 + 1)
    return chain(
        pool=pool,
        conv=conv(c_in, 128, 1, kind),
        flatten=nn.Flatten(),
        fc1=nn.Linear(128 * cells, 1024),
        relu=nn.ReLU(inplace=True),
        dropout=nn.Dropout(0.7),
        fc2=nn.Linear(1024, num_classes),
    )


def conv(c_in: int, c_out: int, kernel: int, kind: Norm, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the side but for its stride, normalisation, ReLU."""
    return chain(
        conv=nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=kind == "none"),
        norm=normalisation(kind, c_out),
        relu=nn.ReLU(inplace=True),
    )


def normalisation(kind: Norm, channels: int) -> nn.Module | None:
    """The atlas's, with the ε of the authors' own code (TF-slim) and torchvision's."""
    layer = norm(kind, channels)
    if isinstance(layer, nn.BatchNorm2d):
        layer.eps = 1e-3
    return layer


def halve(kernel: int, pool: Literal["ceil", "padding"]) -> nn.MaxPool2d:
    """Max pooling of stride 2 that takes 112 to 56."""
    if pool == "padding":
        return nn.MaxPool2d(kernel, stride=2, padding=1)
    return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)
