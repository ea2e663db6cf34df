"""A layer as people write it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from convatlas import ops
from convatlas.analysis.layers.kinds import KINDS, OPTIONS
from convatlas.analysis.layers.spec import READERS, read_chain, read_input, read_layer
from convatlas.errors import ConfigError, ShapeError, UnknownNameError


def test_every_option_by_its_short_name() -> None:
    layer = read_layer("conv2d k=5 s=2 p=1 d=3 g=4 in=64 out=32 x2")
    assert (layer.kind.name, layer.repeat) == ("conv2d", 2)
    assert layer.options == {
        "in": 64,
        "out": 32,
        "kernel": 5,
        "stride": 2,
        "padding": 1,
        "dilation": 3,
        "groups": 4,
        "bias": False,
    }
    assert read_layer(str(layer)) == layer


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("maxpool2d", "max_pool2d"),
        ("MaxPool2d", "max_pool2d"),
        ("max-pool2d", "max_pool2d"),
        ("ConvTranspose3d", "conv_transpose3d"),
        ("BatchNorm2d", "batch_norm"),
        ("lrn", "local_response_norm"),
        ("LeakyReLU", "leaky_relu"),
    ],
)
def test_the_spellings_of_pytorch(written: str, name: str) -> None:
    assert read_layer(written).kind.name == name


def test_an_axis_each_and_words() -> None:
    assert read_layer("conv2d kernel=3x5 p=same").options["kernel"] == (3, 5)
    assert read_layer("conv2d p=same").options["padding"] == "same"
    assert read_layer("avg_pool2d count-include-pad=no").options["count_include_pad"] is False


def test_a_short_name_gives_way_to_an_option_of_that_name() -> None:
    assert read_layer("lrn k=2").options["k"] == 2.0
    assert read_layer("dropout p=0.2").options["p"] == 0.2


def test_a_chain() -> None:
    chain = read_chain("conv2d k=1 out=16, relu,conv2d")
    assert [layer.kind.name for layer in chain] == ["conv2d", "relu", "conv2d"]


def test_every_kind_is_a_function_of_ops_and_every_option_can_be_read() -> None:
    for kind in KINDS.values():
        assert callable(getattr(ops, kind.name))
        assert all(OPTIONS[name].reads in READERS for name in kind.options)
        assert read_layer(str(read_layer(kind.name))) == read_layer(kind.name)


def test_what_is_left_open_follows_the_input() -> None:
    layer = read_layer("conv2d g=in").settled((6, 8, 8))
    assert [layer.options[name] for name in ("in", "out", "groups")] == [6, 6, 6]
    assert read_layer("linear").settled((2, 3, 3)).options["in"] == 18
    assert read_layer("max_pool2d k=3").settled((1, 9, 9)).options["stride"] == 3


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("conv2e", UnknownNameError, "unknown layer 'conv2e': did you mean conv2d"),
        ("conv2d kernal=3", UnknownNameError, "unknown option of conv2d 'kernal'"),
        ("relu k=3", ConfigError, "relu has no options"),
        ("conv2d 3", ConfigError, "'3' of conv2d must be name=value"),
        ("conv2d k=", ConfigError, "'k=' of conv2d must be name=value"),
        ("conv2d k=three", ConfigError, "kernel is 'three', but it must be an integer"),
        ("conv2d p=full", ConfigError, "padding is 'full'"),
        ("conv2d g=0", ConfigError, "groups is '0', but it must be an integer of at least 1"),
        ("conv2d bias=maybe", ConfigError, "bias is 'maybe', but it must be yes or no"),
        ("lrn alpha=x", ConfigError, "alpha is 'x', but it must be a number"),
        ("lrn size=2x2", ConfigError, "size is '2x2', but it must be an integer"),
        ("conv2d x0", ConfigError, "from x1 to x1000"),
        ("conv2d x9999", ConfigError, "from x1 to x1000"),
        ("  ", ConfigError, "a layer is missing"),
    ],
)
def test_what_cannot_be_read(text: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as raised:
        read_layer(text)
    assert "\n" not in str(raised.value)
    assert said in str(raised.value)


@pytest.mark.parametrize("text", ["4x4", "1x4x4x4", "1x-4x4", "1x0x4", "1x4xfour", ""])
def test_an_input_of_other_axes_or_without_cells(text: str) -> None:
    with pytest.raises(ConfigError, match="channels x height x width, each at least 1: 1x4x4"):
        read_input(text, read_layer("conv2d"))


def test_an_input() -> None:
    assert read_input("3×5x7", read_layer("conv2d")) == (3, 5, 7)
    assert read_input("3", read_layer("linear")) == (3,)
    with pytest.raises(ConfigError, match="one to four sizes"):
        read_input("1x1x1x1x1", read_layer("relu"))


@pytest.mark.parametrize(
    ("text", "shape", "said"),
    [
        ("conv2d g=2", (3, 4, 4), "groups is 2, but it must divide the 3 channels that go in"),
        ("conv2d g=2 out=3", (4, 4, 4), "divide the 3 channels that go out: 3 = 1·2 + 1"),
        ("group_norm groups=3", (4, 2, 2), "groups is 3"),
        ("conv2d in=2", (3, 4, 4), "in is 2, but the input 3×4×4 has 3 channels"),
        ("linear in=2", (3,), "in is 2, but the input 3 has 3 features"),
        ("conv1d", (3, 4, 4), "conv1d slides along 1"),
    ],
)
def test_an_input_that_does_not_fit(text: str, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(ShapeError) as raised:
        read_layer(text).settled(shape)
    assert said in str(raised.value)


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys\nfrom convatlas.analysis.layers.spec import read_layer\nread_layer('conv2d')\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
