"""`convatlas layer`, as a new user would try it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convatlas.analysis.layers.kinds import KINDS
from convatlas.cli import main


def out(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["layer", *argv]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_a_convolution_under_the_glass(capsys: pytest.CaptureFixture[str]) -> None:
    said = out(
        capsys, "conv2d", "--input", "1x4x4", "--kernel", "3", "--stride", "1", "--padding", "0"
    )
    for line in (
        "output      1×4×4 → 1×2×2",
        "            ⌊(4+2·0−3)/1⌋+1 = 2",
        "parameters  1·1·3·3 = 9",
        "MACs        (1·2·2)·(1·3·3) = 36",
        "    1 ← 1 2 3",
        "C: output = C · input  4×16",
        "  · · · · · 1 2 3 · 4 5 6 · 7 8 9",
    ):
        assert line in said.splitlines()


def test_the_transposed_matrix_stands_beside_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys, "conv_transpose2d")
    assert any("C: of the convolution" in x and "Cᵀ: output" in x for x in said.splitlines())
    assert "not its inverse" in " ".join(said.split())
    said = out(capsys, "conv_transpose2d", "--stride", "2", "--output-padding", "1")
    assert "(2−1)·2−2·0+3+1 = 6" in said


def test_unpooling(capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys, "maxpool2d", "--return-indices")
    assert "4 of 16 numbers come back" in said
    assert "what is lost  1×4×4" in said


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_a_page_and_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert out(capsys, name).startswith(name)
    assert json.loads(out(capsys, name, "--json"))["layer"] == name


def test_json_has_no_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys, "lrn", "k=0", "alpha=0", "--json")
    assert "Infinity" not in said
    assert json.loads(said)["numbers"]["output"]["max"] is None


def test_flags_and_words_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    words = out(capsys, "max_pool2d", "k=3", "s=2", "p=1", "ceil_mode=yes", "--input", "1x8x8")
    flags = ["--kernel", "3", "--stride", "2", "--padding", "1", "--ceil-mode"]
    assert out(capsys, "max_pool2d", *flags, "--input", "1x8x8") == words


def test_the_kinds_are_listed_and_named_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys)
    helped = out(capsys, "--help")
    for name, kind in KINDS.items():
        assert f"{name} " in said or f"{name}\n" in said
        assert name.removesuffix(f"{kind.axes}d") in helped
    assert "padding (p)" in said
    assert json.loads(out(capsys, "--json"))["dropout"] == {"p": 0.5}


def test_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys, "compare", "conv2d k=7", "conv2d k=3 x3", "conv2d k=3 g=in")
    assert "input 64×56×56" in said
    line = next(line for line in said.splitlines() if "27/49" in line)
    assert line.split()[:6] == ["conv2d", "k=3", "x3", "64×50×50", "7×7", "110,592"]
    assert "27/49 = 0.55" in line
    assert "conv2d k=3 g=in: 64·1·3·3 = 576 parameters" in said
    told = json.loads(out(capsys, "compare", "conv2d k=5", "conv2d k=3 x2", "--json"))
    assert told["chains"][1]["parameter_ratio"]["text"] == "18/25 = 0.72"


def test_a_comparison_for_an_input(capsys: pytest.CaptureFixture[str]) -> None:
    dense = ["linear out=4096", "conv2d k=7 out=4096", "--input", "512x7x7"]
    said = out(capsys, "compare", *dense)
    assert said.count("102,760,448") == 6  # parameters, MACs, and the product that gives them
    assert " all " in said


def picture(path: Path) -> tuple[int, ...]:
    with Image.open(path) as opened:
        assert opened.format == "PNG"
        return np.asarray(opened).shape


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "file"),
    [
        (["relu", "--plot"], "relu.png"),
        (["relu", "--plot", "drawn.png"], "drawn.png"),
        (["conv2d", "--png", "c.png"], "c.png"),
        (["conv_transpose2d", "--png", "made/c.png"], "made/c.png"),
        (["conv1d", "--draw", "cells"], "conv1d.png"),
        (["conv_transpose2d", "s=3", "--kernel", "2", "--draw", "cells"], "conv_transpose2d.png"),
        (["conv2d", "p=1", "--draw", "numbers"], "conv2d.png"),
        (["batch_norm", "--plot"], "batch_norm.png"),
        (["cross_entropy", "--plot"], "cross_entropy.png"),
        (["maxpool3d", "--return-indices", "--plot"], "max_pool3d.png"),
    ],
)
def test_a_picture_is_drawn(
    argv: list[str],
    file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert out(capsys, *argv).endswith(f"\ndrawn in {file}\n")
    assert min(picture(tmp_path / file)[:2]) > 100


def test_json_says_where_the_picture_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "tanh.png")
    assert json.loads(out(capsys, "tanh", "--plot", file, "--json"))["picture"] == file
    assert min(picture(Path(file))[:2]) > 100


@pytest.mark.parametrize("kind", ["conv2d", "conv_transpose2d", "max_pool2d", "max_unpool2d"])
def test_an_image(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ramp = np.tile(np.arange(90, dtype=np.uint8), (60, 1))
    Image.fromarray(ramp).save("ramp.png")
    said = out(capsys, kind, "--image", "ramp.png", "--plot")
    assert "output      1×64×64 → 1×" in said
    assert "drawn in" in said
    assert picture(tmp_path / f"{kind}.png")[1] > picture(tmp_path / f"{kind}.png")[0]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["conv2e"], "unknown layer 'conv2e': did you mean conv2d"),
        (["conv2d", "--input", "1x-4x4"], "input is '1x-4x4', but conv2d takes channels x height"),
        (["conv2d", "--stride", "0"], "stride is 0, but it must be at least 1"),
        (["conv2d", "--padding", "-1"], "padding is −1, but it must be at least 0"),
        (["conv2d", "--kernel", "5"], "⌊(4+2·0−5)/1⌋+1 = 0; the smallest that works is 5"),
        (["conv2d", "--groups", "2", "--input", "3x4x4"], "groups is 2, but it must divide the 3"),
        (["maxunpool2d", "--output-size", "9"], "output_size is 9, but it must be between 3 and 5"),
        (["conv2d", "--ceil-mode"], "unknown option of conv2d 'ceil_mode'"),
        (["instance_norm", "--input", "2x1x1"], "one number has no variance"),
        (["dropout", "p=2"], "p is 2.0, but a probability must be from 0 to 1"),
        (["cross_entropy", "target=9"], "target has class 9"),
        (["cross_entropy", "target=-100"], "target has class -100"),
        (["avg_pool2d", "divisor_override=0"], "divisor_override is 0"),
        (["batch_norm", "momentum=nan"], "momentum is 'nan', but it must be a number"),
        (["lrn", "size=0"], "size is 0, but it must be at least 1"),
        (["conv2d", "--image", "nowhere.png"], "nowhere.png does not exist"),
        (["conv1d", "--image", "nowhere.png"], "conv1d slides along 1"),
        (["conv2d", "--draw", "function"], "unknown picture of this conv2d 'function'"),
        (["linear", "out=20000000", "--plot"], "linear of this size has no picture"),
        (["compare", "conv2d"], "compare takes two layers or more, but 1 was given"),
        (["compare", "conv2d", "conv2d k=0"], 'in "conv2d k=0", kernel is 0'),
        (["compare", "conv2d", "conv2d", "--kernel", "3"], "kernel=3 was given to compare"),
        (["compare", "conv2d", "conv2d", "--plot"], "png was given to compare"),
    ],
)
def test_what_is_wrong_is_one_line(
    argv: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["layer", *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
