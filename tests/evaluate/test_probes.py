from __future__ import annotations

import pytest
import torch
from torch import nn

from convatlas import data
from convatlas.classifier import Classifier
from convatlas.data import ImageSet, Preprocess
from convatlas.errors import ModelError
from convatlas.evaluate import probe
from convatlas.evaluate.probes import stage_features
from convatlas.nets.build import build

SPEC = Preprocess(8, 8, 1, (0.3,), (0.4,))


@pytest.fixture
def classifier() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build("resnet20", num_classes=3, in_channels=1, width=4)
    return Classifier(net, SPEC, tuple("abc"))


def some(part: ImageSet, count: int) -> ImageSet:
    return part.subset(torch.arange(count))


def test_features_are_what_the_stages_give_in_evaluation_mode(classifier: Classifier) -> None:
    images = some(data.load("digits").test, 70)  # more than a batch
    net = classifier.net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    features = stage_features(classifier, images)
    assert list(features) == ["pixels", "stem", "conv2_x", "conv3_x", "conv4_x"]
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    net.eval()
    x = SPEC(images.take(slice(None)))
    with torch.inference_mode():
        last = net.features(x)
    assert last.shape == (70, 16, 2, 2)  # smaller than the grid: each cell is seen again
    expected = last.repeat_interleave(2, 2).repeat_interleave(2, 3).flatten(1)
    torch.testing.assert_close(features["conv4_x"], expected, atol=1e-5, rtol=1e-5)
    pixels = x.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)).flatten(1)
    torch.testing.assert_close(features["pixels"], pixels, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_probes_tell_what_is_there_and_nothing_of_noise(classifier: Classifier) -> None:
    digits = data.load("digits")
    train, test = some(digits.train, 500), some(digits.test, 200)
    scores = probe(classifier, train, test)
    assert scores["pixels"] > 0.75  # a linear model of 4×4 cells knows most digits
    shuffled = train.labels[torch.randperm(500, generator=torch.Generator().manual_seed(0))]
    noise = probe(classifier, ImageSet("noise", train.images, shuffled, train.classes), test)
    # chance is 0.1, with a deviation of 0.021 over 200 pictures; labels were fitted, too
    assert max(noise.values()) < 0.25


def test_a_network_without_stages_is_refused() -> None:
    plain = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), SPEC, tuple("0123456789"))
    with pytest.raises(ModelError, match="its stages are not known"):
        stage_features(plain, data.load("digits").test)
