"""BN-Inception: GoogLeNet's successor, with batch normalisation before every ReLU.

Paper: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
Internal Covariate Shift" (2015), appendix and its table ("Inception architecture", figure 5).
"""

from __future__ import annotations

from torch import nn

from convatlas.nets.googlenet import Inception, conv, halve, normalisation
from convatlas.nets.parts import Net, Norm, chain, global_average_pool, init_kaiming

#: The table: channels of 1×1, 3×3 reduce, 3×3, double 3×3 reduce, double 3×3; kind of the pool,
#: and its projection. Without 1×1 and projection a module strides by 2 and passes its input on.
INCEPTIONS = {
    "3a": (64, 64, 64, 64, 96, "avg", 32),
    "3b": (64, 64, 96, 64, 96, "avg", 64),
    "3c": (0, 128, 160, 64, 96, "max", 0),
    "4a": (224, 64, 96, 96, 128, "avg", 128),
    "4b": (192, 96, 128, 96, 128, "avg", 128),
    "4c": (160, 128, 160, 128, 160, "avg", 96),
    "4d": (96, 128, 192, 160, 192, "avg", 96),
    "4e": (0, 128, 192, 192, 256, "max", 0),
    "5a": (352, 192, 320, 160, 224, "avg", 128),
    "5b": (352, 192, 320, 192, 224, "max", 128),
}


class BNInception(Net):
    """Ten Inception modules whose 5×5 is two 3×3; 3c and 4e halve the side themselves.

    The table gives 3c and 4e the side of their input; they leave half of it. Its depth of 576 after
    4c and 4d holds with a pool projection of 96, as in the authors' TF-slim network; a Caffe port
    that has 128 there leaves 608.

    Args:
        separable: conv1 as a 7×7 on each channel by itself (8 maps each), then a 1×1: "separable
            convolution with depth multiplier 8 on the first convolutional layer".
        norm: normalisation before each ReLU; ``"none"`` has biases instead.
        dropout: probability before the dense layer. The paper removes it, as it does LRN.
    """

    def __init__(
        self,
        *,
        separable: bool = True,
        norm: Norm = "batch",
        dropout: float = 0.0,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int = 224,
    ) -> None:
        super().__init__(num_classes, in_channels, input_size)
        first = separable_conv if separable else conv
        self.stem = chain(
            conv1=first(in_channels, 64, 7, norm, stride=2),
            pool1=halve(3, "ceil"),
            conv2_reduce=conv(64, 64, 1, norm),
            conv2=conv(64, 192, 3, norm),
            pool2=halve(3, "ceil"),
        )
        self.stages = nn.Sequential()
        channels = 192
        for name, (c1, c3_reduce, c3, c33_reduce, c33, pool, c_pool) in INCEPTIONS.items():
            module = inception(channels, c1, c3_reduce, c3, c33_reduce, c33, pool, c_pool, norm)
            self.stages.add_module(name, module)
            channels = c1 + c3 + c33 + (c_pool or channels)
        self.head = chain(
            pool=global_average_pool(),
            dropout=nn.Dropout(dropout) if dropout else None,
            fc=nn.Linear(channels, num_classes),
        )
        self.apply(init_kaiming)


def inception(
    c_in: int,
    c1: int,
    c3_reduce: int,
    c3: int,
    c33_reduce: int,
    c33: int,
    pool: str,
    c_pool: int,
    kind: Norm,
) -> Inception:
    """A row of the table."""
    stride = 1 if c1 else 2
    paths: dict[str, nn.Module] = {"1x1": conv(c_in, c1, 1, kind)} if c1 else {}
    paths["3x3"] = chain(
        reduce=conv(c_in, c3_reduce, 1, kind), conv=conv(c3_reduce, c3, 3, kind, stride)
    )
    paths["double3x3"] = chain(
        reduce=conv(c_in, c33_reduce, 1, kind),
        conv1=conv(c33_reduce, c33, 3, kind),
        conv2=conv(c33, c33, 3, kind, stride),
    )
    window = nn.AvgPool2d if pool == "avg" else nn.MaxPool2d
    paths["pool"] = chain(
        pool=window(3, stride=stride, padding=1),
        project=conv(c_in, c_pool, 1, kind) if c_pool else None,
    )
    return Inception(paths)


def separable_conv(
    c_in: int, c_out: int, kernel: int, kind: Norm, stride: int = 1
) -> nn.Sequential:
    """Each channel by itself, then all of them at each pixel; normalised once, at the end."""
    c = 8 * c_in
    return chain(
        depthwise=nn.Conv2d(c_in, c, kernel, stride, kernel // 2, groups=c_in, bias=False),
        pointwise=nn.Conv2d(c, c_out, 1, bias=kind == "none"),
        norm=normalisation(kind, c_out),
        relu=nn.ReLU(inplace=True),
    )
