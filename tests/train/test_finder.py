from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from convatlas.data import Dataset, ImageSet
from convatlas.errors import TrainingError
from convatlas.nets.build import build
from convatlas.train import Config
from convatlas.train.finder import HIGH, LOW, STEPS, Sweep, find_rate
from convatlas.train.prepare import prepare

Make = Callable[[], nn.Sequential]
PLAIN = Config(
    optimizer="sgd",
    momentum=0.0,
    weight_decay=0.0,
    batch_size=96,
    epochs=1,
    precision="float32",
    layout="contiguous",
)


class Bowl(nn.Module):
    """It answers ``scale · w`` for the odds of tails, whatever it sees.

    Where half of the pictures are heads, the loss is lowest at w = 0, where it is log 2 and curved
    by scale²/4: gradient descent is stable up to a rate of 8/scale² and no further. A small push
    to and fro, as batches give it, keeps w from settling at 0, where nothing would be seen.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.w, self.scale = nn.Parameter(torch.tensor([0.1 / scale])), scale
        self.push = 0.02

    def forward(self, x: Tensor) -> Tensor:
        self.push = -self.push
        logit = (self.scale * self.w + self.push).expand(len(x))
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


@pytest.fixture
def coin(data: Dataset) -> Dataset:
    """Half of the pictures are heads, whatever they show."""

    def tossed(part: ImageSet) -> ImageSet:
        return replace(part, labels=torch.arange(len(part)) % 2, classes=("heads", "tails"))

    return replace(data, train=tossed(data.train), test=tossed(data.test))


@pytest.mark.parametrize("scale", [4.0, 10.0, 100.0])
def test_the_edge_of_stability_is_found(scale: float, coin: Dataset) -> None:
    """Below it the loss falls to log 2, beyond it each step lands further off than the last.

    A step is 18 % of the rate.
    """
    edge = 8 / scale**2
    sweep = find_rate(prepare(Bowl(scale), coin, PLAIN))
    assert 0.85 * edge < sweep.lowest <= edge < sweep.rates[-1] < 10 * edge
    assert sweep.exploded
    assert min(sweep.losses) == pytest.approx(math.log(2), abs=2e-3)
    assert sweep.suggestion == pytest.approx(sweep.lowest / 10, rel=0.35)
    assert float(f"{sweep.suggestion:.0e}") == sweep.suggestion


def test_a_loss_that_never_explodes_ends_at_the_highest_rate(coin: Dataset) -> None:
    sweep = find_rate(prepare(Bowl(0.1), coin, PLAIN))
    assert not sweep.exploded
    assert len(sweep.rates) == STEPS
    assert sweep.rates[0] == LOW
    assert sweep.rates[-1] == pytest.approx(HIGH, rel=1e-9)
    ratios = [b / a for a, b in pairwise(sweep.rates)]
    assert ratios == pytest.approx([ratios[0]] * 99, rel=1e-9)


@pytest.mark.slow
def test_nothing_is_changed(small: Make, data: Dataset) -> None:
    """Neither weights nor moving averages nor what is drawn next; and the same is found again."""
    net = small().eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    drawn = torch.get_rng_state()
    ready = prepare(net, data, Config(batch_size=32, epochs=1, precision="float32", flip=True))
    first, again = find_rate(ready), find_rate(ready)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(layer.training for layer in net.modules())
    assert first.rates == again.rates


@pytest.mark.slow
def test_every_group_grows_alike_and_features_will_do(data: Dataset) -> None:
    """Of a head on cached features, and of stages at their own rates."""
    net = build("resnet20", width=4, num_classes=3, in_channels=1)
    for strategy in ("head", "finetune"):
        config = Config(strategy=strategy, stage_decay=0.5, batch_size=48, layout="contiguous")
        sweep = find_rate(prepare(net, data, replace(config, precision="float32")))
        assert 1e-4 < sweep.suggestion < 10


def test_a_network_that_cannot_begin(small: Make, data: Dataset) -> None:
    net = small()
    ready = prepare(net, data, PLAIN)
    net[5].weight.data.fill_(float("nan"))
    with pytest.raises(TrainingError, match="at step 1 with learning rate 1e-06"):
        find_rate(ready)


def test_the_picture(tmp_path: Path) -> None:
    target = Sweep([0.1, 1.0, 10.0], [2.0, 1.0, 9.0], exploded=True).draw(tmp_path / "a" / "b.png")
    with Image.open(target) as png:
        assert png.format == "PNG"
        assert png.size[0] > 300
