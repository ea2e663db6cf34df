"""3×3 convolution with a quarter of the multiplications: Winograd's minimal filtering.

A tile of 6×6 cells gives 4×4 answers. Written out, these take 144 multiplications for each pair
of channels. In another basis they are 36 products, and a channel changes its basis once for all
the channels that it meets. (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
CVPR 2016, F(4×4, 3×3).) In float32 the answers differ from `conv2d`'s by some millionths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from convatlas.errors import ShapeError
from convatlas.ops.sliding import conv_slide, grouped, joined

_STEP, _SIDE = 4, 6  # cells from one tile to the next, and cells of one, each way
_TOGETHER = 256  # tiles in the works at a time: few enough to stay in the cache

# in the paper's letters, one answer is Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, for a tile d and a kernel g
_A = [[1, 0, 0, 0], [1, 1, 1, 1], [1, -1, 1, -1], [1, 2, 4, 8], [1, -2, 4, -8], [0, 0, 0, 1]]
_B = [
    [4, 0, 0, 0, 0, 0],
    [0, -4, 4, -2, 2, 4],
    [-5, -4, -4, -1, -1, 0],
    [0, 1, -1, 2, -2, -5],
    [1, 1, 1, 1, 1, 0],
    [0, 0, 0, 0, 0, 1],
]
_24_G = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]


def _both_ways(matrix: list[list[int]], share: int = 1) -> Tensor:
    """What changes the basis of rows and columns at once: of a tile laid out as one long vector."""
    one_way = torch.tensor(matrix, dtype=torch.float64) / share
    return torch.kron(one_way, one_way)


_A2, _B2, _G2 = _both_ways(_A), _both_ways(_B), _both_ways(_24_G, share=24)


def conv2d_winograd(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    padding: int | Sequence[int] | str = 0,
) -> Tensor:
    """What `conv2d` gives for kernels of 3×3 at stride 1, up to rounding, and much faster.

    Args:
        input: ``(N, C, H, W)``, fastest where it is channels-last, or one picture ``(C, H, W)``.
        weight: ``(O, C, 3, 3)``.
        bias, padding: as for `conv2d`.

    Returns:
        ``(N, O, H_out, W_out)``, channels-last, or ``(O, H_out, W_out)``; each axis as in
        `conv2d`. It can be differentiated once.

    Raises:
        ShapeError: kernels of another size, or what `conv2d` refuses.
        ConfigError, ArgumentTypeError: as `conv2d`.
    """
    x, kernels = grouped(input, weight, bias, 1, axes=2)
    if weight.shape[2:] != (3, 3):
        raise ShapeError(
            f"weight has shape {tuple(weight.shape)}, but Winograd's convolution takes kernels of "
            "3×3: use conv2d"
        )
    slide = conv_slide(x.shape[3:], weight, 1, padding, 1)
    tiling = _Tiling.of(slide.padding, slide.output_size)
    y: Tensor = _Convolution.apply(x.flatten(1, 2), kernels.flatten(0, 1), tiling)  # type: ignore[no-untyped-call]
    return joined(y.unsqueeze(1), bias, input)


class _Tiling(NamedTuple):
    """How pictures fall into tiles.

    Attributes:
        top, left: cells of zeros before a picture.
        height, width: of what comes out.
        rows, columns: of tiles; the last ones may answer for more than is asked.
    """

    top: int
    left: int
    height: int
    width: int
    rows: int
    columns: int

    @classmethod
    def of(cls, padding: Sequence[tuple[int, int]], size: Sequence[int]) -> Self:
        """The tiling for such padding, with answers of such a size."""
        return cls(*(before for before, _ in padding), *size, *(-(-n // _STEP) for n in size))

    def batches(self, pictures: int) -> Iterator[slice]:
        """Of so many pictures, those that are in the works together."""
        some = max(1, _TOGETHER // (self.rows * self.columns))
        return (slice(first, first + some) for first in range(0, pictures, some))


class _Convolution(torch.autograd.Function):
    """``(N, C, H, W)`` and kernels ``(O, C, 3, 3)`` to ``(N, O, height, width)``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, tiling: _Tiling) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.tiling = tiling
        x, kernels = x.permute(0, 2, 3, 1), _kernels(weight)
        y = x.new_empty(len(x), tiling.height, tiling.width, len(weight))
        for some in tiling.batches(len(x)):
            products = _tiles(x[some], tiling) @ kernels
            y[some] = _put_together(_changed(_A2.T, products), tiling)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """The same way back: each change of basis is its matrix transposed."""
        x, weight = ctx.saved_tensors
        by_x, by_weight, _ = ctx.needs_input_grad
        tiling: _Tiling = ctx.tiling
        x, slope, kernels = x.permute(0, 2, 3, 1), slope.permute(0, 2, 3, 1), _kernels(weight)
        x_slope, kernels_slope = x.new_empty(x.shape), torch.zeros_like(kernels)
        for some in tiling.batches(len(x)):
            products = _changed(_A2, _taken_apart(slope[some], tiling))
            if by_weight:
                kernels_slope.baddbmm_(_tiles(x[some], tiling).mT, products)
            if by_x:
                tiles = _changed(_B2, products @ kernels.mT)
                x_slope[some] = _overlaid(tiles, tiling, x.shape[1:3])
        weight_slope = _changed(_G2.T, kernels_slope).view(3, 3, *kernels.shape[1:])
        return (
            x_slope.permute(0, 3, 1, 2) if by_x else None,
            weight_slope.permute(3, 2, 0, 1) if by_weight else None,
            None,
        )


