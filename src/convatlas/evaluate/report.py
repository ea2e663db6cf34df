"""A classifier's accuracy on labelled pictures, in total and class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from convatlas.classifier import Classifier
from convatlas.data import ImageSet
from convatlas.errors import ModelError
from convatlas.evaluate.ten_crop import ten_crop_logits


@dataclass(frozen=True)
class ClassScore:
    """How well one class is known.

    Attributes:
        precision: of the pictures called so, the share that is.
        recall: of the pictures that are, the share called so.
        f1: the harmonic mean of the two.
        support: the number of pictures that are.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Report:
    """Scores of n labelled pictures; all but ``loss`` (nats) are fractions from 0 to 1.

    Attributes:
        top5: the true class is among the five likeliest; None for five classes or fewer.
        names: of the K classes.
        confusion: ``(K, K)`` counts, true class by row, predicted class by column.
    """

    n: int
    loss: float
    top1: float
    top5: float | None
    names: tuple[str, ...]
    confusion: NDArray[np.int64]

    @cached_property
    def classes(self) -> tuple[ClassScore, ...]:
        """The score of each class, in the order of the names."""
        # when asked for, not after every epoch: scikit-learn takes a second to import
        from sklearn.metrics import precision_recall_fscore_support

        every = range(len(self.names))
        true, predicted = np.indices(self.confusion.shape).reshape(2, -1)
        scores = precision_recall_fscore_support(
            true, predicted, labels=every, sample_weight=self.confusion.ravel(), zero_division=0.0
        )
        return tuple(
            ClassScore(name, float(p), float(r), float(f), int(n))
            for name, p, r, f, n in zip(self.names, *scores, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        scores = [asdict(one) for one in self.classes]
        return asdict(self) | {"classes": scores, "confusion": self.confusion.tolist()}


def evaluate(
    classifier: Classifier, images: ImageSet, batch_size: int = 256, crops: Literal[1, 10] = 1
) -> Report:
    """Score a classifier on labelled pictures.

    Classes are matched by name, so a data set that lacks some of the model's still counts right.

    Args:
        classifier, images: which, and on what.
        batch_size: pictures that go through the network at once.
        crops: the centre alone, or the mean of ten crops (`ten_crop_logits`).

    Raises:
        ModelError: the pictures have a class that the model does not know.
        ConfigError: ten crops of a model that looks at whole pictures.
    """
    place = torch.tensor(place_classes(images.classes, classifier.classes))
    look = ten_crop_logits if crops == 10 else Classifier.logits
    logits = look(classifier, images.images, batch_size)
    return score(logits, place[images.labels], classifier.classes)


def score(logits: Tensor, labels: Tensor, classes: Sequence[str]) -> Report:
    """Score logits ``(N, K)`` against labels ``(N,)`` from 0 to K − 1."""
    predicted = logits.argmax(dim=1)
    pairs = torch.bincount(labels * len(classes) + predicted, minlength=len(classes) ** 2)
    five = logits.topk(min(5, len(classes)), dim=1).indices
    return Report(
        n=len(labels),
        loss=F.cross_entropy(logits, labels).item(),
        top1=(predicted == labels).float().mean().item(),
        top5=(five == labels[:, None]).any(dim=1).float().mean().item()
        if len(classes) > 5
        else None,
        names=tuple(classes),
        confusion=pairs.view(len(classes), len(classes)).numpy(),
    )


def place_classes(theirs: Sequence[str], ours: Sequence[str]) -> list[int]:
    """Where each of the data's classes stands among the model's.

    Raises:
        ModelError: the model does not know one of them.
    """
    unknown = [name for name in theirs if name not in ours]
    if unknown:
        raise ModelError(
            f"the data has {len(theirs)} classes and the model knows {len(ours)}; unknown to it: "
            f"{_some(unknown)}. It knows {_some(ours)}"
        )
    return [list(ours).index(name) for name in theirs]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
