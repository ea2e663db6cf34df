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


RECIPES: dict[str, Callable[[], Config]] = {"fast": fast, "course": course}


def recipe(name: str) -> Config:
    """The settings of the recipe of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]()
