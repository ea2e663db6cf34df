"""PyTorch's published sample inputs: all agree, and what PyTorch refuses is refused here.

``torch.testing._internal…op_db`` holds the inputs that PyTorch tests its own operators with. Every
sample of every function in `convatlas.ops` goes through both, in float64: values, first
derivatives by every input that has any, and the errors.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from convatlas import ops
from convatlas.errors import ConvAtlasError

pytest.importorskip("expecttest", reason="PyTorch's sample inputs need expecttest")

#: functions that PyTorch lists as ``torch.…``; the others are ``torch.nn.functional.…``
TORCH = {"softmax", "tanh", "sigmoid"}
#: drawn at random: exact only in evaluation and at p = 0 and 1 (tests of their own see to the rest)
RANDOM = {"dropout", "rrelu"}
#: samples in float64 sum the same numbers in another order: a few units in the 15th digit
TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}
COUNT: Counter[str] = Counter()


def published() -> Iterator[tuple[str, Any]]:
    """Every operator of PyTorch's list that `convatlas.ops` has, with its name here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    for info in op_db:
        name = info.name.removeprefix("nn.functional.")
        if name in ops.__all__ and (info.name != name or name in TORCH):
            yield name, info


OPERATORS = [
    pytest.param(name, info, id=f"{name} {info.variant_test_name}".strip())
    for name, info in published()
]


def test_every_function_of_ours_is_asked() -> None:
    """The functions that PyTorch publishes samples for, all of them."""
    asked = {parameter.values[0] for parameter in OPERATORS}
    assert asked == {
        *(f"{kind}{n}d" for n in (1, 2, 3) for kind in KINDS_BY_AXES),
        *("linear", "dropout", "local_response_norm"),
        *("batch_norm", "layer_norm", "instance_norm", "group_norm"),
        *("sigmoid", "tanh", "relu", "leaky_relu", "prelu", "rrelu", "softmax", "cross_entropy"),
    }


KINDS_BY_AXES = (
    "conv",
    "conv_transpose",
    "max_pool",
    "avg_pool",
    "adaptive_avg_pool",
    "max_unpool",
)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "info"), OPERATORS)
def test_every_sample_agrees(name: str, info: Any) -> None:
    ours = getattr(ops, name)
    before = COUNT["samples"]
    for sample in samples(info):
        if name in RANDOM and is_random(ours, sample):
            COUNT["samples left to the tests of distributions"] += 1
            continue
        expected = called(info.op, sample)
        found = called(ours, sample)
        torch.testing.assert_close(found, expected, **TOLERANCE, equal_nan=True)
        COUNT["samples"] += 1
    assert COUNT["samples"] > before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "info"), [p for p in OPERATORS if p.values[1].error_inputs_func is not None]
)
def test_every_error_is_refused_here_too(name: str, info: Any) -> None:
    ours = getattr(ops, name)
    arguments = set(inspect.signature(ours).parameters) | {"kernel"}
    for error in info.error_inputs("cpu"):
        sample = error.sample_input
        with pytest.raises((ValueError, TypeError)) as raised:
            ours(sample.input, *sample.args, **sample.kwargs)
        assert isinstance(raised.value, ConvAtlasError)
        said = str(raised.value)
        assert "\n" not in said
        assert any(re.search(rf"\b{argument}\b", said) for argument in arguments), said
        COUNT["error inputs"] += 1


def test_the_count_is_stated(capsys: pytest.CaptureFixture[str]) -> None:
    """Last, since it reports on the tests above."""
    with capsys.disabled():
        print(f"\nPyTorch's published inputs: {dict(sorted(COUNT.items()))}")


def samples(info: Any) -> Iterator[Any]:
    """The operator's samples and, where there are more, its reference samples."""
    yield from info.sample_inputs("cpu", torch.float64, requires_grad=True)
    if info.reference_inputs_func is not None:
        yield from info.reference_inputs("cpu", torch.float64, requires_grad=True)


def is_random(function: Callable[..., Any], sample: Any) -> bool:
    """Whether dropout or rrelu would draw."""
    bound = inspect.signature(function).bind(sample.input, *sample.args, **sample.kwargs)
    bound.apply_defaults()
    given = bound.arguments
    return bool(given["training"]) and given.get("p") not in (0, 1, 0.0, 1.0)


def called(function: Callable[..., Any], sample: Any) -> list[Tensor]:
    """Every tensor that the function gives, and its derivative by every input that has one.

    The gradient that comes back is made of distinct numbers, so that a sum over the wrong axes
    cannot hide; arguments are copied, for some functions write to them (moving averages).
    """

    def fresh(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        return leaf.detach().clone().requires_grad_(leaf.requires_grad)

    given = tree_map(fresh, (sample.input, list(sample.args), dict(sample.kwargs)))
    first, args, kwargs = given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # softmax without a dim, say
        result = function(first, *args, **kwargs)
    outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
    inputs = [leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor)]
    differentiable = [x for x in inputs if x.requires_grad]
    grown = [y for y in outputs if y.requires_grad]
    if not (differentiable and grown):
        return [*outputs, *(x for x in inputs if not x.requires_grad)]
    upstream = [torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y) for y in grown]
    slopes = torch.autograd.grad(grown, differentiable, upstream, allow_unused=True)
    # an input that is not reached has no derivative in the one library and zeros in the other
    filled = [
        torch.zeros_like(x) if slope is None else slope
        for x, slope in zip(differentiable, slopes, strict=True)
    ]
    # buffers come back too: batch norm has moved its averages
    return [*outputs, *filled, *(x for x in inputs if not x.requires_grad)]
