"""Which layers can be looked at, which options each takes, and an example of its input.

Plain data, which is read without torch. Names and defaults are those of ``torch.nn.functional``,
but for what the layers of ``torch.nn`` add: channels (``in``, ``out``) and the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: what an option can hold once it is read; a tuple is a number for each axis
Value = int | float | str | bool | tuple[int, ...] | None


@dataclass(frozen=True)
class Option:
    """How an option is written.

    Attributes:
        reads: whether its value is ``counts`` (``3``, or ``3x5`` for each axis), ``padding`` (the
            same, ``same`` or ``valid``), ``channels`` (a number, or ``in`` for as many as come
            in), a ``count``, a ``number`` or a ``switch`` (``yes`` or ``no``).
        says: what it is.
        short: a shorter name.
    """

    reads: str
    says: str
    short: str = ""


OPTIONS: dict[str, Option] = {
    "in": Option("channels", "channels that come in"),
    "out": Option("channels", "channels that go out"),
    "kernel": Option("counts", "cells of the window along each axis", "k"),
    "stride": Option("counts", "cells from one window to the next", "s"),
    "padding": Option("padding", "cells added on each side; of a transposed one cut off", "p"),
    "dilation": Option("counts", "cells from one tap of the window to the next", "d"),
    "groups": Option("channels", "parts that the channels are split into", "g"),
    "output_padding": Option("counts", "cells added at the end of the output"),
    "output_size": Option("counts", "cells of the output along each axis"),
    "ceil_mode": Option("switch", "round the output size up"),
    "return_indices": Option("switch", "keep the places of the maxima, and put them back"),
    "count_include_pad": Option("switch", "whether padding counts in the average"),
    "divisor_override": Option("count", "what the sum is divided by in place of the cells"),
    "bias": Option("switch", "add a learned number to each channel"),
    "size": Option("count", "channels of a neighbourhood"),
    "alpha": Option("number", "weight of the squares"),
    "beta": Option("number", "power of the divisor"),
    "k": Option("number", "what is added to the squares"),
    "eps": Option("number", "what is added to the variance"),
    "momentum": Option("number", "weight of the new value in the moving averages"),
    "p": Option("number", "probability of being dropped"),
    "target": Option("count", "the right class, counted from 0"),
}


@dataclass(frozen=True)
class Kind:
    """A layer that can be looked at.

    Attributes:
        name: of the function in `convatlas.ops`.
        family: what is shown of it.
        axes: that a window slides along; 0 where none does.
        shape: of an example, without the batch: ``(C, H, W)`` for two axes.
        options: every option that it takes, with its default.
    """

    name: str
    family: str
    axes: int
    shape: tuple[int, ...]
    options: Mapping[str, Value] = field(default_factory=dict)


_CHANNELS: dict[str, Value] = {"in": None, "out": None}
_SLIDE: dict[str, Value] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": False}
_POOL: dict[str, Value] = {"kernel": 2, "stride": None, "padding": 0}
_EPS: dict[str, Value] = {"eps": 1e-5}


def _sliding(axes: int) -> list[Kind]:
    """The layers that have a form for each number of axes."""

    def kind(family: str, side: int, **options: Value) -> Kind:
        return Kind(f"{family}{axes}d", family, axes, (1, *[side] * axes), options)

    kernel = 3 if axes < 3 else 2
    average: dict[str, Value] = {"ceil_mode": False, "count_include_pad": True}
    if axes > 1:
        average["divisor_override"] = None
    return [
        kind("conv", 4 if axes > 1 else 8, **_CHANNELS, kernel=kernel, **_SLIDE),
        kind("conv_transpose", 2, **_CHANNELS, kernel=kernel, **_SLIDE, output_padding=0),
        kind("max_pool", 4, **_POOL, dilation=1, ceil_mode=False, return_indices=False),
        kind("avg_pool", 4, **_POOL, **average),
        kind("adaptive_avg_pool", 5, output_size=3),
        kind("max_unpool", 2, **_POOL, output_size=None),
    ]


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *(kind for axes in (1, 2, 3) for kind in _sliding(axes)),
        Kind("linear", "linear", 0, (3,), {"in": None, "out": 4, "bias": False}),
        Kind("batch_norm", "norm", 0, (2, 2, 2), {**_EPS, "momentum": 0.1}),
        Kind("layer_norm", "norm", 0, (2, 2, 2), _EPS),
        Kind("instance_norm", "norm", 0, (2, 2, 2), _EPS),
        Kind("group_norm", "norm", 0, (4, 1, 2), {"groups": 2, **_EPS}),
        Kind(
            "local_response_norm",
            "lrn",
            0,
            (5, 1, 1),
            {"size": 3, "alpha": 1e-4, "beta": 0.75, "k": 1.0},
        ),
        Kind("dropout", "dropout", 0, (4, 4), {"p": 0.5}),
        *(
            Kind(name, "activation", 0, (7,))
            for name in ("sigmoid", "tanh", "relu", "leaky_relu", "prelu", "rrelu")
        ),
        Kind("softmax", "softmax", 0, (4,)),
        Kind("cross_entropy", "cross_entropy", 0, (4,), {"target": 0}),
    )
}


def plain(name: str) -> str:
    """A name without capitals, ``_`` and ``-``, so that ``MaxPool2d`` is ``max_pool2d``."""
    return name.lower().replace("_", "").replace("-", "")


#: every spelling that is understood, `plain`
SPELLINGS: dict[str, str] = {
    **{plain(name): name for name in KINDS},
    **{f"{plain(f'{n}_norm')}{d}d": f"{n}_norm" for n in ("batch", "instance") for d in (1, 2, 3)},
    "lrn": "local_response_norm",
    "crossentropyloss": "cross_entropy",
}
