"""What the tests of several layers need: one layer held against another, slopes and all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

Layer = Callable[..., Tensor]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors here are so small that a second thread is only waited for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def agree() -> Callable[..., None]:
    """``agree(ours, theirs, *args, rtol=…, atol=…, **kwargs)``.

    Both are called with copies of the tensors. What they return, its derivative by every tensor
    that requires one, and what has become of the others (moving averages) must be the same.
    """

    def hold(
        ours: Layer, theirs: Layer, *args: Any, rtol: float, atol: float, **kwargs: Any
    ) -> None:
        found, expected = (_called(layer, args, kwargs) for layer in (ours, theirs))
        torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)

    return hold


@pytest.fixture(scope="session")
def parameters() -> Callable[[Layer], list[tuple[str, Any]]]:
    """The arguments of a function: names, order and defaults."""
    return lambda layer: [(p.name, p.default) for p in inspect.signature(layer).parameters.values()]


def _called(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    args = tuple(_fresh(value) for value in args)
    kwargs = {name: _fresh(value) for name, value in kwargs.items()}
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
    learned = [value for value in tensors if value.requires_grad]
    y = layer(*args, **kwargs)
    upstream = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view(y.shape)
    slopes = torch.autograd.grad(y, learned, upstream) if learned else ()
    return [y, *slopes, *(value for value in tensors if not value.requires_grad)]


def _fresh(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.detach().clone().requires_grad_(value.requires_grad)
