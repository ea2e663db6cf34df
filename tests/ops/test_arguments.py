"""Arguments of the wrong type: PyTorch refuses them, and so do we, by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from convatlas import ops
from convatlas.errors import ArgumentTypeError

X = torch.ones(1, 2, 4, 4)
LOGITS, TARGET = torch.ones(3, 4), torch.tensor([0, 1, 2])
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    *((f"max_pool{n}d", ([1.0], 2), {}, "input") for n in (1, 2, 3)),
    *((f"avg_pool{n}d", ([1.0], 2), {}, "input") for n in (1, 2, 3)),
    ("adaptive_avg_pool1d", ([1.0], 2), {}, "input"),
    ("max_unpool2d", (X, [0], 2), {}, "indices"),
    ("linear", (LOGITS, None), {}, "weight"),
    ("prelu", (X, None), {}, "weight"),
    ("max_pool2d", (X, 2), {"ceil_mode": 1}, "ceil_mode"),
    ("avg_pool2d", (X, 2), {"ceil_mode": "no"}, "ceil_mode"),
    ("avg_pool2d", (X, 2), {"count_include_pad": None}, "count_include_pad"),
    ("dropout", (X,), {"training": "no"}, "training"),
    ("rrelu", (X,), {"training": 1}, "training"),
    ("batch_norm", (X, None, None), {"training": 1}, "training"),
    ("instance_norm", (X,), {"use_input_stats": "no"}, "use_input_stats"),
    ("cross_entropy", (LOGITS, TARGET), {"ignore_index": None}, "ignore_index"),
    ("cross_entropy", (LOGITS, TARGET), {"ignore_index": 1.5}, "ignore_index"),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "argument"), CASES)
def test_a_wrong_type_is_refused_by_name(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], argument: str
) -> None:
    with pytest.raises(TypeError):
        getattr(F, name)(*args, **kwargs)
    with pytest.raises(ArgumentTypeError, match=f"^{argument} is "):
        getattr(ops, name)(*args, **kwargs)


def test_unpooling_takes_floating_numbers_alone() -> None:
    whole, places = torch.ones(1, 1, 1, dtype=torch.int64), torch.zeros(1, 1, 1, dtype=torch.int64)
    with pytest.raises(NotImplementedError):
        F.max_unpool1d(whole, places, [2])
    with pytest.raises(ArgumentTypeError, match=r"input is torch\.int64"):
        ops.max_unpool1d(whole, places, [2])
