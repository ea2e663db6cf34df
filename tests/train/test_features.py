from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convatlas as ca
from convatlas.classifier import Classifier
from convatlas.data import Dataset, Preprocess
from convatlas.evaluate import evaluate
from convatlas.nets.parts import Net
from convatlas.train import Config, fit
from convatlas.train.engine import Engine
from convatlas.train.features import HEAD_ENGINE, HeadLoop, cacheable, make_loop
from convatlas.train.loop import Loop

Make = Callable[[], nn.Sequential]
CONFIG = Config(strategy="head", epochs=4, batch_size=20, lr=0.05, optimizer="sgd")


def resnet(**options: Any) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ca.build("resnet20", width=4, num_classes=3, in_channels=1, **options)


def trained(kind: type[Loop], data: Dataset, config: Config) -> Net:
    net = resnet()
    preprocess = Preprocess.measure(data.train.images, 8)
    loop = kind(net, data.train, preprocess, config, Engine("float32", "contiguous"))
    for _ in range(config.epochs):
        list(loop.epoch())
    return net


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"balance": "weights", "label_smoothing": 0.1},
        {"repeat": 2, "balance": "sampler"},
        {"optimizer": "adamw", "lr": 1e-3},
    ],
)
def test_cached_features_train_the_head_that_a_frozen_body_does(
    changes: dict[str, Any], data: Dataset
) -> None:
    """The same pictures in the same order: float32 sums in another order differ by 1e-6 or so."""
    config = Config(**{**CONFIG.to_dict(), **changes})
    slow, quick = trained(Loop, data, config), trained(HeadLoop, data, config)
    begun = resnet()
    for name, value in slow.state_dict().items():
        torch.testing.assert_close(quick.state_dict()[name], value, rtol=1e-5, atol=1e-5)
        if not name.startswith("head.fc"):
            assert torch.equal(quick.state_dict()[name], begun.state_dict()[name])
    assert (slow.head.fc.weight - begun.head.fc.weight).abs().max() > 5e-3


def test_the_body_sees_each_picture_once_and_its_mirror_image(data: Dataset) -> None:
    seen: list[int] = []
    net = resnet()
    net.stem.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    preprocess = Preprocess.measure(data.train.images, 8)
    config = Config(**{**CONFIG.to_dict(), "flip": True})
    loop = HeadLoop(net, data.train, preprocess, config, HEAD_ENGINE)
    classifier = Classifier(net, preprocess, data.train.classes)
    for _ in range(3):
        list(loop.epoch())
        report = loop.score(classifier, data.test)
    assert sum(seen) == 2 * len(data.train) + len(data.test)
    expected = evaluate(classifier, data.test)
    assert report.loss == pytest.approx(expected.loss, rel=1e-5)
    assert (report.confusion == expected.confusion).all()
    views = loop.feed.images
    assert isinstance(views, Tensor)
    mirrored = classifier.net.eval()(preprocess(data.train.images.flip(-1)))
    with torch.no_grad():
        torch.testing.assert_close(loop.net(views[:, 1]), mirrored, rtol=1e-4, atol=1e-5)


def test_a_batch_holds_both_views(data: Dataset) -> None:
    """Each with probability one half: of 96, within four standard deviations (20) of 48."""
    config = Config(**{**CONFIG.to_dict(), "flip": True})
    loop = HeadLoop(
        resnet(), data.train, Preprocess.measure(data.train.images, 8), config, HEAD_ENGINE
    )
    views = torch.arange(2.0).expand(96, 2)[:, :, None]
    seen, _ = loop.inputs(views, data.train.labels, 0)
    assert 28 < seen.sum() < 68


@pytest.mark.parametrize(
    "changes",
    [{"shift": 1}, {"crop": "random", "size": 7}, {"mixup": 0.2}, {"strategy": "finetune"}],
)
def test_what_shows_the_body_something_new_is_not_cached(
    changes: dict[str, Any], data: Dataset
) -> None:
    config = Config(**{**CONFIG.to_dict(), **changes})
    assert not cacheable(resnet(), data.train, config)
    preprocess = Preprocess.measure(data.train.images, 7, 8)
    made = make_loop(resnet(), data.train, preprocess, config, HEAD_ENGINE)
    assert type(made) is Loop
    assert type(make_loop(resnet(), data.train, preprocess, CONFIG, HEAD_ENGINE)) is HeadLoop


def test_a_head_is_resumed_exactly_whatever_body_it_is_given(data: Dataset) -> None:
    config = Config(**{**CONFIG.to_dict(), "flip": True, "optimizer": "adamw"})
    preprocess = Preprocess.measure(data.train.images, 8)

    def loop_of(net: Net) -> HeadLoop:
        return HeadLoop(net, data.train, preprocess, config, HEAD_ENGINE)

    whole = loop_of(resnet())
    for _ in range(4):
        list(whole.epoch())
    begun = loop_of(resnet())
    for _ in begun.epoch():
        if begun.number == 3:
            break
    kept = begun.state_dict()
    net = ca.build("resnet20", width=4, num_classes=3, in_channels=1)
    resumed = loop_of(net)
    resumed.load_state_dict(kept)
    for _ in range(4):
        list(resumed.epoch())
    assert resumed.number == whole.number
    for name, value in resnet().state_dict().items():
        if not name.startswith("head.fc"):
            assert torch.equal(net.state_dict()[name], value)
    assert torch.equal(net.head.fc.weight, whole.net[-1].weight)


@pytest.mark.slow
def test_a_run_leaves_the_classifier_that_it_always_leaves(tmp_path: Path, data: Dataset) -> None:
    done = fit(
        resnet(), data, recipe="transfer", strategy="head", out=tmp_path, quiet=True, epochs=3
    )
    assert (done.config.strategy, done.engine) == ("head", HEAD_ENGINE)
    loaded = Classifier.load(tmp_path)
    assert loaded.net.name == "resnet20"
    report = evaluate(loaded, data.test)
    assert (report.confusion == done.report.confusion).all()
    assert done.history[-1]["train_loss"] < done.history[0]["train_loss"]
