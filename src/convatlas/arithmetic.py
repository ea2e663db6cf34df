"""Output-size arithmetic: the one place where the library computes a shape from a formula.

`ops`, the errors of `nets` and the tables of `analysis` all call these functions, so that a size
and the line that explains it can never disagree: each returns a :class:`Size`, an integer that
remembers how it came about.

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), and the
last-window rule of PyTorch's ``ceil_mode``.
"""

from __future__ import annotations

from convatlas.errors import ShapeError


class Size(int):
    """An output size along one axis; ``.arithmetic`` is the line that gives it.

    >>> conv_output_size(224, 7, stride=2, padding=3).arithmetic
    '⌊(224+2·3−7)/2⌋+1 = 112'
    """

    arithmetic: str

    def __new__(cls, value: int, arithmetic: str) -> Size:
        """An integer and its line of arithmetic."""
        size = super().__new__(cls, value)
        size.arithmetic = arithmetic
        return size


def _signed(value: int) -> str:
    return str(value).replace("-", "−")


def _window(kernel: int, dilation: int) -> str:
    """The ``k`` of the formula: how many cells a (dilated) kernel spans."""
    return f"{kernel}" if dilation == 1 else f"({dilation}·({kernel}−1)+1)"


def _check(size: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    for name, value, least in (
        ("input size", size, 0),
        ("kernel", kernel, 1),
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
    ):
        if value < least:
            raise ShapeError(f"{name} is {_signed(value)}, but it must be at least {least}")


def conv_output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Size:
    """Cells that a convolution leaves along one axis: ``⌊(n + 2p − d(k−1) − 1)/s⌋ + 1``.

    Args:
        size: input cells n.
        kernel, stride, padding, dilation: k, s, p (each side) and d, in cells.

    Raises:
        ShapeError: an argument is out of range, or the kernel does not fit once; the message
            names the smallest input that would do.
    """
    _check(size, kernel, stride, padding, dilation)
    span = dilation * (kernel - 1) + 1
    out = (size + 2 * padding - span) // stride + 1
    text = f"⌊({size}+2·{padding}−{_window(kernel, dilation)})/{stride}⌋+1 = {_signed(out)}"
    return _at_least_one(out, text, size, span - 2 * padding)


def pool_output_size(
    size: int,
    kernel: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> Size:
    """Cells that a pooling layer leaves along one axis; ``stride`` defaults to ``kernel``.

    With ``ceil_mode`` the division rounds up, but a last window that would start in the right
    padding is dropped (PyTorch's rule, so that every window sees at least one input or left
    padding cell).

    Raises:
        ShapeError: as :func:`conv_output_size`; or the padding is more than half of the kernel,
            which PyTorch does not take, so that no undilated window lies in it alone.
    """
    stride = kernel if stride is None else stride
    _check(size, kernel, stride, padding, dilation)
    if 2 * padding > kernel:
        raise ShapeError(
            f"padding is {padding}, but it must be at most half of the kernel: "
            f"⌊{kernel}/2⌋ = {kernel // 2}"
        )
    if not ceil_mode:
        return conv_output_size(size, kernel, stride, padding, dilation)
    span = dilation * (kernel - 1) + 1
    out = -(-(size + 2 * padding - span) // stride) + 1
    text = f"⌈({size}+2·{padding}−{_window(kernel, dilation)})/{stride}⌉+1 = {_signed(out)}"
    if (out - 1) * stride >= size + padding:
        out -= 1
        text += f", less the window that starts in the padding = {_signed(out)}"
    return _at_least_one(out, text, size, span - 2 * padding - stride + 1)


def conv_transpose_output_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> Size:
    """Cells that a transposed convolution makes: ``(n−1)s − 2p + d(k−1) + output_padding + 1``.

    Raises:
        ShapeError: an argument is out of range, or nothing is left.
    """
    _check(size, kernel, stride, padding, dilation)
    if not 0 <= output_padding < max(stride, dilation):
        raise ShapeError(
            f"output_padding is {_signed(output_padding)}, but it must be at least 0 and smaller "
            f"than stride ({stride}) or dilation ({dilation})"
        )
    out = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1
    text = (
        f"({size}−1)·{stride}−2·{padding}+{_window(kernel, dilation)}"
        f"{f'+{output_padding}' if output_padding else ''} = {_signed(out)}"
    )
    least = -(-(2 * padding - dilation * (kernel - 1) - output_padding) // stride) + 1
    return _at_least_one(out, text, size, least)


def unpool_output_size(
    size: int,
    kernel: int,
    stride: int | None = None,
    padding: int = 0,
    output_size: int | None = None,
) -> Size:
    """Cells that max unpooling makes along one axis: ``(n−1)s − 2p + k``, or ``output_size``.

    Pooling rounds, so that maps of several sizes leave ``n`` cells: ``output_size`` says which it
    was, and may differ from the formula by less than a stride. ``stride`` defaults to ``kernel``.

    Raises:
        ShapeError: an argument is out of range, or nothing is left.
    """
    stride = kernel if stride is None else stride
    if output_size is None:
        return conv_transpose_output_size(size, kernel, stride, padding)
    _check(size, kernel, stride, padding, 1)
    usual = (size - 1) * stride - 2 * padding + kernel
    least, most = max(usual - stride + 1, 1), usual + stride - 1
    if not least <= output_size <= most:
        raise ShapeError(
            f"output_size is {_signed(output_size)}, but it must be between {least} and {most}, "
            f"less than a stride from ({size}−1)·{stride}−2·{padding}+{kernel} = {_signed(usual)}"
        )
    return Size(output_size, f"output_size = {output_size}")


def same_padding(kernel: int, dilation: int = 1) -> tuple[int, int]:
    """Cells before and after with which a convolution of stride 1 keeps the size.

    ``d(k−1)`` in all; where that is odd, the one more goes to the end (PyTorch's ``'same'``).

    Raises:
        ShapeError: an argument is out of range.
    """
    _check(0, kernel, 1, 0, dilation)
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def adaptive_window(index: int, size: int, output_size: int) -> tuple[int, int]:
    """Cells ``[⌊i·n/m⌋, ⌈(i+1)·n/m⌉)`` that cell ``i`` of an adaptive pooling averages."""
    return index * size // output_size, -(-(index + 1) * size // output_size)


def _at_least_one(out: int, text: str, size: int, least: int) -> Size:
    if out < 1 or size < 1:
        raise ShapeError(
            f"input size {size} is too small: {text}; the smallest that works is {max(least, 1)}"
        )
    return Size(out, text)
