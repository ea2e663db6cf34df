from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from convatlas.errors import ConfigError, ConvAtlasError, UnknownNameError
from convatlas.train import RECIPES, Config, recipe
from convatlas.train.settings_file import dumps, load


@pytest.mark.parametrize(
    "config",
    [
        *(recipe(name) for name in RECIPES),
        *(recipe("paper", net) for net in ("lenet5", "alexnet", "googlenet", "resnet110")),
        Config(drops=(), lr=1e-300, steps=3, warmup=0.0, balance="none", seed=2**63 - 1),
        Config(lr=1, recipe='"quoted" = \\ \n'),
    ],
)
def test_what_is_written_is_read_again(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(dumps(config), encoding="utf-8")
    assert load(path) == config


def test_none_is_left_out_or_said() -> None:
    """``lr`` is None by default, ``repeat`` is not."""
    written = tomllib.loads(dumps(Config(lr=None, repeat=None)))
    assert "lr" not in written
    assert written["repeat"] == "none"
    assert written["balance"] == "none"  # a word of its own


def test_what_is_left_out_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "short.toml"
    path.write_text("epochs = 3\ndrops = [[0.5, 0.1]]\nrecipe = 'course'\n", encoding="utf-8")
    assert load(path) == Config(epochs=3, drops=((0.5, 0.1),), recipe="course")


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"epoch = 3", UnknownNameError, "unknown setting in {0} 'epoch': did you mean epochs"),
        (b"epochs = 0", ConfigError, "{0}: epochs is 0, but it must be at least 1"),
        (b"epochs = 'none'", ConfigError, "{0}: epochs is 'none', but it must be a whole number"),
        (b"flip = 1", ConfigError, "{0}: flip is 1, but it must be True or False"),
        (b"optimizer = 'adam'", ConfigError, "{0}: optimizer is 'adam', but it must be one of"),
        (b"drops = [0.5]", ConfigError, "{0}: drops is [0.5], but it must be pairs"),
        (b"drops = [['a', 1]]", ConfigError, "{0}: drops is [['a', 1]], but it must be pairs"),
        (b"optimizer = ['sgd']", ConfigError, "{0}: optimizer is ['sgd'], but it must be one of"),
        (b"size = [1]", ConfigError, "{0}: size is [1], but it must be"),
        (b"recipe = 3", ConfigError, "{0}: recipe is 3, but it must be a word"),
        (b"[loop]\nlr = 1", UnknownNameError, "unknown setting in {0} 'loop'"),
        (b"epochs: 3", ConfigError, "{0} is no TOML: "),
        (b"\xff", ConfigError, "{0} is no TOML: "),
        (None, ConfigError, "{0} cannot be read (No such file or directory): name a TOML file"),
    ],
)
def test_a_file_that_cannot_be(
    content: bytes | None, kind: type[ConvAtlasError], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "settings.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(kind) as raised:
        load(path)
    assert str(raised.value).startswith(said.format(path))
    assert "\n" not in str(raised.value)
