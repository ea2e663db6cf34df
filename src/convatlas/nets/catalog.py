"""The catalogue: every network by name, as data.

A row says what a network is and with which options its family's class builds it; `build.py` does
that. Nothing here imports torch, so the catalogue is listed and a name is checked at once.
Parameters and multiply-accumulates stand here as numbers so that they can be read without
building; a test builds each network and holds them to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from convatlas.errors import UnknownNameError
from convatlas.nets import papers
from convatlas.nets.papers import Paper


@dataclass(frozen=True)
class Row:
    """One network of the atlas.

    Attributes:
        name: what `build` and the command line call it.
        paper: where it comes from.
        idea: what is new about it, in a sentence.
        builder: ``"module.Class"`` inside ``convatlas.nets``.
        options: keyword arguments for the builder; the caller's go on top.
        params, macs: parameters, and multiply-accumulates of one picture, at the defaults below
            and without what only training needs.
        num_classes, in_channels, input_size: the defaults: those of the paper.
        deviations: how it differs from its paper; empty where it does not.
    """

    name: str
    paper: Paper
    idea: str
    builder: str
    params: int
    macs: int
    options: Mapping[str, Any] = field(default_factory=dict)
    num_classes: int = 1000
    in_channels: int = 3
    input_size: int = 224
    deviations: str = ""

    @property
    def family(self) -> str:
        """LeNet, AlexNet, VGG, NiN, GoogLeNet, ResNet or ResNeXt."""
        return self.paper.family

    @property
    def year(self) -> int:
        """Of the paper."""
        return self.paper.year


# ---------------------------------------------------------------------------------------- LeNet

_LENETS = (
    Row(
        "lenet5",
        papers.LENET,
        "share weights over the picture and halve the map as you go, and train it all at once",
        "lenet.LeNet5",
        60_850,
        326_520,
        num_classes=10,
        in_channels=1,
        input_size=32,
        deviations="a dense layer in place of the ten RBF units with their fixed 7×12 bitmaps",
    ),
    Row(
        "lenet_d2l",
        papers.LENET,
        "LeNet-5 without its historical parts: what its layers became",
        "lenet.LeNet",
        61_706,
        416_520,
        num_classes=10,
        in_channels=1,
        input_size=28,
        deviations="d2l's: sigmoid, plain average pooling, every map of C3 looks at all of S2, "
        "padding 2 in place of a 32×32 frame",
    ),
    Row(
        "lenet_bn",
        papers.LENET,
        "batch normalisation lets even sigmoids train at a learning rate of 1",
        "lenet.LeNet",
        44_878,
        281_640,
        {"padding": 0, "pool": "max", "norm": "batch"},
        num_classes=10,
        in_channels=1,
        input_size=28,
        deviations="the course's: batch normalisation before every sigmoid, max pooling, no "
        "padding, so that 16·4·4 numbers reach the dense layers",
    ),
)


# -------------------------------------------------------------------------------------- AlexNet

_ALEXNET_IDEA = "deep, wide and on two GPUs: ReLU, dropout and a million pictures make it train"

_ALEXNETS = (
    Row(
        "alexnet",
        papers.ALEXNET,
        _ALEXNET_IDEA,
        "alexnet.AlexNet",
        60_965_224,
        724_406_816,
        input_size=227,
        deviations="input 227: 224, as printed, does not give the paper's 55×55 maps",
    ),
    Row(
        "alexnet_owt",
        papers.ONE_WEIRD_TRICK,
        "one narrower tower without LRN",
        "alexnet.AlexNet",
        61_100_840,
        714_188_480,
        {
            "channels": (64, 192, 384, 256, 256),
            "towers": 1,
            "lrn": False,
            "padding": 2,
            "dropout_first": True,
            "init": "default",
        },
        deviations="torchvision's: padding 2 at 224, dropout before the dense layers; without its "
        "adaptive pool, which changes nothing at 224",
    ),
    Row(
        "alexnet_d2l",
        papers.ALEXNET,
        _ALEXNET_IDEA,
        "alexnet.AlexNet",
        46_764_746,
        938_146_176,
        {"towers": 1, "lrn": False, "padding": 1, "init": "xavier"},
        num_classes=10,
        in_channels=1,
        deviations="d2l's: one tower of full width, no LRN, padding 1 at 224, Xavier weights",
    ),
    Row(
        "alexnet_half",
        papers.ALEXNET,
        "one of AlexNet's two towers alone",
        "alexnet.AlexNet",
        16_630_440,
        311_191_824,
        {"width": 0.5, "towers": 1, "lrn": False, "padding": 2, "init": "kaiming"},
        deviations="one tower (48, 128, 192, 192, 128; 2048), no LRN, padding 2 at 224, Kaiming "
        "fan-out weights",
    ),
)


# ------------------------------------------------------------------------------------------ VGG

_CONV_ARCHS = {
    "A": ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)),
    "B": ((2, 64), (2, 128), (2, 256), (2, 512), (2, 512)),
    "C": ((2, 64), (2, 128), (3, 256, 1), (3, 512, 1), (3, 512, 1)),
    "D": ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    "E": ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)),
}
_VGG_IDEA = "nothing but 3×3 convolutions, stacked: two see what a 5×5 sees, three a 7×7, for less"


def _vgg(name: str, config: str, params: int, macs: int, bn: bool = False) -> Row:
    """A column of table 1."""
    return Row(
        name,
        papers.VGG,
        _VGG_IDEA,
        "vgg.VGG",
        params,
        macs,
        {"conv_arch": _CONV_ARCHS[config], "norm": "batch" if bn else "none"},
        deviations="batch normalisation before every ReLU, as torchvision's" if bn else "",
    )


_VGGS = (
    _vgg("vgg11", "A", 132_863_336, 7_609_090_048),
    _vgg("vgg11_bn", "A", 132_868_840, 7_609_090_048, bn=True),
    Row(
        "vgg11_lrn",
        papers.VGG,
        "VGG-11 with AlexNet's LRN, which the paper found useless",
        "vgg.VGG",
        132_863_336,
        7_609_090_048,
        {"conv_arch": _CONV_ARCHS["A"], "lrn": True},
    ),
    Row(
        "vgg11_d2l",
        papers.VGG,
        _VGG_IDEA,
        "vgg.VGG",
        43_093_322,
        512_155_648,
        {"conv_arch": _CONV_ARCHS["A"], "width": 0.25},
        num_classes=10,
        in_channels=1,
        deviations="the course's: convolutions a quarter as wide, dense layers as they were",
    ),
    Row(
        "vgg_fast",
        papers.VGG,
        _VGG_IDEA,
        "vgg.VGG",
        70_538,
        5_532_544,
        {
            "conv_arch": ((1, 16), (2, 32), (2, 64)),
            "norm": "batch",
            "pool_first": True,
            "head": "average",
        },
        num_classes=10,
        in_channels=1,
        input_size=28,
        deviations="ours, for a CPU: three narrow blocks, batch normalisation after the pool, "
        "global average pool in place of fc6 and fc7",
    ),
    Row(
        "vgg_sprint",
        papers.VGG,
        _VGG_IDEA,
        "vgg.VGG",
        290_682,
        11_685_152,
        {
            "conv_arch": ((1, 32), (2, 64), (2, 128), (1, 128)),
            "patches": True,
            "norm": "batch",
            "pool_first": True,
            "late": True,
            "head": "average",
        },
        num_classes=10,
        in_channels=1,
        input_size=28,
        deviations="ours, as vgg_fast but wider and behind a layer of 2×2 patches in Haar's basis, "
        "nearly whitened before it learns; blocks widen in their last convolution (Jordan 2024)",
    ),
    _vgg("vgg13", "B", 133_047_848, 11_308_466_176),
    _vgg("vgg13_bn", "B", 133_053_736, 11_308_466_176, bn=True),
    _vgg("vgg16", "D", 138_357_544, 15_470_264_320),
    _vgg("vgg16_bn", "D", 138_365_992, 15_470_264_320, bn=True),
    _vgg("vgg16_c", "C", 133_638_952, 11_770_888_192),
    _vgg("vgg16_c_bn", "C", 133_647_400, 11_770_888_192, bn=True),
    _vgg("vgg19", "E", 143_667_240, 19_632_062_464),
    _vgg("vgg19_bn", "E", 143_678_248, 19_632_062_464, bn=True),
)


# ------------------------------------------------------------------------------------------ NiN

_NIN_IDEA = "a small dense network at every pixel (1×1 convolutions), and no dense layer at the end"

_NINS = (
    Row(
        "nin",
        papers.NIN,
        _NIN_IDEA,
        "nin.NiN",
        7_595_176,
        1_100_188_800,
        deviations="its author's nin_imagenet of the Caffe zoo: the paper has no such network",
    ),
    Row(
        "nin_cifar",
        papers.NIN,
        _NIN_IDEA,
        "nin.NiN",
        966_986,
        222_486_528,
        {
            "blocks": (
                ((192, 160, 96), 5, 1, 2),
                ((192, 192, 192), 5, 1, 2),
                ((192, 192, None), 3, 1, 1),
            ),
            "pools": ("max", "average"),
            "dropout": "every",
        },
        num_classes=10,
        input_size=32,
        deviations="widths of its author's cifar10_nin file: the paper prints none",
    ),
    Row(
        "nin_d2l",
        papers.NIN,
        _NIN_IDEA,
        "nin.NiN",
        1_992_166,
        762_297_352,
        {
            "blocks": (
                ((96, 96, 96), 11, 4, 0),
                ((256, 256, 256), 5, 1, 2),
                ((384, 384, 384), 3, 1, 1),
                ((None, None, None), 3, 1, 1),
            ),
            "ceil_mode": False,
        },
        num_classes=10,
        in_channels=1,
        deviations="d2l's: the last block is as wide as there are classes, and pools round down",
    ),
)


# ------------------------------------------------------------------------------------ GoogLeNet

_INCEPTION_IDEA = "kernels of several sizes side by side, made affordable by 1×1 convolutions"

_GOOGLENETS = (
    Row(
        "googlenet",
        papers.GOOGLENET,
        _INCEPTION_IDEA,
        "googlenet.GoogLeNet",
        6_998_552,
        1_582_671_872,
    ),
    Row(
        "googlenet_bn",
        papers.GOOGLENET,
        _INCEPTION_IDEA,
        "googlenet.GoogLeNet",
        6_624_904,
        1_498_376_192,
        {
            "kernel5": 3,
            "norm": "batch",
            "lrn": False,
            "pool4": 2,
            "aux_pool": "adaptive",
            "dropout": 0.2,
        },
        deviations="torchvision's: batch normalisation, no LRN, 3×3 where the paper has 5×5, a 2×2 "
        "last pool, dropout 0.2; its transform_input is preprocessing (mean and deviation 0.5), "
        "not network",
    ),
    Row(
        "googlenet_d2l",
        papers.GOOGLENET,
        _INCEPTION_IDEA,
        "googlenet.GoogLeNet",
        5_977_530,
        276_066_304,
        {"lrn": False, "pool": "padding", "aux": False, "dropout": 0.0},
        num_classes=10,
        in_channels=1,
        input_size=96,
        deviations="d2l's: no auxiliary heads, no LRN, no dropout, padded pooling",
    ),
    Row(
        "bn_inception",
        papers.BN,
        "normalise every layer's input over the batch: training stands higher rates",
        "bn_inception.BNInception",
        11_188_288,
        1_934_857_216,
    ),
)


# ------------------------------------------------------------------------------ ResNet, ResNeXt

_IMAGENET_DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
_SHORTCUT_IDEA = "learn what to add to x: the shortcut carries signal and gradient past every block"
_PLAIN_IDEA = "the same layers without shortcuts, which train worse the deeper they are"
_V15 = "the bottleneck strides in its 3×3, as torchvision's; stride_in='1x1' is the paper"


def _resnet(depth: int, params: int, macs: int, plain: bool = False) -> Row:
    """A row of table 1: basic blocks up to 34 layers, bottlenecks from 50 on."""
    return Row(
        f"plain{depth}" if plain else f"resnet{depth}",
        papers.RESNET,
        _PLAIN_IDEA if plain else _SHORTCUT_IDEA,
        "resnet.ResNet",
        params,
        macs,
        {
            "depths": _IMAGENET_DEPTHS[depth],
            "bottleneck": depth >= 50,
            "shortcut": "none" if plain else "B",
        },
        deviations=_V15 if depth >= 50 else "",
    )


def _resnet_cifar(depth: int, params: int, macs: int, plain: bool = False) -> Row:
    """Section 4.2: 6n + 2 layers in three stages of 16, 32 and 64 channels."""
    return Row(
        f"plain{depth}" if plain else f"resnet{depth}",
        papers.RESNET,
        _PLAIN_IDEA
        if plain
        else "the residual idea on 32×32 pictures, with shortcuts that cost no weight",
        "resnet.ResNet",
        params,
        macs,
        {
            "depths": ((depth - 2) // 6,) * 3,
            "width": 16,
            "stem": "cifar",
            "shortcut": "none" if plain else "A",
        },
        num_classes=10,
        input_size=32,
    )


def _resnext(name: str, depth: int, groups: int, group_width: int, params: int, macs: int) -> Row:
    return Row(
        name,
        papers.RESNEXT,
        "many narrow paths in a block: the 3×3 is grouped, and cardinality is a new dimension",
        "resnet.ResNet",
        params,
        macs,
        {
            "depths": _IMAGENET_DEPTHS[depth],
            "bottleneck": True,
            "groups": groups,
            "group_width": group_width,
        },
    )


_ROWS = (
    *_LENETS,
    *_ALEXNETS,
    *_VGGS,
    *_NINS,
    *_GOOGLENETS,
    _resnet(18, 11_689_512, 1_814_073_344),
    _resnet(34, 21_797_672, 3_663_761_408),
    _resnet(50, 25_557_032, 4_089_184_256),
    _resnet(101, 44_549_160, 7_801_405_440),
    _resnet(152, 60_192_808, 11_513_626_624),
    _resnet(18, 11_515_688, 1_794_805_760, plain=True),
    _resnet(34, 21_623_848, 3_644_493_824, plain=True),
    _resnet(50, 22_780_456, 3_729_522_688, plain=True),
    _resnet(101, 41_772_584, 7_441_743_872, plain=True),
    _resnet(152, 57_416_232, 11_153_965_056, plain=True),
    _resnet_cifar(20, 269_722, 40_551_040),
    _resnet_cifar(32, 464_154, 68_862_592),
    _resnet_cifar(44, 658_586, 97_174_144),
    _resnet_cifar(56, 853_018, 125_485_696),
    _resnet_cifar(110, 1_727_962, 252_887_680),
    _resnet_cifar(1202, 19_421_274, 2_829_238_912),
    _resnet_cifar(20, 269_722, 40_551_040, plain=True),
    _resnet_cifar(32, 464_154, 68_862_592, plain=True),
    _resnet_cifar(44, 658_586, 97_174_144, plain=True),
    _resnet_cifar(56, 853_018, 125_485_696, plain=True),
    _resnet_cifar(110, 1_727_962, 252_887_680, plain=True),
    _resnet_cifar(1202, 19_421_274, 2_829_238_912, plain=True),
    Row(
        "wide_resnet50_2",
        papers.WIDE,
        "wider rather than deeper: the 3×3 of every bottleneck twice as wide",
        "resnet.ResNet",
        68_883_240,
        11_398_021_120,
        {"depths": _IMAGENET_DEPTHS[50], "bottleneck": True, "group_width": 128},
        deviations=_V15,
    ),
    Row(
        "resnet18_d2l",
        papers.RESNET,
        _SHORTCUT_IDEA,
        "resnet.ResNet",
        11_178_378,
        318_657_536,
        {"bias": True, "shortcut_norm": False},
        num_classes=10,
        in_channels=1,
        input_size=96,
        deviations="d2l's: biases in the convolutions, no normalisation after the shortcut's 1×1",
    ),
    _resnext("resnext50_32x4d", 50, 32, 4, 25_028_904, 4_230_479_872),
    _resnext("resnext101_32x8d", 101, 32, 8, 88_791_336, 16_414_015_488),
    _resnext("resnext101_64x4d", 101, 64, 4, 83_455_272, 15_460_270_080),
    Row(
        "resnext29_8x64d",
        papers.RESNEXT,
        "cardinality on 32×32 pictures: three stages of bottlenecks with eight groups",
        "resnet.ResNet",
        34_426_698,
        5_387_266_048,
        {
            "depths": (3, 3, 3),
            "bottleneck": True,
            "groups": 8,
            "group_width": 64,
            "stem": "cifar",
        },
        num_classes=10,
        input_size=32,
    ),
)

CATALOG: dict[str, Row] = {row.name: row for row in _ROWS}


def find(name: str) -> Row:
    """The row of that name.

    Raises:
        UnknownNameError: there is none; the nearest names are offered.
    """
    if name not in CATALOG:
        raise UnknownNameError("network", name, CATALOG)
    return CATALOG[name]
