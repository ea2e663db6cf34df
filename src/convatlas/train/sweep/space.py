"""What is searched: ``lr=0.001..0.1:log``, ``epochs=5..20``, ``batch_size=32,64,128``."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from convatlas.errors import ConfigError, UnknownNameError
from convatlas.train.config import Config

_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(:log)?")
_UNSEARCHED = ("recipe", "drops")  # a name for the record, and pairs of numbers
_HOW = "name=low..high, name=low..high:log or name=a,b,c"


@dataclass(frozen=True)
class Range:
    """All numbers from ``low`` to ``high``, both included.

    Attributes:
        low, high: its ends; whole numbers where ``whole``.
        log: even on a logarithmic scale: as many trials from .001 to .01 as from .01 to .1.
        whole: whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def corners(self) -> tuple[Any, ...]:
        """The values that every other one lies between."""
        return self.low, self.high


@dataclass(frozen=True)
class Choice:
    """A few values without an order."""

    values: tuple[Any, ...]

    @property
    def corners(self) -> tuple[Any, ...]:
        """The values."""
        return self.values


Space = Mapping[str, Range | Choice]


def parse(texts: Iterable[str]) -> dict[str, Range | Choice]:
    """What is searched, by setting.

    Args:
        texts: ``name=low..high``, of whole numbers where the setting is one, with ``:log`` behind
            it for a logarithmic scale; or ``name=a,b,c``.

    Raises:
        UnknownNameError: there is no such setting.
        ConfigError: it is written otherwise, is searched twice, or has fewer than two values.
    """
    kinds = get_type_hints(Config)
    space: dict[str, Range | Choice] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not (equals and name.isidentifier()):
            raise ConfigError(f"search {text!r} must be {_HOW}")
        if name not in kinds:
            raise UnknownNameError("setting", name, [n for n in kinds if n not in _UNSEARCHED])
        if name in _UNSEARCHED:
            raise ConfigError(f"search {text!r}: {name} is no single value that could be searched")
        if name in space:
            raise ConfigError(f"search {text!r}: {name} is searched twice: say it once")
        if ".." in values or ":" in values:
            space[name] = _range(text, values, get_args(kinds[name]) or (kinds[name],))
        else:
            space[name] = _choice(text, values)
    if not space:
        raise ConfigError("there is nothing to search: give --search lr=0.001..0.1:log, say")
    return space


def check(space: Space, make: Callable[[Mapping[str, Any]], Config]) -> None:
    """See that the ends of every range and all values of every list can be, before any is tried.

    Args:
        space: what is searched.
        make: the settings of a trial, out of the values of what is searched.

    Raises:
        ConfigError: one of them cannot be.
    """
    first = {name: one.corners[0] for name, one in space.items()}
    for name, one in space.items():
        for value in one.corners:
            make(first | {name: value})


def _range(text: str, values: str, kinds: tuple[Any, ...]) -> Range:
    found = _RANGE.fullmatch(values)
    if found is None:
        raise ConfigError(f"search {text!r} must be {_HOW}, low and high being numbers")
    low, high, log = float(found[1]), float(found[2]), found[3] is not None
    whole = int in kinds and float not in kinds
    if whole and not (low.is_integer() and high.is_integer()):
        raise ConfigError(f"search {text!r}: these are whole numbers, and so must the ends be")
    if not low < high:
        raise ConfigError(f"search {text!r}: a range goes up, from {low:g} to more than that")
    if log and low <= 0:
        raise ConfigError(f"search {text!r}: a logarithmic range begins above 0, not at {low:g}")
    return Range(int(low), int(high), log, True) if whole else Range(low, high, log)


def _choice(text: str, values: str) -> Choice:
    said = [value.strip() for value in values.split(",")]
    if not all(said):
        raise ConfigError(f"search {text!r} must be {_HOW}, with a value on each side of a comma")
    found = tuple(map(_value, said))
    if len(found) == 1:
        raise ConfigError(f"search {text!r} has one value, which is no search: --with {text}")
    if len(set(map(repr, found))) < len(found):
        raise ConfigError(f"search {text!r} has a value twice: say each once")
    return Choice(found)


def _value(text: str) -> Any:
    """A Python literal, or else a word."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
