"""Settings as a TOML file, to look at, to keep, and to train by again.

TOML has no null: a setting that is None is left out where None is what it is by default, and else
it is the word ``none``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import tomli_w

from convatlas.errors import ConfigError, UnknownNameError
from convatlas.train.config import Config

_NONE = "none"


def dumps(config: Config) -> str:
    """All settings, as TOML."""
    return tomli_w.dumps(to_table(config))


def load(path: Path) -> Config:
    """The settings of a file; what it leaves out is as in ``Config()``, whatever its recipe says.

    Raises:
        ConfigError: it cannot be read, or a value cannot be.
        UnknownNameError: there is no such setting.
    """
    return from_table(read(path), path)


def read(path: Path) -> dict[str, Any]:
    """What a TOML file says.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a TOML file") from None
    except ValueError as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None


def to_table(config: Config) -> dict[str, Any]:
    """All settings, as a table of TOML."""
    said = {}
    for field in fields(Config):
        value = getattr(config, field.name)
        if value is not None or field.default is not None:
            said[field.name] = _NONE if value is None else value
    return said


def from_table(found: Mapping[str, Any], path: Path) -> Config:
    """The settings of a table.

    Args:
        found: what it says.
        path: where, for the message.

    Raises:
        ConfigError: a value cannot be.
        UnknownNameError: there is no such setting.
    """
    kinds, values = get_type_hints(Config), dict(found)
    for name, value in found.items():
        if name not in kinds:
            raise UnknownNameError(f"setting in {path}", name, kinds)
        if value == _NONE and type(None) in get_args(kinds[name]):
            values[name] = None
    try:
        return Config(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
