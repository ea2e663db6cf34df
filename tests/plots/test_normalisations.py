"""What is shaded, read back from the pixels, is what the layers average over."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convatlas import ops, plots
from convatlas.plots.canvas import BLUE
from convatlas.plots.normalisations import SHAPE

N, C, H, W = SHAPE
IN_ORDER: list[Callable[[Tensor], Tensor]] = [
    lambda x: ops.batch_norm(x, None, None, training=True),
    lambda x: ops.layer_norm(x, (C, H, W)),
    ops.instance_norm,
    lambda x: ops.group_norm(x, 2),
]


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    png = BytesIO()
    plots.normalisation_axes(png)
    return np.asarray(Image.open(png).convert("RGB"))


@pytest.mark.parametrize("place", range(4), ids=["batch", "layer", "instance", "group"])
def test_what_is_shaded_is_averaged(picture: NDArray[np.uint8], place: int) -> None:
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (reached,) = torch.autograd.grad(IN_ORDER[place](x)[0, 0, 0, 0], x)
    quarter = np.array_split(picture, 4, axis=1)[place]
    assert np.array_equal(shaded(quarter), (reached != 0).numpy())


def shaded(quarter: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each number ``(N, C, H, W)`` is blue, at the middle of its square."""
    is_blue = (quarter == [int(BLUE[i : i + 2], 16) for i in (1, 3, 5)]).all(-1)
    is_pale = (quarter == 0xE8).all(-1)
    drawn = is_blue | is_pale
    middles = np.ix_(between(drawn.sum(1), N * H), between(drawn.sum(0), C * W))
    assert drawn[middles].all()
    return is_blue[middles].reshape(N, H, C, W).transpose(0, 2, 1, 3)


def between(counts: NDArray[np.int64], squares: int) -> NDArray[np.int64]:
    """The middles of so many squares along an axis, given its pixels; letters have but few."""
    (pixels,) = np.nonzero(counts > counts.max() / 2)
    edges = np.linspace(pixels[0], pixels[-1] + 1, squares + 1)
    return ((edges[:-1] + edges[1:]) / 2).astype(np.int64)
