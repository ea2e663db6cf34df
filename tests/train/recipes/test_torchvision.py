"""The numbers of torchvision's reference commands."""

from __future__ import annotations

import pytest

from convatlas.train import recipe


@pytest.mark.parametrize(
    ("net", "lr", "epochs"),
    [
        ("resnet50", 0.1, 90),
        ("vgg11_bn", 0.1, 90),
        ("vgg11", 0.01, 90),
        ("alexnet_owt", 0.01, 90),
        ("resnext50_32x4d", 0.1, 100),
    ],
)
def test_v1(net: str, lr: float, epochs: int) -> None:
    made = recipe("torchvision-v1", net)
    assert (made.lr, made.epochs, made.batch_size) == (lr, epochs, 8 * 32)
    assert (made.optimizer, made.momentum, made.nesterov) == ("sgd", 0.9, False)
    assert (made.weight_decay, made.decay_everything) == (1e-4, True)
    assert (made.crop, made.flip, made.resize) == ("resized", True, 256)
    dropped = {round(start * epochs): share for start, share in made.drops}
    assert dropped == {
        30 * k: share for k, share in enumerate((0.1, 0.01, 0.001), 1) if 30 * k < epochs
    }


def test_v2() -> None:
    made = recipe("torchvision-v2")
    assert (made.lr, made.epochs, made.batch_size) == (0.5, 600, 8 * 128)
    assert (made.weight_decay, made.decay_everything) == (2e-5, False)
    assert (made.schedule, made.warmup) == ("cosine", 5 / 600)
    assert (made.trivial, made.random_erase, made.label_smoothing) == (True, 0.1, 0.1)
    assert (made.mixup, made.cutmix) == (0.2, 1.0)
    assert (made.crop, made.resize, made.early_share) == ("resized", 232, 1.0)
    assert round(made.early_scale * 224) == 176


def test_the_average_is_torchvisions_over_32_steps() -> None:
    """train.py: every 32nd step, with α = (1 − .99998) · batch · 32 / epochs."""
    theirs = 1 - 0.00002 * 1024 * 32 / 600
    assert recipe("torchvision-v2").ema ** 32 == pytest.approx(theirs, rel=1e-6)
