from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from convatlas.errors import ConfigError, UnknownNameError
from convatlas.train import RECIPES, Config, recipe


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("epochs", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("size", 0, "at least 1 pixel"),
        ("size", "huge", "'own' or 'paper'"),
        ("lr", 0.0, "above 0"),
        ("lr", math.nan, "above 0"),
        ("lr", math.inf, "finite"),
        ("momentum", 1.0, "below 1"),
        ("momentum", -0.1, "from 0"),
        ("strategy", "freeze", "auto, scratch, finetune, head, gradual"),
        ("stage_decay", 0.0, "above 0"),
        ("stage_decay", 1.1, "1 at most"),
        ("l2_sp", -0.1, "at least 0"),
        ("patience", 0, "at least 1"),
        ("patience", 2.5, "a whole number"),
        ("repeat", 0, "at least 1"),
        ("weight_decay", -1e-9, "at least 0"),
        ("weight_decay", math.inf, "finite"),
        ("warmup", 1.1, "from 0 to 1"),
        ("label_smoothing", 1.0, "below 1"),
        ("shift", -1, "at least 0"),
        ("erase", -1, "at least 0"),
        ("seed", -1, "from 0"),
        ("seed", 2**63, "2⁶³"),
        ("optimizer", "adam", "auto, sgd, alexnet, adamw, muon"),
        ("schedule", "poly", "constant, one-cycle, cosine, step"),
        ("steps", 0, "at least 1"),
        ("clip", -1.0, "at least 0"),
        ("ema", 1.0, "from 0 to below 1"),
        ("drops", ((0.5, 0.1), (0.5, 0.01)), "growing"),
        ("drops", ((0.0, 0.1),), "share of the steps"),
        ("drops", ((0.5, -0.1),), "share of lr"),
        ("drops", 0.5, "pairs"),
        ("precision", "float16", "auto, float32, bfloat16"),
        ("layout", "nchw", "auto, contiguous, channels-last"),
        ("init", "kaiming", "own, xavier"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_rule(
    name: str, value: object, rule: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        Config(**{name: value})
    assert str(raised.value).startswith(f"{name} is {value!r}")
    assert rule in str(raised.value)
    with pytest.raises(ConfigError):  # changing a good one is checked as well
        replace(Config(), **{name: value})


def test_the_limits_themselves_are_allowed() -> None:
    Config(epochs=1, batch_size=1, size=1, momentum=0, weight_decay=0, warmup=0, seed=0)
    Config(warmup=1, seed=2**63 - 1)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_its_own_name_and_is_plain_json(name: str) -> None:
    made = recipe(name)
    assert made.recipe == name
    assert Config(**json.loads(json.dumps(made.to_dict()))) == made


def test_course_is_the_courses_plain_loop() -> None:
    """d2l, chapter on VGG: SGD at .05 without momentum or decay, batches of 128, Xavier."""
    course = recipe("course")
    assert (course.epochs, course.batch_size, course.lr) == (5, 128, 0.05)
    assert (course.optimizer, course.momentum, course.weight_decay) == ("sgd", 0.0, 0.0)
    assert (course.schedule, course.init, course.size) == ("constant", "xavier", "paper")
    assert (course.flip, course.shift, course.erase, course.label_smoothing) == (False, 0, 0, 0)


def test_an_unknown_recipe_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown recipe 'fats': did you mean fast"):
        recipe("fats")
