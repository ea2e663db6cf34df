"""Settings as a TOML file, to look at, to keep, and to train by again.

TOML has no null: a setting that is None is left out where None is what it is by default, and else
it is the word ``none``.
"""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import tomli_w

from convatlas.errors import ConfigError, UnknownNameError
from convatlas.train.config import Config

_NONE = "none"


def dumps(config: Config) -> str:
    """All settings, as TOML."""
    said = {}
    for field in fields(Config):
        value = getattr(config, field.name)
        if value is not None or field.default is not None:
            said[field.name] = _NONE if value is None else value
    return tomli_w.dumps(said)


def load(path: Path) -> Config:
    """The settings of a file; what it leaves out is as in ``Config()``, whatever its recipe says.

    Raises:
        ConfigError: it cannot be read, or a value cannot be.
        UnknownNameError: there is no such setting.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a TOML file") from None
    except ValueError as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    kinds = get_type_hints(Config)
    for name, value in found.items():
        if name not in kinds:
            raise UnknownNameError(f"setting in {path}", name, kinds)
        if value == _NONE and type(None) in get_args(kinds[name]):
            found[name] = None
    try:
        return Config(**found)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
