from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import nn

from convatlas.classifier import Classifier
from convatlas.data import ImageSet, Preprocess
from convatlas.errors import ConfigError
from convatlas.evaluate import evaluate
from convatlas.evaluate.ten_crop import ten_crop_logits

SPEC = Preprocess(6, 8, 3, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


def classifier(spec: Preprocess = SPEC) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier(nn.Sequential(nn.Flatten(), nn.Linear(3 * 36, 4)), spec, tuple("abcd"))


def pictures(n: int, height: int = 8, width: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 24)])
def test_probabilities_are_the_mean_over_torchvisions_ten_crops(
    torchvision_transforms: ModuleType, height: int, width: int
) -> None:
    model, pixels = classifier(), pictures(7, height, width)
    mean, std = (torch.tensor(v)[:, None, None] for v in (SPEC.mean, SPEC.std))
    expected = []
    square = Preprocess(8, 8, 3, SPEC.mean, SPEC.std)  # resized, and its centre
    for picture in pixels:
        crops = torchvision_transforms.functional.ten_crop(square.fit(picture), [6, 6])
        inputs = torch.stack([(crop / 255 - mean) / std for crop in crops])
        expected.append(model.net(inputs).softmax(1).mean(0))
    found = ten_crop_logits(model, pixels, batch_size=30)
    torch.testing.assert_close(found.softmax(1), torch.stack(expected), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.exp().sum(1), torch.ones(7), rtol=1e-5, atol=0)


def test_evaluate_takes_ten_crops() -> None:
    model, pixels = classifier(), pictures(40)
    labels = ten_crop_logits(model, pixels).argmax(1)
    images = ImageSet("x", pixels, labels, tuple("abcd"))
    assert evaluate(model, images, crops=10).top1 == 1.0
    assert evaluate(model, images).top1 < 1.0


def test_a_class_that_is_ruled_out_keeps_the_loss_finite() -> None:
    model = classifier()
    nn.init.constant_(model.net[1].bias[:1], -1e5)
    assert ten_crop_logits(model, pictures(2)).isfinite().all()


def test_without_a_margin_the_crops_are_one() -> None:
    whole = Preprocess(6, 6, 3, SPEC.mean, SPEC.std)
    with pytest.raises(ConfigError, match="crops of 6 out of pictures of 6 are all the same one"):
        ten_crop_logits(classifier(whole), pictures(1))
