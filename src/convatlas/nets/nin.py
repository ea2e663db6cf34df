"""Network in Network: 1×1 convolutions between the spatial ones, and no dense layer at all.

Paper: Lin, Chen and Yan, "Network In Network" (2013), sections 3.1 (mlpconv) and 3.2 (global
average pooling). The paper prints no table of its networks: the reference is its author's files
in the Caffe model zoo, ``nin_imagenet`` and ``cifar10_nin``, whose pools round up.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from convatlas.errors import ConfigError
from convatlas.nets.parts import Net, chain, global_average_pool, init_kaiming

#: output channels of the spatial convolution and of its two 1×1, then kernel, stride, padding;
#: None stands for ``num_classes``
Mlpconv = tuple[tuple[int | None, int | None, int | None], int, int, int]
Pool = Literal["max", "average"]


class NiN(Net):
    """Mlpconv blocks with pools between them, then one average a class.

    Args:
        blocks: the mlpconv layers, as :data:`Mlpconv`; the last ends in ``num_classes`` channels.
        pools: the 3×3 pool of stride 2 after each block but the last.
        ceil_mode: pools round up (Caffe's) rather than down (PyTorch's).
        dropout: of .5 after ``"every"`` pool, or after the ``"last"`` alone.

    Raises:
        ConfigError: a last block that does not end in ``num_classes`` channels, or another number
            of pools than the gaps between the blocks.
    """

    def __init__(
        self,
        *,
        blocks: tuple[Mlpconv, ...] = (
            ((96, 96, 96), 11, 4, 0),
            ((256, 256, 256), 5, 1, 2),
            ((384, 384, 384), 3, 1, 1),
            ((1024, 1024, None), 3, 1, 1),
        ),
        pools: tuple[Pool, ...] = ("max", "max", "max"),
        ceil_mode: bool = True,
        dropout: Literal["every", "last"] = "last",
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int = 224,
    ) -> None:
        super().__init__(num_classes, in_channels, input_size)
        if len(pools) != len(blocks) - 1:
            raise ConfigError(f"{len(pools)} pools do not fit between {len(blocks)} blocks")
        if blocks[-1][0][-1] not in (None, num_classes):
            raise ConfigError(f"the last block must end in None (num_classes), not {blocks[-1][0]}")
        self.stem = nn.Sequential()
        self.stages = nn.Sequential()
        c_in = in_channels
        for i, (widths, kernel, stride, padding) in enumerate(blocks):
            channels = [num_classes if width is None else width for width in widths]
            block = nin_block(c_in, channels, kernel, stride, padding)
            if i < len(pools):
                kind = nn.MaxPool2d if pools[i] == "max" else nn.AvgPool2d
                block.add_module("pool", kind(3, stride=2, ceil_mode=ceil_mode))
                if dropout == "every" or i == len(pools) - 1:
                    block.add_module("drop", nn.Dropout())
            self.stages.add_module(f"mlpconv{i + 1}", block)
            c_in = channels[-1]
        self.head = global_average_pool()
        self.apply(init_kaiming)


def nin_block(
    c_in: int, channels: list[int], kernel: int, stride: int = 1, padding: int = 0
) -> nn.Sequential:
    """An mlpconv: a convolution, then two dense layers on every pixel, that is two 1×1.

    ``(N, c_in, H, W) → (N, channels[2], H', W')``, where the first convolution alone decides H'.
    """
    spatial, first, second = channels
    return chain(
        conv=nn.Conv2d(c_in, spatial, kernel, stride, padding),
        relu=nn.ReLU(inplace=True),
        cccp1=nn.Conv2d(spatial, first, 1),
        relu1=nn.ReLU(inplace=True),
        cccp2=nn.Conv2d(first, second, 1),
        relu2=nn.ReLU(inplace=True),
    )
