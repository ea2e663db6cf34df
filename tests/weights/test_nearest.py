from __future__ import annotations

import pytest
import torch
from torch import Tensor

from convatlas.nets.build import build
from convatlas.weights.nearest import likeness, nearest

ON_META = torch.device("meta")


def weights(name: str, **options: object) -> dict[str, Tensor]:
    with ON_META:
        return build(name, **options).state_dict()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "lenet5",
        "alexnet_owt",
        "vgg16_c",
        "vgg16_bn",
        "nin",
        "googlenet",
        "googlenet_bn",
        "resnet18",
        "resnet56",
        "resnet152",
        "wide_resnet50_2",
        "resnext50_32x4d",
    ],
)
def test_it_is_recognised_with_another_number_of_classes(name: str) -> None:
    found, share = nearest(weights(name, num_classes=7))
    assert found == name
    kernels = [n for n, t in weights(name).items() if t.dim() > 1 and not n.startswith("aux.")]
    assert share == pytest.approx(1 - 1 / len(kernels))


def test_likeness_counts_multisets_of_kernels() -> None:
    a = {"a": torch.empty(2, 3), "b": torch.empty(2, 3), "c": torch.empty(5)}
    b = {"x": torch.empty(2, 3), "y": torch.empty(5), "z": torch.empty(7, 1)}
    assert likeness(a, b) == likeness(b, a) == pytest.approx(2 * 1 / 4)
    assert likeness(a, a) == 1
    assert likeness(a, {}) == likeness({}, {}) == 0
