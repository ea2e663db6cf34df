"""What the pictures look at: scikit-learn's photograph and digits, so nothing is downloaded."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits, load_sample_image
from torch import Tensor

from convatlas import ops

#: rows and columns of the tower
_TOWER = slice(24, 264), slice(88, 328)


def china() -> Tensor:
    """A Chinese tower, ``(3, 427, 640)``, in [0, 1]."""
    photograph: Tensor = torch.from_numpy(load_sample_image("china.jpg").copy()) / 255
    return photograph.permute(2, 0, 1)


def tower() -> Tensor:
    """The tower alone in a quarter of the size, ``(3, 60, 60)``."""
    return ops.avg_pool2d(china()[:, *_TOWER], 4)


def digit(index: int = 0) -> Tensor:
    """A handwritten digit, ``(1, 8, 8)``, ink from 0 to 16."""
    return torch.from_numpy(load_digits().images[index]).float()[None]
