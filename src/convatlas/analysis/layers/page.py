"""A look at a layer as text: what fits is written out, what does not is described."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from torch import Tensor

from convatlas.analysis.layers.result import Count, Look
from convatlas.analysis.layers.sizes import Feeds
from convatlas.analysis.layers.wording import number, times

_WIDTH = 100  # columns that blocks may fill beside each other
_MOST_NUMBERS = 256  # of an array that is written out
_WIDEST_MATRIX = 48  # rows and columns of one whose zeros are written as dots
_MOST_CELLS = 8  # output cells whose inputs are listed, along each axis
_MOST_TAPS = 16  # input cells of one output cell

Block = list[str]


def page(look: Look) -> str:
    """The whole look, a paragraph for each thing that there is to see."""
    return "\n\n".join("\n".join(block) for block in _paragraphs(look))


def _paragraphs(look: Look) -> Iterator[Block]:
    yield [
        str(look.layer),
        f"output      {_shapes(look)}",
        *(f"            {line}" for line in _arithmetic(look.arithmetic)),
        f"parameters  {_count(look.parameters)}",
        f"MACs        {_count(look.macs)}",
    ]
    if look.feeds:
        yield ["which input cells feed which output cell", *_fed(look.feeds, look.input[1:])]
    if look.found is None:
        yield ["too large for an example in numbers: give a smaller input"]
        return
    if look.found.notes:
        yield [
            line
            for note in look.found.notes
            for line in wrap(note, _WIDTH, initial_indent="- ", subsequent_indent="  ")
        ]
    yield from _beside([_titled(name, values) for name, values in look.found.numbers.items()])
    yield from _beside(
        [_titled(name, values, zero="·") for name, values in look.found.matrices.items()]
    )


def _shapes(look: Look) -> str:
    if look.layer.kind.family == "activation":
        return "any shape stays as it is"
    return f"{times(look.input)} → {times(look.output) or 'one number'}"


def _arithmetic(lines: dict[str, str]) -> Block:
    """One line where all axes agree; else each with its name."""
    if len(set(lines.values())) == 1:
        return [next(iter(lines.values()))]
    return [f"{axis}: {line}" for axis, line in lines.items()]


def _count(count: Count) -> str:
    return f"{count.formula} = {count.value:,}" if count.formula else f"{count.value:,}"


def _fed(feeds: dict[str, Feeds], sides: Sequence[int]) -> Block:
    """The cells along each axis; those in the padding in brackets."""
    same = len(set(feeds.values())) == 1 and len(set(sides)) == 1
    made: Block = []
    for (axis, cells), side in zip(feeds.items(), sides, strict=True):
        made.append(f"  {' and '.join(feeds)} alike" if same and len(feeds) > 1 else f"  {axis}")
        for cell, taps in enumerate(cells[:_MOST_CELLS]):
            inside = [str(i) if 0 <= i < side else f"[{i}]".replace("-", "−") for i in taps]
            if len(inside) > _MOST_TAPS:
                inside[3:-1] = ["…"]
            made.append(f"    {cell} ← {' '.join(inside) or 'none: it is 0'}")
        if len(cells) > _MOST_CELLS:
            made.append(f"    … and so on to {len(cells) - 1}")
        if same:
            break
    if any(
        not 0 <= i < n for c, n in zip(feeds.values(), sides, strict=True) for t in c for i in t
    ):
        made.append("  [ ] is padding")
    return made


def _titled(name: str, values: Tensor, zero: str = "0") -> Block:
    """An array under its name and shape."""
    shape = f"  {times(values.shape)}" if values.dim() > 1 else ""
    return [name + shape, *written(values, zero)]


def written(values: Tensor, zero: str = "0") -> Block:
    """Rows of numbers, a matrix for each of the outer places; or bounds where they are many."""
    if zero != "0" and max(values.shape) > _WIDEST_MATRIX:
        return ["  too large to be written out; it can be drawn"]
    if zero == "0" and values.numel() > _MOST_NUMBERS:
        low, high, mean = values.min(), values.max(), values.double().mean()
        return [f"  from {number(low)} to {number(high)}, mean {number(mean)}"]
    if values.shape[-2:] == (1, 1):
        values = values[..., 0, 0]
    if values.dim() < 2:
        return _rows(values.reshape(1, -1), zero)
    outer = values.shape[:-2]
    matrices = values.reshape(-1, *values.shape[-2:])
    if len(matrices) == 1:
        return _rows(matrices[0], zero)
    blocks = []
    for index, matrix in enumerate(matrices):
        place, rest = [], index
        for size in reversed(outer):
            rest, at = divmod(rest, size)
            place.append(str(at))
        blocks.append([f"  [{', '.join(reversed(place))}]", *_rows(matrix, zero)])
    return [line for block in _beside(blocks) for line in block]


def _rows(matrix: Tensor, zero: str) -> Block:
    cells = [[zero if value == 0 else number(value) for value in row] for row in matrix]
    width = max((len(cell) for row in cells for cell in row), default=0)
    return ["  " + " ".join(cell.rjust(width) for cell in row) for row in cells]


def _beside(blocks: Sequence[Block]) -> Iterator[Block]:
    """Blocks next to each other, as many as fit in a paragraph."""
    row: Block = []
    for block in blocks:
        width = max(map(len, block))
        filled = max(map(len, row), default=0)
        if row and filled + 4 + width > _WIDTH:
            yield [line.rstrip() for line in row]
            row = []
            filled = 0
        if not row:
            row = list(block)
            continue
        height = max(len(row), len(block))
        left = [*row, *[""] * (height - len(row))]
        right = [*block, *[""] * (height - len(block))]
        row = [f"{a.ljust(filled)}    {b}" for a, b in zip(left, right, strict=True)]
    if row:
        yield [line.rstrip() for line in row]
