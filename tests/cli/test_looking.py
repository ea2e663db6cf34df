"""The commands that look: nets, show and env."""

from __future__ import annotations

import json

import pytest

from convatlas.cli import main
from convatlas.cli.env import processor_features
from convatlas.nets.catalog import CATALOG


def out(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_nets_has_a_whole_line_for_each_and_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys, "nets")
    assert "\x1b" not in said
    lines = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    for name, row in CATALOG.items():
        for part in (row.family, str(row.year), f"{row.params:,}", row.idea, row.deviations):
            assert part in lines[name]
        assert f"{row.in_channels}×{row.input_size}×{row.input_size}" in lines[name]


def test_nets_of_one_family_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(out(capsys, "nets", "--family", "resnext", "--json"))
    assert [row["name"] for row in rows] == [
        name for name, row in CATALOG.items() if row.family == "ResNeXt"
    ]
    assert rows[0]["paper"]["url"].startswith("https://")


def test_an_unknown_family_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nets", "--family", "resnut"]) == 2
    assert "did you mean ResN" in capsys.readouterr().err


def test_show_is_a_table_that_a_pipe_gets_whole(capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys, "show", "resnet18")
    assert "\x1b" not in said
    assert "…" not in said
    assert "resnet18, input 3×224×224" in said
    first = next(line for line in said.splitlines() if " Conv2d " in line).split()
    assert " ".join(first) == (
        "conv Conv2d 64×112×112 ⌊(224+2·3−7)/2⌋+1 = 112 9,408 118M 3.06M 7 2"
    )
    assert "11,689,512 parameters; a picture: 1,814,073,344 multiply-accumulates" in said
    assert "sees 435 pixels, every 32" in said


def test_show_fits_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from convatlas.analysis.trace import trace
    from convatlas.nets.build import build

    for name in ("resnet20", "googlenet"):
        net = build(name)
        console = Console(width=100)
        console.print(trace(net, (3, net.input_size, net.input_size)))
        said = capsys.readouterr().out
        assert max(map(len, said.splitlines())) <= 100
        assert "…" not in said


def test_show_with_options_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["show", "resnet20", "--input", "1x28x28", "--classes", "7"]
    found = json.loads(out(capsys, *argv, "--set", "norm=group", "--set", "width=4", "--json"))
    assert found["shape"] == [1, 28, 28]
    assert found["rows"][0]["shape"] == [4, 28, 28]
    assert found["rows"][1]["kind"] == "GroupNorm"
    assert found["rows"][-1]["shape"] == [7]
    assert found["totals"]["params"] == sum(row["params"] for row in found["rows"])


def test_show_of_a_picture_that_is_not_square(capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys, "show", "resnet20", "--input", "3x32x48")
    assert "H: ⌊(32+2·1−3)/1⌋+1 = 32; W: ⌊(48+2·1−3)/1⌋+1 = 48" in said


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["resnet19"], "unknown network 'resnet19'"),
        (["resnet18", "--input", "224"], "channels x height x width"),
        (["resnet18", "--set", "colour=red"], "has no option 'colour'"),
        (["resnet18", "--classes", "0"], "num_classes is 0"),
    ],
)
def test_show_says_what_is_wrong(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_env_says_what_a_report_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setenv("CONVATLAS_CACHE", "/somewhere/else")
    found = json.loads(out(capsys, "env", "--json"))
    assert found["versions"]["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads()
    assert found["devices"][0] == "cpu"
    assert found["cache"] == "/somewhere/else"
    assert found["variables"]["CONVATLAS_CACHE"] == "/somewhere/else"
    said = out(capsys, "env")
    assert f"torch {torch.__version__}" in said
    assert [line.split()[0] for line in said.splitlines()] == list(found)


@pytest.mark.parametrize(
    ("cpuinfo", "features"),
    [
        ("model name\t: X\nflags\t\t: fpu avx avx2 fma\n", ["AVX2"]),
        ("flags : avx2 avx512f avx512_bf16\n", ["AVX2", "AVX-512", "AVX-512 bf16"]),
        ("flags : avx2 amx_tile amx_bf16\nflags : avx2\n", ["AVX2", "AMX", "AMX bf16"]),
        ("Features : asimd bf16\n", ["NEON", "Arm bf16"]),
        ("", []),
    ],
)
def test_features_of_a_processor(cpuinfo: str, features: list[str]) -> None:
    assert processor_features(cpuinfo) == features
