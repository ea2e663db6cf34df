from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convatlas.errors import ConfigError, UnknownNameError
from convatlas.train import Config
from convatlas.train.config import change
from convatlas.train.sweep.space import Choice, Range, check, parse


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("lr=0.001..0.1:log", Range(0.001, 0.1, log=True)),
        ("lr=.001...1", Range(0.001, 0.1)),
        ("lr=1e-3..1E+2", Range(0.001, 100.0)),
        ("weight_decay=0..1e-3", Range(0.0, 0.001)),
        ("weight_decay=0..1", Range(0.0, 1.0)),
        ("epochs=5..20", Range(5, 20, whole=True)),
        ("batch_size=16..256:log", Range(16, 256, log=True, whole=True)),
        ("patience=1e1..20", Range(10, 20, whole=True)),
        ("size=32..64", Range(32, 64, whole=True)),
        ("batch_size=32,64,128", Choice((32, 64, 128))),
        ("optimizer=sgd, adamw", Choice(("sgd", "adamw"))),
        ("nesterov=True,False", Choice((True, False))),
        ("lr=None,0.1", Choice((None, 0.1))),
    ],
)
def test_what_is_searched(text: str, found: Range | Choice) -> None:
    name = text.partition("=")[0]
    assert parse([text, "flip=True,False"]) == {name: found, "flip": Choice((True, False))}
    kinds = {type(corner) for corner in parse([text])[name].corners}
    assert kinds == {type(corner) for corner in found.corners}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["lr"], "must be name=low..high"),
        (["=1..2"], "must be name=low..high"),
        (["lr=1"], "one value, which is no search: --with lr=1"),
        (["lr="], "a value on each side of a comma"),
        (["lr=1,,2"], "a value on each side of a comma"),
        (["lr=1,1"], "has a value twice"),
        (["lr=1..0.5"], "goes up, from 1 to more"),
        (["lr=1..1"], "goes up, from 1 to more"),
        (["lr=0..1:log"], "begins above 0, not at 0"),
        (["weight_decay=-1..1:log"], "begins above 0, not at -1"),
        (["lr=0.1..1:lin"], "low and high being numbers"),
        (["lr=0.1,1:log"], "low and high being numbers"),
        (["lr=0.1..inf"], "low and high being numbers"),
        (["lr=1..2..3"], "low and high being numbers"),
        (["epochs=1..2.5"], "whole numbers, and so must the ends be"),
        (["lr=1..2", "lr=2..3"], "searched twice"),
        (["drops=1,2"], "no single value"),
        (["recipe=fast,paper"], "no single value"),
        ([], "nothing to search"),
    ],
)
def test_what_is_not_understood_is_said_in_a_line(texts: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        parse(texts)
    assert "\n" not in str(refused.value)


def test_an_unknown_setting() -> None:
    with pytest.raises(UnknownNameError, match="unknown setting 'momentun': did you mean momentum"):
        parse(["momentun=0..1"])


@given(st.text())
def test_whatever_is_written_is_a_search_or_refused(text: str) -> None:
    try:
        space = parse([f"lr={text}"])
    except ConfigError:
        return
    assert len(set(map(repr, space["lr"].corners))) > 1


def test_every_corner_is_tried() -> None:
    tried: list[tuple[Any, Any]] = []

    def make(values: Mapping[str, Any]) -> Config:
        tried.append((values["lr"], values["batch_size"]))
        return change(Config(), **values)

    check(parse(["lr=0.1..0.5", "batch_size=32,64,128"]), make)
    assert set(tried) == {(0.1, 32), (0.5, 32), (0.1, 64), (0.1, 128)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("momentum=0..1", "momentum is 1.0, but it must be from 0 to below 1"),
        ("weight_decay=-1..1", "weight_decay is -1.0"),
        ("batch_size=32,many", "batch_size is 'many', but it must be a whole number"),
        ("optimizer=sgd,adam", "optimizer is 'adam', but it must be one of"),
        ("flip=0..1", "flip is 0"),
    ],
)
def test_a_value_that_a_run_would_refuse(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check(parse([text]), lambda values: change(Config(), **values))
