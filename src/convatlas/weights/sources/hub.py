"""timm's files on the Hugging Face hub, of which neither size nor hash is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

from convatlas.weights.sources import torchvision
from convatlas.weights.sources.row import HALF, Pretrained


@dataclass(frozen=True)
class _Recipe:
    """What the files of a tag have in common; ``crop_pct`` is 224 over the resized side."""

    crop_pct: float
    interpolation: str
    licence: str
    citation: str


_TIMM = "Wightman, PyTorch Image Models, https://github.com/huggingface/pytorch-image-models (2019)"
_RSB = "Wightman, Touvron, Jégou, “ResNet strikes back”, arXiv:2110.00476 (2021)"
_GLUON = "He et al., “Bag of tricks for image classification …”, arXiv:1812.01187 (2018)"
_BILLION = "Yalniz et al., “Billion-scale semi-supervised learning …”, arXiv:1905.00546 (2019)"
_WSL = "Mahajan et al., “Exploring the limits of weakly supervised …”, arXiv:1805.00932 (2018)"

_STRIKES_BACK = _Recipe(0.95, "bicubic", "Apache-2.0", _RSB)
_EARLIER = _Recipe(0.875, "bicubic", "Apache-2.0", _TIMM)
_RECIPES = {
    **dict.fromkeys(("a1", "a1h", "a2", "a3", "b1k", "b2k", "c1", "c2", "d"), _STRIKES_BACK),
    **dict.fromkeys(("am", "bt", "ra", "racm", "ram"), _EARLIER),
    "ra4_e3600_r224": replace(_EARLIER, crop_pct=0.9),
    "gluon": replace(_EARLIER, citation=_GLUON),
    "tv": _Recipe(0.875, "bilinear", "BSD-3-Clause", torchvision.PROJECT),
    "tv2": _Recipe(0.965, "bilinear", "BSD-3-Clause", torchvision.PROJECT),
    "fb_ssl_yfcc100m_ft": _Recipe(0.875, "bilinear", "CC-BY-NC-4.0", _BILLION),
    "fb_swsl_ig1b_ft": _Recipe(0.875, "bilinear", "CC-BY-NC-4.0", _BILLION),
    "fb_wsl_ig1b_ft": _Recipe(0.875, "bilinear", "CC-BY-NC-4.0", _WSL),
}

#: Top-1 at an input of 224, by network and tag (without its ``_in1k``), with that interpolation.
#: Sources: the tags are those of timm 1.0's ``default_cfgs`` but ``resnet50.bamboo``, which has
#: neither a head nor a licence; the accuracies are of its results/results-imagenet.csv.
_TOP1 = {
    "vgg11": {"tv": 69.050},
    "vgg11_bn": {"tv": 70.374},
    "vgg13": {"tv": 69.950},
    "vgg13_bn": {"tv": 71.560},
    "vgg16": {"tv": 71.594},
    "vgg16_bn": {"tv": 73.354},
    "vgg19": {"tv": 72.400},
    "vgg19_bn": {"tv": 74.230},
    "resnet18": {
        "tv": 69.752,
        "gluon": 70.844,
        "a1": 71.504,
        "a2": 70.634,
        "a3": 68.250,
        "fb_ssl_yfcc100m_ft": 72.636,
        "fb_swsl_ig1b_ft": 73.286,
    },
    "resnet34": {
        "tv": 73.298,
        "gluon": 74.574,
        "a1": 76.420,
        "a2": 75.520,
        "a3": 72.996,
        "bt": 75.176,
        "ra4_e3600_r224": 77.492,
    },
    "resnet50": {
        "tv": 76.156,
        "tv2": 80.846,
        "gluon": 77.580,
        "a1": 80.382,
        "a1h": 80.654,
        "a2": 79.828,
        "a3": 78.052,
        "b1k": 79.564,
        "b2k": 79.388,
        "c1": 79.766,
        "c2": 79.868,
        "d": 79.904,
        "am": 79.004,
        "bt": 78.444,
        "ra": 78.820,
        "ram": 79.034,
        "fb_ssl_yfcc100m_ft": 79.252,
        "fb_swsl_ig1b_ft": 81.146,
    },
    "resnet101": {
        "tv": 77.404,
        "tv2": 81.906,
        "gluon": 79.306,
        "a1": 81.494,
        "a1h": 81.950,
        "a2": 81.344,
        "a3": 79.836,
    },
    "resnet152": {
        "tv": 78.330,
        "tv2": 82.294,
        "gluon": 79.712,
        "a1": 81.998,
        "a1h": 82.818,
        "a2": 81.764,
        "a3": 80.548,
    },
    "wide_resnet50_2": {"tv": 78.486, "tv2": 81.612, "racm": 81.466},
    "resnext50_32x4d": {
        "tv": 77.632,
        "tv2": 81.190,
        "gluon": 79.354,
        "a1": 80.526,
        "a1h": 81.140,
        "a2": 80.444,
        "a3": 79.258,
        "ra": 79.800,
        "fb_ssl_yfcc100m_ft": 80.316,
        "fb_swsl_ig1b_ft": 82.162,
    },
    "resnext101_32x8d": {
        "tv": 79.308,
        "tv2": 82.832,
        "fb_ssl_yfcc100m_ft": 81.620,
        "fb_swsl_ig1b_ft": 84.276,
        "fb_wsl_ig1b_ft": 82.720,
    },
    "resnext101_64x4d": {"tv": 82.978, "gluon": 80.640, "c1": 82.446},
}


def _row(net: str, tag: str, top1: float) -> Pretrained:
    recipe = _RECIPES[tag]
    name = f"{net}.{tag}_in1k"
    # trained on 176 pixels, as no other of its paper
    crop_pct = 1.0 if name == "resnet50.a1h_in1k" else recipe.crop_pct
    row = Pretrained(
        id=name,
        net=net,
        url=f"https://huggingface.co/timm/{name}/resolve/main/model.safetensors",
        sha256="",
        size=None,
        top1=top1,
        resize=int(224 / crop_pct),
        crop=224,
        licence=recipe.licence,
        citation=recipe.citation,
        interpolation=recipe.interpolation,
        non_commercial=recipe.licence == "CC-BY-NC-4.0",
    )
    return replace(row, mean=HALF, std=HALF) if tag.startswith("ra4_") else row


ROWS = tuple(_row(net, tag, top1) for net, tags in _TOP1.items() for tag, top1 in tags.items())