def _changed(basis: Tensor, cells: Tensor) -> Tensor:
    """``(cells, P, Q)`` in another basis: ``(others, P, Q)``."""
    return (basis.to(cells) @ cells.flatten(1)).view(-1, *cells.shape[1:])


def _kernels(weight: Tensor) -> Tensor:
    """Kernels in the basis of the products: ``(36, C, O)``."""
    return _changed(_G2, weight.permute(2, 3, 1, 0).flatten(0, 1))


def _tiles(x: Tensor, tiling: _Tiling) -> Tensor:
    """Overlapping tiles of ``(n, H, W, C)`` in that basis: ``(36, n · rows · columns, C)``."""
    _, _, _, _, rows, columns = tiling
    below = _STEP * rows + _SIDE - _STEP - tiling.top - x.shape[1]
    right = _STEP * columns + _SIDE - _STEP - tiling.left - x.shape[2]
    x = F.pad(x, (0, 0, tiling.left, right, tiling.top, below))
    n, y, z, c = x.stride()
    shape = (_SIDE, _SIDE, len(x), rows, columns, x.shape[3])
    tiles = x.as_strided(shape, (y, z, n, _STEP * y, _STEP * z, c))
    return _changed(_B2.T, tiles.reshape(_SIDE**2, -1, x.shape[3]))


def _put_together(answers: Tensor, tiling: _Tiling) -> Tensor:
    """``(16, n · rows · columns, O)``, side by side: ``(n, height, width, O)``."""
    answers = answers.view(_STEP, _STEP, -1, tiling.rows, tiling.columns, answers.shape[2])
    whole = answers.permute(2, 3, 0, 4, 1, 5).flatten(3, 4).flatten(1, 2)
    return whole[:, : tiling.height, : tiling.width]


def _taken_apart(y: Tensor, tiling: _Tiling) -> Tensor:
    """`_put_together`, turned round: zeros where more was answered than was asked."""
    below = _STEP * tiling.rows - tiling.height
    right = _STEP * tiling.columns - tiling.width
    y = F.pad(y, (0, 0, 0, right, 0, below)) if below or right else y
    y = y.reshape(-1, tiling.rows, _STEP, tiling.columns, _STEP, y.shape[3])
    return y.permute(2, 4, 0, 1, 3, 5).reshape(_STEP**2, -1, y.shape[5])


def _overlaid(tiles: Tensor, tiling: _Tiling, size: Sequence[int]) -> Tensor:
    """Tiles ``(36, n · rows · columns, C)`` added up where they overlap: ``(n, *size, C)``."""
    _, _, _, _, rows, columns = tiling
    tiles = tiles.view(_SIDE, _SIDE, -1, rows, columns, tiles.shape[2]).permute(2, 3, 0, 4, 1, 5)
    whole = tiles.new_zeros(len(tiles), rows + 1, _STEP, columns + 1, _STEP, tiles.shape[5])
    over = _SIDE - _STEP  # cells that reach into the next tile
    whole[:, :-1, :, :-1] = tiles[:, :, :_STEP, :, :_STEP]
    whole[:, 1:, :over, :-1] += tiles[:, :, _STEP:, :, :_STEP]
    whole[:, :-1, :, 1:, :over] += tiles[:, :, :_STEP, :, _STEP:]
    whole[:, 1:, :over, 1:, :over] += tiles[:, :, _STEP:, :, _STEP:]
    bottom, right = tiling.top + size[0], tiling.left + size[1]
    return whole.flatten(3, 4).flatten(1, 2)[:, tiling.top : bottom, tiling.left : right]
