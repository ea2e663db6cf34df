from __future__ import annotations

import json

import pytest

from convatlas.errors import ConfigError, UnknownNameError
from convatlas.nets.catalog import CATALOG
from convatlas.train import Config, recipe
from convatlas.train.recipes import BY_NETWORK, RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_its_own_name_and_is_plain_json(name: str) -> None:
    made = recipe(name)
    assert made.recipe == name
    assert Config(**json.loads(json.dumps(made.to_dict()))) == made


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("paper", {"lenet_bn"}),
        ("d2l", {net for net in CATALOG if net.startswith("resnext")}),
        ("torchvision-v1", set()),
    ],
)
def test_every_network_has_its_recipe_or_is_told_why_not(name: str, left_out: set[str]) -> None:
    for net in CATALOG.keys() - left_out:
        assert recipe(name, net).recipe == name
    for net in left_out:
        with pytest.raises(ConfigError, match=rf"{net}.*choose"):
            recipe(name, net)


@pytest.mark.parametrize("name", BY_NETWORK)
def test_a_network_of_ones_own_has_no_published_recipe(name: str) -> None:
    with pytest.raises(ConfigError, match=f"the recipe {name} differs from network to network"):
        recipe(name, "Sequential")


def test_an_unknown_recipe_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown recipe 'fats': did you mean fast"):
        recipe("fats")
    with pytest.raises(UnknownNameError, match="did you mean paper"):
        recipe("papers", "vgg11")
