from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from convatlas.data import Dataset
from convatlas.train import Config
from convatlas.train.easiest import Easiest
from convatlas.train.engine import Engine
from convatlas.train.loop import Loop
from convatlas.train.size import measured


def drawn() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_two_epochs_have_everything_and_the_third_leaves_out_the_easiest() -> None:
    easiest, generator = Easiest(10, 0.25), drawn()
    for epoch in range(2):
        easiest.begin(epoch)
        numbers = easiest.ordered(generator)
        assert sorted(numbers.tolist()) == list(range(10))
        for batch, five in enumerate(numbers.split(5)):
            easiest.see(batch, five.float())  # of 0 the loss is lowest
    easiest.begin(2)
    numbers = easiest.ordered(generator).tolist()
    assert sorted(numbers[:8]) == list(range(2, 10))
    assert numbers[:8] != list(range(2, 10))
    assert set(numbers[8:]) < set(range(12, 20))  # second looks
    assert easiest.order.tolist() == [number % 10 for number in numbers]


def test_who_was_left_out_is_back_when_others_are_easier() -> None:
    easiest = Easiest(4, 0.5)
    easiest.losses = torch.tensor([1.0, 2.0, 3.0, 4.0])
    easiest.begin(2)
    easiest.ordered(drawn())
    assert set(easiest.order.tolist()) == {2, 3}
    easiest.see(0, torch.tensor([0.5, 0.5]))
    easiest.begin(3)
    assert easiest.losses.tolist() == [1.0, 2.0, 0.5, 0.5]
    easiest.ordered(drawn())
    assert set(easiest.order.tolist()) == {0, 1}


def test_what_was_never_seen_is_not_left_out() -> None:
    easiest = Easiest(5, 0.99)
    easiest.losses[:4] = 9.0
    easiest.begin(2)
    assert easiest.ordered(drawn()).tolist() == [4, 9, 14, 19, 24]


def test_it_goes_on_where_it_was() -> None:
    easiest, again = Easiest(6, 0.5), Easiest(6, 0.5)
    easiest.losses = torch.tensor([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
    easiest.begin(2)
    again.load_state_dict(easiest.state_dict())
    order = easiest.ordered(drawn())
    assert again.ordered(drawn()).equal(order)
    easiest.see(0, torch.zeros(3))  # what is loaded is a copy
    assert again.losses.tolist() == [3.0, 1.0, 2.0, 6.0, 5.0, 4.0]


def test_a_loop_keeps_the_loss_of_each_picture_and_goes_on_without_the_easiest(
    small: Callable[[], nn.Sequential], data: Dataset
) -> None:
    torch.manual_seed(0)
    config = Config(
        epochs=4, batch_size=32, lr=1e-9, skip_easy=0.25, accumulate=2, label_smoothing=0.1
    )
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))  # a picture's loss is its own affair
    preprocess = measured(net, data, config)
    loop = Loop(net, data.train, preprocess, config, Engine("float32", "contiguous"))
    with torch.no_grad():
        inputs = preprocess(data.train.images)
        losses = F.cross_entropy(
            net(inputs), data.train.labels, reduction="none", label_smoothing=0.1
        )
    for _ in range(2):
        assert len(list(loop.epoch())) == 3
    assert loop.easiest is not None
    torch.testing.assert_close(loop.easiest.losses, losses)  # the steps are too small to tell
    for _ in range(2):
        assert len(list(loop.epoch())) == 3
        shown = Counter(loop.easiest.order.tolist())
        assert set(shown) == set(losses.argsort()[24:].tolist())
        assert set(shown.values()) == {1, 2}
