"""Every recipe trains: its settings go together, and with the networks that they are for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import convatlas as ca
from convatlas.data import Dataset, ImageSet
from convatlas.train import fit, recipe
from convatlas.train.size import build_for

CASES = [
    *(("paper", net) for net in ("lenet5", "alexnet_half", "nin_cifar", "resnet20", "resnet18")),
    *(("d2l", net) for net in ("lenet_d2l", "nin_d2l", "googlenet_d2l")),
    ("torchvision-v1", "resnet18"),
    ("torchvision-v2", "resnet18"),
    ("course", "lenet_bn"),
    ("fast", "vgg_fast"),
    ("sprint", "vgg_fast"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "net"), CASES)
def test_two_steps(name: str, net: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = recipe(name, net)
    channels = 3 if config.colour else ca.nets.catalog.find(net).in_channels
    pixels = torch.randint(0, 256, (8, channels, 40, 40), dtype=torch.uint8)
    images = ImageSet("noise", pixels, torch.arange(8) % 2, ("a", "b"))
    few = {"batch_size": 4, "steps": 2, "precision": "float32", "layout": "channels-last"}
    few |= {"lr": 1e-3}  # its own is for batches of more than four
    data = Dataset("noise", images, images)
    network = build_for(net, data, config)
    before = [p.detach().clone() for p in network.parameters()]
    run = fit(
        network,
        data,
        recipe=config,
        out=tmp_path / "run",
        checkpoint_seconds=1e6,
        quiet=True,
        **few,
    )
    (row,) = run.history
    assert row["step"] == 2
    assert 0 < row["train_loss"] < 100
    moved = [not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)]
    assert sum(moved) > 0.8 * len(moved)  # some units of noise are dead
