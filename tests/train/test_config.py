from __future__ import annotations

import math
from dataclasses import replace

import pytest

from convatlas.errors import ConfigError
from convatlas.train.config import Config, change


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
        ("skip_easy", 1.0, "from 0 to below 1"),
        ("freeze_at", 0.5, "shares of the steps"),
        ("freeze_at", (-0.1,), "from 0 to 1"),
        ("freeze_at", (0.5, 0.4), "none falling"),
        ("flip_turns", True, "False where flip is"),
        ("shift_edge", "reflect", "'zeros' where shift is 0"),
        ("seed", -1, "from 0"),
        ("seed", 2**63, "2⁶³"),
        ("optimizer", "adam", "auto, sgd, alexnet, adamw, muon"),
        ("schedule", "poly", "constant, one-cycle, cosine, exponential, step"),
        ("steps", 0, "at least 1"),
        ("clip", -1.0, "at least 0"),
        ("final", 0.0, "above 0"),
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


def test_a_sampler_leaves_nobody_out() -> None:
    with pytest.raises(ConfigError, match=r"skip_easy is 0.1, but it must be 0 where a sampler"):
        Config(skip_easy=0.1, balance="sampler")


def test_the_limits_themselves_are_allowed() -> None:
    Config(epochs=1, batch_size=1, size=1, momentum=0, weight_decay=0, warmup=0, seed=0)
    Config(warmup=1, seed=2**63 - 1)


def test_epochs_that_are_asked_for_replace_steps() -> None:
    config = Config(steps=1000)
    assert change(config, lr=0.1).steps == 1000
    assert (change(config, epochs=3).steps, change(config, epochs=3).epochs) == (None, 3)
    assert change(config, epochs=3, steps=7).steps == 7


def test_drops_are_the_same_in_json() -> None:
    assert Config(drops=[[0.5, 0.1]]) == Config(drops=((0.5, 0.1),))
