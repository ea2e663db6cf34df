"""Which pixels a cell of a feature map sees, exactly, along one axis.

A map is a row of cells, and every cell sees an interval of pixels. The intervals repeat: behind
convolutions and pooling each cell sees what the one before it sees, moved on by the *stride* (also
called jump). Behind a transposed convolution or an upsampling a few cells share the pattern, which
is why a :class:`Cells` holds one period of it rather than a single interval.

Everything follows from one operation, :meth:`Cells.gather`: an output cell sees the union of the
cells that it is computed from. Branches meet in :meth:`Cells.union`, so residual and Inception
graphs are exact too. Pixels outside the picture (padding) count, as in the literature: the field
is a property of the layers, not of the picture's size.

Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks"
(Distill, 2019), here with intervals in place of sizes and strides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

Interval = tuple[int, int]  # first and last pixel seen, both included


@dataclass(frozen=True)
class Cells:
    """A row of cells and the pixels they see; the default is the picture's own pixels.

    Attributes:
        period: what cells 0, 1, … of one period see; None is a cell that sees nothing.
        advance: pixels from a cell to the one a period later; 0 where all see the same.
    """

    period: tuple[Interval | None, ...] = ((0, 0),)
    advance: int = 1

    def __getitem__(self, cell: int) -> Interval | None:
        turns, phase = divmod(cell, len(self.period))
        seen = self.period[phase]
        return seen and (seen[0] + turns * self.advance, seen[1] + turns * self.advance)

    @property
    def size(self) -> int:
        """Pixels that the cell with the widest view sees, from the first to the last."""
        return max((last - first + 1 for first, last in filter(None, self.period)), default=0)

    @property
    def stride(self) -> Fraction:
        """Pixels between the views of neighbours; below 1 on a map finer than the picture."""
        return Fraction(self.advance, len(self.period))

    def gather(self, taps: Callable[[int], Iterable[int]], every: int = 1, step: int = 1) -> Cells:
        """The cells of a layer on top: its cell ``o`` is computed from the cells ``taps(o)``.

        Args:
            taps: input cells of an output cell; outside the map they are padding.
            every, step: the pattern of the taps: every ``every`` outputs they move on by ``step``.
        """
        repeats = len(self.period) // math.gcd(len(self.period), step)
        seen = tuple(_cover(self[tap] for tap in taps(o)) for o in range(every * repeats))
        return Cells(seen, self.advance * step * repeats // len(self.period)).shortest()

    def whole(self, count: int) -> Cells:
        """What sees all ``count`` cells at once: global pooling, a dense layer."""
        return Cells((_cover(self[cell] for cell in range(count)),), 0)

    def union(self, other: Cells, count: int) -> Cells:
        """Two maps of ``count`` cells joined cell by cell: an addition, a concatenation.

        Where their strides differ (a map times a global average), cells see ever more of each
        other's pixels, and all that both see together is the bound that is returned.
        """
        if self.stride != other.stride:
            return Cells((_cover((*self.whole(count).period, *other.whole(count).period)),), 0)
        length = math.lcm(len(self.period), len(other.period))
        seen = tuple(_cover((self[cell], other[cell])) for cell in range(length))
        return Cells(seen, self.advance * length // len(self.period)).shortest()

    def shortest(self) -> Cells:
        """The same cells with the shortest period that tells them."""
        length = len(self.period)
        for short in range(1, length):
            advance, odd = divmod(self.advance * short, length)
            if length % short or odd:
                continue
            made = Cells(self.period[:short], advance)
            if all(made[cell] == self.period[cell] for cell in range(length)):
                return made
        return self


def _cover(intervals: Iterable[Interval | None]) -> Interval | None:
    """The smallest interval that covers them all."""
    seen = [interval for interval in intervals if interval is not None]
    return (min(first for first, _ in seen), max(last for _, last in seen)) if seen else None
