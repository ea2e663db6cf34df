"""``convatlas layer KIND …``: one layer under the glass; ``convatlas layer compare …``: several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from convatlas.analysis.layers.kinds import KINDS, OPTIONS
from convatlas.analysis.layers.spec import Layer, read_input, read_layer
from convatlas.cli.screen import console, print_json
from convatlas.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from rich.table import Table

    from convatlas.analysis.layers.compare import Comparison
    from convatlas.analysis.layers.result import Look

#: a file, or nothing for one that is named after the layer
_OptionalFile = tyro.constructors.PrimitiveConstructorSpec[Path](
    nargs=(0, 1),
    metavar="[FILE]",
    instance_from_str=lambda said: Path(*said),
    is_instance=lambda value: isinstance(value, Path),
    str_from_instance=lambda path: [str(path)],
)


def layer(
    words: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="KIND [NAME=VALUE ...]")
    ] = (),
    /,
    input: Annotated[str | None, tyro.conf.arg(metavar="CxHxW")] = None,  # noqa: A002
    out: Annotated[str | None, tyro.conf.arg(metavar="C")] = None,
    kernel: Annotated[str | None, tyro.conf.arg(metavar="K")] = None,
    stride: Annotated[str | None, tyro.conf.arg(metavar="S")] = None,
    padding: Annotated[str | None, tyro.conf.arg(metavar="P")] = None,
    dilation: Annotated[str | None, tyro.conf.arg(metavar="D")] = None,
    groups: Annotated[str | None, tyro.conf.arg(metavar="G")] = None,
    output_padding: Annotated[str | None, tyro.conf.arg(metavar="N")] = None,
    output_size: Annotated[str | None, tyro.conf.arg(metavar="N")] = None,
    ceil_mode: bool = False,
    return_indices: bool = False,
    weights: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    image: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    png: Annotated[Path | None, _OptionalFile, tyro.conf.arg(aliases=["--plot"])] = None,
    draw: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    json: bool = False,
) -> None:
    """Show what a layer computes: sizes, cost, matrix, numbers.

    Kinds: conv, conv_transpose, max_pool, avg_pool, adaptive_avg_pool and max_unpool, with 1d, 2d
    or 3d behind the name (conv2d, say); linear, batch_norm, layer_norm, instance_norm, group_norm,
    local_response_norm, dropout, sigmoid, tanh, relu, leaky_relu, prelu, rrelu, softmax,
    cross_entropy. PyTorch's spellings (MaxPool2d) are known too.

    To weigh layers against each other: convatlas layer compare "conv2d k=5" "conv2d k=3 x2".
    A chain has commas: "conv2d k=1 out=64, conv2d k=3, conv2d k=1 out=256".

    Args:
        words: a kind, then its options: conv2d k=5 s=2 p=1 g=4, say; none lists them all.
        input: shape without the batch; by default a small example. It is filled with 1, 2, 3, …
        out: channels that go out; by default as many as come in.
        kernel: cells of the window; 3x5 where axes differ, as in all that follows.
        stride: cells from one window to the next.
        padding: cells added on each side, or same.
        dilation: cells from one tap of the window to the next.
        groups: parts that the channels are split into; in for as many as channels (depthwise).
        output_padding: cells added at the end of a transposed convolution's output.
        output_size: cells that adaptive pooling or unpooling is to give.
        ceil_mode: round a pooling's output size up.
        return_indices: keep the places of the maxima, and unpool with them.
        weights: ramp (1, 2, 3, …), ones, rows (a number each) or edge (−1 left, 1 right).
        image: a picture as the input, scaled to its shape, 1x64x64 by default.
        png: draw it, in this file or in KIND.png.
        draw: which picture: matrix, numbers, cells, responses, function or axes, where it has one.
        json: print JSON.
    """
    given: dict[str, Any] = {
        "out": out,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "output_padding": output_padding,
        "output_size": output_size,
        "ceil_mode": "yes" if ceil_mode else None,
        "return_indices": "yes" if return_indices else None,
    }
    flags = [f"{name}={value}" for name, value in given.items() if value is not None]
    if not words:
        _list_kinds(json)
    elif words[0] == "compare":
        others = {"weights": weights, "image": image, "png": png, "draw": draw}
        flags += [name for name, value in others.items() if value is not None]
        if flags:
            raise ConfigError(
                f"{flags[0]} was given to compare, which takes options inside of each layer: "
                '"conv2d k=3", say'
            )
        _compare(words[1:], input, json)
    else:
        read = read_layer(" ".join((*words, *flags)))
        if draw is not None and png is None:
            png = Path()
        _look(read, input and read_input(input, read), weights, image, png, draw, json)


def _look(
    layer: Layer,
    shape: Any,
    weights: str | None,
    image: Path | None,
    png: Path | None,
    draw: str | None,
    json: bool,
) -> None:
    from convatlas.analysis.layers.glass import look
    from convatlas.analysis.layers.page import page

    found = look(layer, shape or None, weights, image)
    drawn = None if png is None else _draw(found, png, draw)
    if json:
        print_json(found.to_dict() | ({"picture": str(drawn)} if drawn else {}))
        return
    print(page(found))
    if drawn:
        print(f"\ndrawn in {drawn}")


def _draw(look: Look, png: Path, name: str | None) -> Path:
    """Draw one of the pictures that the layer has."""
    from convatlas import files
    from convatlas.analysis.layers.pictures import pictures

    known = pictures(look)
    kind = look.layer.kind.name
    if not known:
        raise ConfigError(f"{kind} of this size has no picture: give a smaller input")
    if name is not None and name not in known:
        raise UnknownNameError(f"picture of this {kind}", name, known)
    path = png if png != Path() else Path(f"{kind}.png")
    with files.replacing(path) as file:
        known[name or next(iter(known))](file)
    return path


def _compare(texts: tuple[str, ...], shape: str | None, json: bool) -> None:
    from convatlas.analysis.layers.compare import compare

    found = compare(texts, shape)
    if json:
        print_json(found.to_dict())
        return
    console().print(_table(found))
    for chain in found.chains:
        if chain.parameters.formula:
            print(
                f"{chain.text}: {chain.parameters.formula} = {chain.parameters.value:,} parameters"
            )


def _table(comparison: Comparison) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from convatlas.analysis.layers.compare import ratio
    from convatlas.analysis.layers.wording import times

    made = Table(
        title=f"input {times(comparison.input)}; ratios to the first",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    made.add_column("layers", overflow="fold")
    for header in ("output", "sees", "parameters", "ratio", "MACs", "ratio"):
        made.add_column(header, justify="right")
    for chain in comparison.chains:
        field = chain.receptive_field
        made.add_row(
            chain.text,
            times(chain.output),
            times(field.size) if field and field.stride else "all",
            f"{chain.parameters.value:,}",
            ratio(chain.parameter_ratio),
            f"{chain.macs:,}",
            ratio(chain.mac_ratio),
        )
    return made


def _list_kinds(json: bool) -> None:
    """Every kind with its options, and what the options are."""
    if json:
        print_json({name: dict(kind.options) for name, kind in KINDS.items()})
        return
    width = max(map(len, KINDS))
    for name, kind in KINDS.items():
        print(f"{name:{width}}  {' '.join(kind.options)}".rstrip())
    print("\noptions, with their short names")
    for name, option in OPTIONS.items():
        short = f" ({option.short})" if option.short else ""
        print(f"{name + short:{width}}  {option.says}")
