"""What the layers have in common before they compute: their arguments, read and refused.

Every complaint names the argument, the value and the rule.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convatlas.errors import ArgumentTypeError, ConfigError, ShapeError

#: how the axes of a picture are called, by their number
AXES = {1: "L", 2: "H, W", 3: "D, H, W"}


def per_axis(name: str, value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """A number for each axis, where PyTorch takes one number for them all.

    Raises:
        ArgumentTypeError: something else than integers.
        ShapeError: neither one number nor one for each axis.
    """
    values = (value,) if isinstance(value, int) else value
    if not isinstance(values, Sequence) or not all(map(_is_integer, values)):
        raise ArgumentTypeError(f"{name} is {value!r}, but it must be an integer or {axes} of them")
    if len(values) not in (1, axes):
        raise ShapeError(f"{name} is {value!r}, but it must be one number or {axes}, one an axis")
    return tuple(values) * axes if len(values) == 1 else tuple(values)


def _is_integer(value: object) -> bool:
    """True is an int to Python, but no stride."""
    return isinstance(value, int) and not isinstance(value, bool)


def batched(x: Tensor, axes: int, name: str = "input") -> tuple[Tensor, bool]:
    """``x`` as a batch ``(N, C, …)``, and whether it came as a single picture ``(C, …)``.

    Raises:
        ShapeError: it has the dimensions of neither.
        ArgumentTypeError: it is no tensor.
    """
    tensors(**{name: x})
    if x.dim() not in (axes + 1, axes + 2):
        raise ShapeError(
            f"{name} has shape {tuple(x.shape)}, but it must be (N, C, {AXES[axes]}) "
            f"or (C, {AXES[axes]})"
        )
    single = x.dim() == axes + 1
    return (x.unsqueeze(0) if single else x), single


def same_dtype(input: Tensor, **others: Tensor | None) -> None:  # noqa: A002
    """Refuse what is no tensor, and tensors of another number format than the input's.

    Raises:
        ArgumentTypeError: with the name and both formats.
    """
    given = {name: other for name, other in others.items() if other is not None}
    tensors(input=input, **given)
    for name, other in given.items():
        if other.dtype != input.dtype:
            raise ArgumentTypeError(
                f"{name} is {other.dtype}, but it must be {input.dtype} as the input is"
            )


def tensors(**arguments: Tensor) -> None:
    """Refuse what is no tensor.

    Raises:
        ArgumentTypeError: with the name and the type that it has.
    """
    for name, value in arguments.items():
        if not isinstance(value, Tensor):
            raise ArgumentTypeError(f"{name} is a {type(value).__name__}, but it must be a tensor")


def real_floating(input: Tensor) -> None:  # noqa: A002
    """Refuse what is no tensor of real floating numbers.

    Raises:
        ArgumentTypeError: with the format that it has.
    """
    tensors(input=input)
    if not input.is_floating_point():
        raise ArgumentTypeError(f"input is {input.dtype}, but it must be of a floating type")


def numbers(**arguments: float) -> None:
    """Refuse what is no number.

    Raises:
        ArgumentTypeError: with the name and the value.
    """
    for name, value in arguments.items():
        if not isinstance(value, int | float):
            raise ArgumentTypeError(f"{name} is {value!r}, but it must be a number")


def switches(**arguments: bool) -> None:
    """Refuse what is neither True nor False.

    Raises:
        ArgumentTypeError: with the name and the value.
    """
    for name, value in arguments.items():
        if not isinstance(value, bool):
            raise ArgumentTypeError(f"{name} is {value!r}, but it must be True or False")


def integers(**arguments: int) -> None:
    """Refuse what is no integer.

    Raises:
        ArgumentTypeError: with the name and the value.
    """
    for name, value in arguments.items():
        if not _is_integer(value):
            raise ArgumentTypeError(f"{name} is {value!r}, but it must be an integer")


def at_least_one(name: str, value: int) -> None:
    """Refuse a count that is no integer, or none of a thing.

    Raises:
        ArgumentTypeError: something else than an integer.
        ShapeError: 0 or less.
    """
    integers(**{name: value})
    if value < 1:
        raise ShapeError(f"{name} is {value}, but it must be at least 1")


def not_a_leaf(input: Tensor) -> None:  # noqa: A002
    """Refuse to write into a tensor whose gradient is wanted at the value that it has.

    Raises:
        ConfigError: it is a leaf that requires a gradient.
    """
    if input.requires_grad and input.is_leaf and torch.is_grad_enabled():
        raise ConfigError(
            "inplace is True, but input is a leaf that requires a gradient: it must keep its value"
        )
