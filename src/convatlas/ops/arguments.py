"""What the layers have in common before they compute: their arguments, read and refused.

Every complaint names the argument, the value and the rule.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convatlas.errors import ArgumentTypeError, ShapeError

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
    """
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
