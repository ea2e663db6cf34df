"""The numbers that the papers print."""

from __future__ import annotations

from typing import Any

import pytest

from convatlas.train import recipe

PRINTED: dict[str, dict[str, Any]] = {
    "lenet5": {"epochs": 20, "batch_size": 1, "lr": 0.025, "momentum": 0, "flip": False},
    "alexnet": {
        "optimizer": "alexnet",
        "epochs": 90,
        "batch_size": 128,
        "lr": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "crop": "random",
        "resize": 256,
        "flip": True,
        "colour": 0.1,
    },
    "alexnet_owt": {"optimizer": "alexnet", "epochs": 90, "batch_size": 128, "lr": 0.01},
    "vgg16": {
        "optimizer": "sgd",
        "epochs": 74,
        "batch_size": 256,
        "lr": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "crop": "random",
        "resize": 256,
        "colour": 0.1,
    },
    "nin": {"steps": 450_000, "batch_size": 64, "lr": 0.01, "weight_decay": 5e-4},
    "nin_cifar": {"steps": 120_000, "batch_size": 128, "lr": 0.1, "weight_decay": 1e-4, "shift": 4},
    "googlenet": {"steps": 31_000_000, "batch_size": 32, "lr": 0.0015, "crop": "resized"},
    "bn_inception": {"steps": 2_100_000, "batch_size": 32, "lr": 0.0075, "crop": "resized"},
    "resnet50": {
        "epochs": 120,
        "batch_size": 256,
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "drops": ((0.25, 0.1), (0.5, 0.01)),
        "crop": "random",
        "colour": 0.1,
    },
    "resnet20": {
        "steps": 64_000,
        "batch_size": 128,
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 1e-4,
        "drops": ((0.5, 0.1), (0.75, 0.01)),  # 32,000 and 48,000
        "shift": 4,
        "flip": True,
        "warmup": None,
    },
    "resnet110": {"steps": 64_000, "warmup": 400 / 64_000},
    "plain56": {"steps": 64_000, "lr": 0.1},
    "resnext50_32x4d": {"batch_size": 256, "lr": 0.1, "weight_decay": 1e-4, "crop": "resized"},
    "wide_resnet50_2": {"batch_size": 256, "lr": 0.1, "weight_decay": 1e-4, "crop": "resized"},
    "resnext29_8x64d": {
        "epochs": 300,
        "steps": None,
        "batch_size": 128,
        "lr": 0.1,
        "weight_decay": 5e-4,
        "drops": ((0.5, 0.1), (0.75, 0.01)),  # epochs 150 and 225
        "shift": 4,
    },
}


@pytest.mark.parametrize("net", PRINTED)
def test_what_is_printed(net: str) -> None:
    made = recipe("paper", net)
    assert {name: getattr(made, name) for name in PRINTED[net]} == PRINTED[net]


def rates(net: str) -> list[float]:
    made = recipe("paper", net)
    assert made.lr is not None
    return [made.lr, *(made.lr * share for _, share in made.drops)]


def test_lenets_five_rates() -> None:
    """.0005 for two passes, .0002 for three, .0001 for three, .00005 for four, .00001; by μ."""
    printed = [0.0005, 0.0002, 0.0001, 0.00005, 0.00001]
    assert rates("lenet5") == pytest.approx([rate / 0.02 for rate in printed], rel=1e-12)
    starts = [start * 20 for start, _ in recipe("paper", "lenet5").drops]
    assert starts == pytest.approx([2, 2 + 3, 2 + 3 + 3, 2 + 3 + 3 + 4])


def test_three_drops_by_ten() -> None:
    for net in ("alexnet", "vgg16"):
        assert rates(net) == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5], rel=1e-12)


def test_one_weird_tricks_last_quarter_is_at_a_250th() -> None:
    assert rates("alexnet_owt")[-1] == pytest.approx(0.01 / 250, rel=1e-12)


def test_inceptions_rate_falls_by_four_percent_every_eight_epochs() -> None:
    """And that of BN-x5 six times as often: 1,281,167 training pictures, 32 a step."""
    for net, often in (("googlenet", 1), ("bn_inception", 6)):
        made = recipe("paper", net)
        assert made.steps is not None
        eights = made.steps * 32 / 1_281_167 / 8
        assert made.final == pytest.approx(0.96 ** (often * eights), rel=1e-12)
        assert made.schedule == "exponential"
