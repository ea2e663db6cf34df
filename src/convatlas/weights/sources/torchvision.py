"""torchvision's files, whose names carry the first digits of their hash."""

from __future__ import annotations

from dataclasses import replace

from convatlas.weights.sources.row import HALF, Pretrained

#: net, version, first digits of the sha-256, resize, top-1, MiB (wide_resnet50_2's first is in half
#: precision). Source: torchvision's enumerations of weights (``*_Weights``).
_FILES = (
    ("alexnet_owt", 1, "7be5be79", 256, 56.522, 233.087),
    ("vgg11", 1, "8a719046", 256, 69.020, 506.840),
    ("vgg11_bn", 1, "6002323d", 256, 70.370, 506.881),
    ("vgg13", 1, "19584684", 256, 69.928, 507.545),
    ("vgg13_bn", 1, "abd245e5", 256, 71.586, 507.590),
    ("vgg16", 1, "397923af", 256, 71.592, 527.796),
    ("vgg16_bn", 1, "6c64b313", 256, 73.360, 527.866),
    ("vgg19", 1, "dcbb9e9d", 256, 72.376, 548.051),
    ("vgg19_bn", 1, "c79401a0", 256, 74.218, 548.143),
    ("googlenet_bn", 1, "1378be20", 256, 69.778, 49.731),
    ("resnet18", 1, "f37072fd", 256, 69.758, 44.661),
    ("resnet34", 1, "b627a593", 256, 73.314, 83.275),
    ("resnet50", 1, "0676ba61", 256, 76.130, 97.781),
    ("resnet50", 2, "11ad3fa6", 232, 80.858, 97.790),
    ("resnet101", 1, "63fe2227", 256, 77.374, 170.511),
    ("resnet101", 2, "cd907fc2", 232, 81.886, 170.530),
    ("resnet152", 1, "394f9c45", 256, 78.312, 230.434),
    ("resnet152", 2, "f82ba261", 232, 82.284, 230.474),
    ("wide_resnet50_2", 1, "95faca4d", 256, 78.468, 131.820),
    ("wide_resnet50_2", 2, "9ba9bcbe", 232, 81.602, 263.124),
    ("resnext50_32x4d", 1, "7cdf4587", 256, 77.618, 95.789),
    ("resnext50_32x4d", 2, "1a0047aa", 232, 81.198, 95.833),
    ("resnext101_32x8d", 1, "8ba56ff5", 256, 79.312, 339.586),
    ("resnext101_32x8d", 2, "110c445d", 232, 82.834, 339.673),
    ("resnext101_64x4d", 1, "173b62eb", 232, 83.246, 319.318),
)
#: What torchvision calls a network where the atlas has another name, because it is not the paper's.
_THEIR_NAMES = {"alexnet_owt": "alexnet-owt", "googlenet_bn": "googlenet"}
PROJECT = "TorchVision, https://github.com/pytorch/vision (2016)"


def _row(net: str, version: int, sha256: str, resize: int, top1: float, mib: float) -> Pretrained:
    row = Pretrained(
        id=f"{net}.tv_v{version}",
        net=net,
        url=f"https://download.pytorch.org/models/{_THEIR_NAMES.get(net, net)}-{sha256}.pth",
        sha256=sha256,
        size=round(mib * 2**20),
        top1=top1,
        resize=resize,
        crop=224,
        licence="BSD-3-Clause",
        citation=PROJECT,
    )
    if net == "googlenet_bn":
        # Google's own weights: their pictures are in [-1, 1] (torchvision's transform_input), and
        # the auxiliary heads in the file were never trained
        return replace(row, mean=HALF, std=HALF, options={"aux": False})
    return row


ROWS = tuple(_row(*file) for file in _FILES)
