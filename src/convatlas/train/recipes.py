"""Recipes: functions that return a run's settings."""

from __future__ import annotations

from collections.abc import Callable

from convatlas.errors import UnknownNameError
from convatlas.train.config import Config


def fast() -> Config:
    """A good accuracy soon, on an ordinary CPU: few epochs, one cycle of the learning rate."""
    return Config(recipe="fast", epochs=4, batch_size=256, flip=True, early_share=0.5)


def course() -> Config:
    """The course's own loop (d2l, chapter on VGG): plain SGD at .05, Xavier, 5 epochs."""
    return Config(
        recipe="course",
        epochs=5,
        batch_size=128,
        optimizer="sgd",
        lr=0.05,
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
        init="xavier",
        size="paper",
    )


def transfer() -> Config:
    """From pretrained weights: the size of the data set decides what trains, and how long.

    Batches are small, because few pictures have to make enough steps, and pretrained weights need
    many small corrections more than a few large ones. The settings that stay open are settled in
    `strategy.settled` and `optim.settle`. Training goes on to the end: the learning rate falls to
    zero there, and a validation part of few pictures would pick the best epoch by chance.
    """
    return Config(
        recipe="transfer",
        strategy="auto",
        epochs=15,
        batch_size=32,
        repeat=None,
        stage_decay=0.7,
        flip=True,
    )


RECIPES: dict[str, Callable[[], Config]] = {"fast": fast, "course": course, "transfer": transfer}


def recipe(name: str) -> Config:
    """The settings of the recipe of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]()
