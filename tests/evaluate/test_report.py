from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import Tensor, nn

from convatlas.classifier import Classifier
from convatlas.data import ImageSet, Preprocess
from convatlas.errors import ModelError, ShapeError
from convatlas.evaluate import evaluate, place_classes, score

NAMES = tuple("abcdefgh")


def answers(n: int, k: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, k, (n,), generator=generator)
    logits = torch.randn(n, k, generator=generator) + 1.5 * nn.functional.one_hot(labels, k)
    return logits, labels


@pytest.mark.parametrize("k", [2, 3, 8])
def test_scores_are_scikit_learns(k: int) -> None:
    logits, labels = answers(200, k)
    report = score(logits, labels, NAMES[:k])
    predicted = logits.argmax(1)
    assert report.n == 200
    assert report.top1 == pytest.approx(metrics.accuracy_score(labels, predicted))
    share = logits.double().softmax(1).numpy()
    expected = metrics.log_loss(labels, share, labels=list(range(k)))
    assert report.loss == pytest.approx(expected, rel=1e-6)  # ours is in float32
    np.testing.assert_array_equal(report.confusion, metrics.confusion_matrix(labels, predicted))
    for number, one in enumerate(report.classes):
        mine, truth = (predicted == number).tolist(), (labels == number).tolist()
        assert one.name == NAMES[number]
        assert one.precision == pytest.approx(metrics.precision_score(truth, mine))
        assert one.recall == pytest.approx(metrics.recall_score(truth, mine))
        assert one.f1 == pytest.approx(metrics.f1_score(truth, mine))
        assert one.support == sum(truth)


def test_scores_by_hand() -> None:
    """Four pictures: two a (one called b), one b, one c called a; nobody is called c."""
    called, labels = torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 2])
    logits = nn.functional.one_hot(called, 3).float().log()
    report = score(logits.clamp(min=-50), labels, "abc")
    assert report.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    found = [(c.precision, c.recall, c.f1, c.support) for c in report.classes]
    assert found == [
        (1 / 2, 1 / 2, 1 / 2, 2),
        (1 / 2, 1, pytest.approx(2 / 3), 1),
        (0, 0, 0, 1),
    ]
    assert report.top1 == 0.5
    assert report.loss == pytest.approx(25)  # two of four are off by 50 nats


def test_top5_counts_the_true_class_among_the_five_likeliest() -> None:
    logits, labels = answers(100, 8, seed=1)
    expected = metrics.top_k_accuracy_score(labels, logits, k=5, labels=range(8))
    report = score(logits, labels, NAMES)
    assert report.top5 == pytest.approx(expected)
    rank = [sorted(row, reverse=True).index(row[y]) for row, y in zip(logits, labels, strict=True)]
    assert report.top5 == pytest.approx(sum(r < 5 for r in rank) / 100)
    assert report.top1 < report.top5 < 1


@pytest.mark.parametrize("k", [1, 2, 5])
def test_of_five_classes_or_fewer_top5_says_nothing(k: int) -> None:
    logits, labels = answers(10, k)
    report = score(logits, labels, NAMES[:k])
    assert report.top5 is None
    assert report.confusion.shape == (k, k)


def test_classes_without_pictures_count_nothing() -> None:
    logits, labels = answers(50, 8)
    report = score(logits, labels.clamp(max=2), NAMES)
    assert report.confusion.shape == (8, 8)
    assert report.confusion[3:].sum() == 0
    assert [c.support for c in report.classes[3:]] == [0] * 5
    assert [c.recall for c in report.classes[3:]] == [0.0] * 5


def test_as_json() -> None:
    report = score(*answers(20, 3), "abc")
    said = json.loads(json.dumps(report.to_dict()))
    assert said["confusion"] == report.confusion.tolist()
    assert said["classes"][1]["support"] == report.classes[1].support
    assert said["top1"] == report.top1


class Levels(nn.Module):
    """Calls a picture by its level: 0, 1 or 2."""

    def forward(self, x: Tensor) -> Tensor:
        return -((x.mean((1, 2, 3))[:, None] - torch.arange(3.0)) ** 2)


@pytest.fixture
def classifier() -> Classifier:
    spec = Preprocess(2, 2, 1, (0.0,), (1 / 255,))  # levels come through as they are
    return Classifier(Levels(), spec, ("zero", "one", "two"))


def pictures(levels: list[int], labels: list[int], classes: tuple[str, ...]) -> ImageSet:
    images = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)
    return ImageSet("levels", images, torch.tensor(labels), classes)


def test_classes_meet_by_name_whatever_their_order(classifier: Classifier) -> None:
    every = pictures([0, 1, 2, 2], [2, 1, 0, 0], ("two", "one", "zero"))
    report = evaluate(classifier, every, batch_size=3)
    assert report.top1 == 1.0
    assert [c.support for c in report.classes] == [1, 1, 2]


def test_a_data_set_that_lacks_classes(classifier: Classifier) -> None:
    report = evaluate(classifier, pictures([2, 1, 2], [0, 0, 0], ("two",)))
    assert report.top1 == pytest.approx(2 / 3)
    assert report.confusion.tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 2]]


def test_a_class_that_the_model_does_not_know(classifier: Classifier) -> None:
    with pytest.raises(ModelError) as raised:
        evaluate(classifier, pictures([0, 1], [0, 1], ("zero", "three")))
    said = str(raised.value)
    assert "the data has 2 classes and the model knows 3; unknown to it: three" in said
    assert "\n" not in said


def test_pictures_of_other_channels(classifier: Classifier) -> None:
    colour = ImageSet(
        "c", torch.zeros(2, 3, 2, 2, dtype=torch.uint8), torch.zeros(2).long(), ("one",)
    )
    with pytest.raises(ShapeError, match="this model takes 1 channels"):
        evaluate(classifier, colour)


def test_many_unknown_classes_are_cut_short() -> None:
    with pytest.raises(ModelError, match=r"unknown to it: 0, 1, 2, 3, 4 …\. It knows a"):
        place_classes([str(i) for i in range(100)], ["a"])
    assert place_classes("ca", "abc") == [2, 0]
