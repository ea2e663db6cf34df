"""Cells against the plainest oracle: each cell as the set of pixels that it is computed from."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from convatlas.analysis.receptive_field import Cells
from convatlas.analysis.windows import Window

FAR = 150  # cells on each side of the middle that the oracle knows


class Pixels:
    """A row of cells as sets of pixels, cell 0 in the middle; what lies too far out is unknown."""

    def __init__(self) -> None:
        self.cells = {i: {i} for i in range(-FAR, FAR + 1)}

    def apply(self, window: Window) -> None:
        w, made = window, {}
        lowest, highest = min(self.cells), max(self.cells)
        for o in range(-FAR, FAR + 1):
            if w.kind == "transposed":
                taps = [
                    i
                    for i in range(lowest, highest + 1)
                    if 0 <= (t := o + w.padding - i * w.stride) <= w.dilation * (w.kernel - 1)
                    and t % w.dilation == 0
                ]
                reach = [
                    (o + w.padding - w.dilation * (w.kernel - 1)) // w.stride,
                    (o + w.padding) // w.stride,
                ]
            else:
                taps = [o * w.stride - w.padding + w.dilation * t for t in range(w.kernel)]
                reach = taps
            if min(reach) >= lowest and max(reach) <= highest:
                made[o] = set().union(*(self.cells[tap] for tap in taps))
        self.cells = made


windows = st.builds(
    Window,
    kind=st.sampled_from(["convolution", "pooling", "transposed"]),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 2),
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(windows, min_size=1, max_size=3))
def test_first_and_last_pixel_of_every_cell(layers: list[Window]) -> None:
    cells, oracle = Cells(), Pixels()
    for layer in layers:
        cells = layer.slide(cells)
        oracle.apply(layer)
    near = [o for o in oracle.cells if abs(o) <= 12]
    assert near
    for o in near:
        pixels = oracle.cells[o]
        assert cells[o] == ((min(pixels), max(pixels)) if pixels else None)


def test_a_strided_stack() -> None:
    """ResNet's stem: 7×7 of stride 2, then a 3×3 pool of stride 2: 7 + 2·2 = 11 pixels."""
    stem = Window("convolution", 7, 2, 3).slide(Cells())
    assert (stem.size, stem.stride, stem[0]) == (7, 2, (-3, 3))
    pooled = Window("pooling", 3, 2, 1).slide(stem)
    assert (pooled.size, pooled.stride, pooled[0]) == (11, 4, (-5, 5))


def test_a_finer_map_has_a_fraction_for_its_stride() -> None:
    fine = Window("transposed", 2, 2, 0).slide(Cells())
    assert (fine.size, fine.stride) == (1, Fraction(1, 2))
    assert [fine[o] for o in range(4)] == [(0, 0), (0, 0), (1, 1), (1, 1)]
    blended = Window("convolution", 3, 1, 1).slide(fine)
    assert blended.size == 2, "three neighbours of which two are the same pixel"
    assert Window("convolution", 2, 2, 0).slide(fine) == Cells(), "and back again"


def test_kernels_smaller_than_the_stride_leave_cells_that_see_nothing() -> None:
    sparse = Window("transposed", 1, 2, 0).slide(Cells())
    assert [sparse[o] for o in range(3)] == [(0, 0), None, (1, 1)]


def test_the_union_of_branches_is_as_wide_as_both() -> None:
    """A shifted shortcut widens the field by the shift, which sizes alone would not tell."""
    ahead = Cells().gather(lambda o: (o + 2,))
    assert Cells().union(ahead, 8).period == ((0, 2),)


def test_periods_of_different_length_join() -> None:
    fine = Window("transposed", 2, 2, 0).slide(Window("convolution", 1, 2, 0).slide(Cells()))
    assert fine.stride == Cells().stride
    joined = fine.union(Cells(), 8)
    assert [joined[o] for o in range(4)] == [(0, 0), (0, 1), (2, 2), (2, 3)]


def test_what_moves_joined_with_what_sees_all_sees_all() -> None:
    everything = Cells().whole(8)
    assert (everything.size, everything.stride) == (8, 0)
    assert Cells().union(everything, 8) == everything
    assert everything.union(Cells(), 8) == everything
