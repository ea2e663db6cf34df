from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from convatlas.data.balance import balanced_order, class_weights, imbalance
from convatlas.errors import DataError

#: 50 of class 0, 3 of 1, none of 2, 1 of 3, 46 of 4, in no order
LABELS = torch.repeat_interleave(torch.arange(5), torch.tensor([50, 3, 0, 1, 46]))[
    torch.randperm(100, generator=torch.Generator().manual_seed(0))
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_weights_make_classes_weigh_the_same_and_pictures_one_on_average() -> None:
    weights = class_weights(LABELS, 6)
    assert weights.dtype == torch.float32
    assert torch.allclose(weights[LABELS].mean(), torch.tensor(1.0))
    assert torch.allclose(
        (weights * LABELS.bincount(minlength=6))[[0, 1, 3, 4]], torch.tensor(25.0)
    )
    assert weights[[2, 5]].tolist() == [0, 0]
    assert torch.equal(class_weights(torch.arange(12) % 4, 4), torch.ones(4))
    F.cross_entropy(torch.randn(100, 6, generator=seeded()), LABELS, weight=weights)


def test_an_epoch_has_every_class_equally_often_and_its_pictures_too() -> None:
    order = balanced_order(LABELS, seeded())
    assert len(order) == 100
    assert LABELS[order].bincount(minlength=5).tolist() == [25, 25, 0, 25, 25]
    times = order.bincount(minlength=100)
    assert times[LABELS == 0].max() == 1  # half of them
    assert sorted(times[LABELS == 1].tolist()) == [8, 8, 9]
    assert times[LABELS == 3].tolist() == [25]


def test_what_is_over_goes_to_other_classes_each_time_and_no_class_comes_in_a_row() -> None:
    labels = torch.cat([torch.zeros(9), torch.ones(4), torch.full((4,), 2)]).long()
    generator = seeded()
    orders = [balanced_order(labels, generator) for _ in range(300)]
    counts = torch.stack([labels[order].bincount() for order in orders])
    assert counts.sum(1).tolist() == [17] * 300
    assert set(counts.flatten().tolist()) == {5, 6}
    shares = (counts == 6).float().mean(0)  # two of three classes
    assert (shares - 2 / 3).abs().max() < 4 * (2 / 9 / 300) ** 0.5
    used = torch.stack([order.bincount(minlength=17) for order in orders]).float().mean(0)
    assert (used[:9] - used[:9].mean()).abs().max() < 4 * (0.25 / 300) ** 0.5
    first = torch.stack([labels[order[0]] for order in orders]).bincount() / 300
    assert (first - 1 / 3).abs().max() < 4 * (2 / 9 / 300) ** 0.5


def test_the_seed_decides_the_order() -> None:
    assert torch.equal(balanced_order(LABELS, seeded(1)), balanced_order(LABELS, seeded(1)))
    assert not torch.equal(balanced_order(LABELS, seeded(1)), balanced_order(LABELS, seeded(2)))


def test_the_largest_class_beside_the_smallest() -> None:
    found = imbalance(LABELS[(LABELS != 2)], ("a", "b", "c", "d", "e"))
    assert (found.ratio, found.smallest, found.fewest) == (math.inf, "c", 0)
    found = imbalance(torch.tensor([0] * 31 + [1] * 3 + [2] * 31), ("cat", "dog", "eel"))
    assert str(found) == "cat has 31 pictures and dog 3 (10.3:1)"
    assert found.ratio == 31 / 3


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="labels run from 0 to 4, but there are 3 classes"):
        class_weights(LABELS, 3)
    with pytest.raises(DataError, match="there are no labels"):
        balanced_order(LABELS[:0], seeded())
    with pytest.raises(DataError, match="there are 2 classes"):
        imbalance(LABELS, ("a", "b"))
