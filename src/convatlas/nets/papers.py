"""The papers that the families come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """Where a family comes from."""

    family: str
    title: str
    authors: str
    year: int
    url: str


LENET = Paper(
    "LeNet",
    "Gradient-Based Learning Applied to Document Recognition",
    "LeCun, Bottou, Bengio, Haffner",
    1998,
    "http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf",
)
ALEXNET = Paper(
    "AlexNet",
    "ImageNet Classification with Deep Convolutional Neural Networks",
    "Krizhevsky, Sutskever, Hinton",
    2012,
    "https://papers.nips.cc/paper/4824",
)
ONE_WEIRD_TRICK = Paper(
    "AlexNet",
    "One weird trick for parallelizing convolutional neural networks",
    "Krizhevsky",
    2014,
    "https://arxiv.org/abs/1404.5997",
)
VGG = Paper(
    "VGG",
    "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    "Simonyan, Zisserman",
    2014,
    "https://arxiv.org/abs/1409.1556",
)
NIN = Paper(
    "NiN",
    "Network In Network",
    "Lin, Chen, Yan",
    2013,
    "https://arxiv.org/abs/1312.4400",
)
GOOGLENET = Paper(
    "GoogLeNet",
    "Going Deeper with Convolutions",
    "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich",
    2014,
    "https://arxiv.org/abs/1409.4842",
)
BN = Paper(
    "GoogLeNet",
    "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
    "Ioffe, Szegedy",
    2015,
    "https://arxiv.org/abs/1502.03167",
)
RESNET = Paper(
    "ResNet",
    "Deep Residual Learning for Image Recognition",
    "He, Zhang, Ren, Sun",
    2015,
    "https://arxiv.org/abs/1512.03385",
)
WIDE = Paper(
    "ResNet",
    "Wide Residual Networks",
    "Zagoruyko, Komodakis",
    2016,
    "https://arxiv.org/abs/1605.07146",
)
RESNEXT = Paper(
    "ResNeXt",
    "Aggregated Residual Transformations for Deep Neural Networks",
    "Xie, Girshick, Dollár, Tu, He",
    2017,
    "https://arxiv.org/abs/1611.05431",
)
