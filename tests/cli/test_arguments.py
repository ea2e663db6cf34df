from __future__ import annotations

import pytest

from convatlas.cli.arguments import read_options, read_shape
from convatlas.errors import ConfigError


@pytest.mark.parametrize("text", ["3x224x192", "3X224X192", "3×224×192"])
def test_a_shape(text: str) -> None:
    assert read_shape(text) == (3, 224, 192)


@pytest.mark.parametrize(
    "text", ["", "224", "3x224", "3x224x", "3x-1x2", "axbxc", "1x2x3x4", "3x²x2"]
)
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="channels x height x width"):
        read_shape(text)


def test_options_are_literals_or_words() -> None:
    pairs = ["norm=group", "width=4", "bias=True", "depths=(1, 2)", "text=a=b", "empty="]
    assert read_options(pairs) == {
        "norm": "group",
        "width": 4,
        "bias": True,
        "depths": (1, 2),
        "text": "a=b",
        "empty": "",
    }


@pytest.mark.parametrize("pair", ["norm", "=group", "a-b=1", ""])
def test_an_option_without_a_name_or_a_value_is_refused(pair: str) -> None:
    with pytest.raises(ConfigError, match="name=value"):
        read_options([pair])
