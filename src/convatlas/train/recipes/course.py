"""The course's and d2l's own runs: plain SGD, and nothing to help it."""

from __future__ import annotations

from dataclasses import replace

from convatlas.errors import ConfigError
from convatlas.nets.catalog import Row
from convatlas.train.config import Config

_PLAIN = Config(optimizer="sgd", momentum=0.0, weight_decay=0.0, schedule="constant", init="xavier")
# learning rate, batch and side of a family's notebook; its test accuracy on Fashion-MNIST
_NOTEBOOKS = {
    "LeNet": (0.9, 256, 28),
    "AlexNet": (0.01, 128, 224),  # 88.3 %
    "VGG": (0.05, 128, 224),  # 92.0 %, with a quarter of the width
    "NiN": (0.1, 128, 224),  # 79.0 %
    "GoogLeNet": (0.1, 128, 96),  # 88.6 %
    "ResNet": (0.05, 256, 96),  # 89.3 %
}


def course() -> Config:
    """The course's own loop (d2l, chapter on VGG): plain SGD at .05, Xavier, 5 epochs."""
    return replace(_PLAIN, recipe="course", epochs=5, batch_size=128, lr=0.05, size="paper")


def d2l(row: Row) -> Config:
    """A family's notebook in d2l: 10 epochs of plain SGD from Xavier weights.

    Zhang, Lipton, Li and Smola, "Dive into Deep Learning", chapters 7 and 8 of the PyTorch edition.
    On Fashion-MNIST its notebooks print the accuracies in the table above, BN-LeNet's 70.8 %
    (80.7 % with its layers from scratch).

    Raises:
        ConfigError: d2l has no notebook that trains this family.
    """
    if row.family not in _NOTEBOOKS:
        raise ConfigError(
            f"d2l trains no {row.family}, so that there is no recipe d2l for {row.name}: choose "
            "paper or fast"
        )
    lr, batch_size, size = (1.0, 256, 28) if row.name == "lenet_bn" else _NOTEBOOKS[row.family]
    return replace(_PLAIN, recipe="d2l", epochs=10, batch_size=batch_size, lr=lr, size=size)
