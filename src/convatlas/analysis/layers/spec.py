"""A layer as people write it: ``conv2d k=5 s=2 p=1 g=4 in=64 out=64 x2``.

A kind, then options in any order, and how often the layer is repeated. A chain of layers has commas
between them. Read without torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from convatlas.analysis.layers.kinds import KINDS, OPTIONS, SPELLINGS, Kind, Value, plain
from convatlas.analysis.layers.wording import times
from convatlas.errors import ConfigError, ShapeError, UnknownNameError

_MOST_REPEATS = 1000


@dataclass(frozen=True)
class Layer:
    """A layer, as it was asked for.

    Attributes:
        kind: which one.
        options: all that the kind takes, by their whole names; each is a `kinds.Value`.
        repeat: how often it stands in a row.
    """

    kind: Kind
    options: Mapping[str, Any]
    repeat: int = 1

    def __str__(self) -> str:
        said = (f"{name}={_written(value)}" for name, value in self.options.items())
        given = [text for text in said if not text.endswith("=")]
        return " ".join([self.kind.name, *given, *([f"x{self.repeat}"] if self.repeat > 1 else [])])

    def settled(self, shape: tuple[int, ...]) -> Layer:
        """The same for an input of ``shape`` without the batch: what was left open in numbers.

        Raises:
            ShapeError: the input has other axes, ``in`` is not what comes in, or ``groups`` does
                not divide the channels.
        """
        axes = self.kind.axes
        if axes and len(shape) != axes + 1:
            raise ShapeError(
                f"input {times(shape)} has {len(shape) - 1} axes beside its channels, but "
                f"{self.kind.name} slides along {axes}"
            )
        options = dict(self.options)
        # a dense layer takes all cells of all channels as its features
        channels = math.prod(shape) if self.kind.name == "linear" else shape[0]
        for name in ("in", "out", "groups"):
            if name in options and options[name] in (None, "in"):
                options[name] = channels
        if "stride" in options and options["stride"] is None:
            options["stride"] = options["kernel"]
        if options.get("in", channels) != channels:
            raise ShapeError(
                f"in is {options['in']}, but the input {times(shape)} has {channels}"
                f" {'features' if self.kind.name == 'linear' else 'channels'}"
            )
        for name, count in (("in", channels), ("out", options.get("out"))):
            groups = options.get("groups", 1)
            if count is not None and count % groups:
                raise ShapeError(
                    f"groups is {groups}, but it must divide the {count} channels that go {name}: "
                    f"{count} = {count // groups}·{groups} + {count % groups}"
                )
        return replace(self, options=options)

    def example(self) -> tuple[int, ...]:
        """The shape of an input to show it with: the kind's, with the channels that it asks for."""
        channels = self.options.get("in")
        return self.kind.shape if channels is None else (channels, *self.kind.shape[1:])


def read_layer(text: str) -> Layer:
    """One layer out of its line.

    Raises:
        UnknownNameError: there is no such kind, or the kind has no such option.
        ConfigError: an option is written otherwise.
    """
    if not text.strip():
        raise ConfigError("a layer is missing: conv2d k=3, say; a comma stands between two")
    first, *words = text.split()
    if plain(first) not in SPELLINGS:
        raise UnknownNameError("layer", first, KINDS)
    kind = KINDS[SPELLINGS[plain(first)]]
    options = dict(kind.options)
    repeat = 1
    for word in words:
        if re.fullmatch(r"x\d+", word):
            repeat = int(word[1:])
            if not 1 <= repeat <= _MOST_REPEATS:
                raise ConfigError(
                    f"{word} repeats {kind.name}, but it must be from x1 to x{_MOST_REPEATS}"
                )
            continue
        name, equals, value = word.partition("=")
        if not (equals and value):
            raise ConfigError(f"option {word!r} of {kind.name} must be name=value: kernel=3, say")
        name = _option(kind, name)
        options[name] = READERS[OPTIONS[name].reads](name, value)
    return Layer(kind, options, repeat)


def read_chain(text: str) -> tuple[Layer, ...]:
    """Layers one behind the other: ``conv2d k=1 out=64, conv2d k=3, conv2d k=1 out=256``."""
    return tuple(read_layer(part) for part in text.split(","))


def read_input(text: str, layer: Layer) -> tuple[int, ...]:
    """The shape of an input without the batch, ``1x28x28`` say.

    Raises:
        ConfigError: it is written otherwise, or has not the axes that the layer slides along.
    """
    kind = layer.kind
    parts = text.lower().replace("×", "x").split("x")
    right = len(parts) == kind.axes + 1 if kind.axes else len(parts) <= 4
    if not right or not all(re.fullmatch(r"\d+", part) and int(part) > 0 for part in parts):
        axes = {1: "x length", 2: "x height x width", 3: "x depth x height x width"}
        form = f"channels {axes[kind.axes]}, each" if kind.axes else "one to four sizes, each"
        raise ConfigError(
            f"input is {text!r}, but {kind.name} takes {form} at least 1: "
            f"{times(kind.shape).replace('×', 'x')}, say"
        )
    return tuple(map(int, parts))


def _option(kind: Kind, name: str) -> str:
    """The whole name of an option: as it is, or by its short one."""
    name = name.replace("-", "_")
    short = {OPTIONS[known].short: known for known in kind.options if OPTIONS[known].short}
    whole = name if name in kind.options else short.get(name, "")
    if not whole and not kind.options:
        raise ConfigError(f"{name!r} was given, but {kind.name} has no options")
    if not whole:
        raise UnknownNameError(f"option of {kind.name}", name, kind.options)
    return whole


def _counts(name: str, text: str) -> int | tuple[int, ...]:
    """A number, or one for each axis: ``3``, ``3x5``."""
    parts = text.split("x")
    if not all(re.fullmatch(r"-?\d+", part) for part in parts):
        raise ConfigError(f"{name} is {text!r}, but it must be an integer, or one an axis: 3x5")
    numbers = tuple(map(int, parts))
    return numbers[0] if len(numbers) == 1 else numbers


def _count(name: str, text: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise ConfigError(f"{name} is {text!r}, but it must be an integer")
    return int(text)


def _padding(name: str, text: str) -> Value:
    if text in ("same", "valid"):
        return text
    if text.isalpha():
        raise ConfigError(f"{name} is {text!r}, but it must be integers, or the word same or valid")
    return _counts(name, text)


def _channels(name: str, text: str) -> Value:
    if text == "in" and name != "in":
        return text
    if not (re.fullmatch(r"\d+", text) and int(text) > 0):
        rule = "an integer of at least 1" + (" or the word in" if name != "in" else "")
        raise ConfigError(f"{name} is {text!r}, but it must be {rule}")
    return int(text)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"{name} is {text!r}, but it must be a number")
    return value


def _switch(name: str, text: str) -> bool:
    meanings = {"yes": True, "true": True, "no": False, "false": False}
    if text.lower() not in meanings:
        raise ConfigError(f"{name} is {text!r}, but it must be yes or no")
    return meanings[text.lower()]


READERS = {
    "count": _count,
    "counts": _counts,
    "padding": _padding,
    "channels": _channels,
    "number": _number,
    "switch": _switch,
}


def _written(value: Value) -> str:
    """As it is typed; nothing where the default says it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return times(value).replace("×", "x")
    return f"{value:g}" if isinstance(value, float) else str(value)
