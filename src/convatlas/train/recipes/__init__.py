"""Recipes: functions that return a run's settings."""

from __future__ import annotations

from collections.abc import Callable

from convatlas.errors import ConfigError, UnknownNameError
from convatlas.nets.catalog import CATALOG, Row
from convatlas.train.config import Config
from convatlas.train.recipes.course import course, d2l
from convatlas.train.recipes.ours import fast, sprint, transfer
from convatlas.train.recipes.papers import paper
from convatlas.train.recipes.torchvision import torchvision_v1, torchvision_v2

RECIPES: dict[str, Callable[[], Config]] = {
    "fast": fast,
    "sprint": sprint,
    "transfer": transfer,
    "course": course,
    "torchvision-v2": torchvision_v2,
}
#: those that differ from network to network
BY_NETWORK: dict[str, Callable[[Row], Config]] = {
    "paper": paper,
    "d2l": d2l,
    "torchvision-v1": torchvision_v1,
}


def recipe(name: str, net: str = "") -> Config:
    """The settings of the recipe of that name.

    Args:
        name: ``fast``, ``sprint``, ``transfer``, ``course``, ``d2l``, ``paper``,
            ``torchvision-v1`` or ``torchvision-v2``.
        net: name in the catalogue of the network that is to be trained.

    Raises:
        UnknownNameError: there is none.
        ConfigError: it has nothing for this network.
    """
    if name in RECIPES:
        return RECIPES[name]()
    if name not in BY_NETWORK:
        raise UnknownNameError("recipe", name, [*RECIPES, *BY_NETWORK])
    if net not in CATALOG:
        raise ConfigError(
            f"the recipe {name} differs from network to network, and "
            f"{net or 'this one'} is none of the catalogue: choose one of {', '.join(RECIPES)}"
        )
    return BY_NETWORK[name](CATALOG[net])
