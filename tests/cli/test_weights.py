from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from convatlas.cli import main
from convatlas.weights.catalog import PRETRAINED

CONTENT = bytes(1000)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVATLAS_CACHE", str(tmp_path))
    return tmp_path / "weights"


def out(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["weights", *argv]) == 0
    return capsys.readouterr().out


def test_the_list_has_a_whole_line_for_each(
    capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    cache.mkdir()
    (cache / "resnet20.akamaster.th").write_bytes(b"")
    said = out(capsys, "--net", "resnet20")
    assert said.splitlines()[3].split() == (
        ["resnet20.akamaster", "resnet20", "CIFAR-10", "91.73", "1.1", "BSD-2-Clause", "yes"]
    )
    lines = {line.split()[0]: line for line in out(capsys).splitlines() if line.strip()}
    for name, row in PRETRAINED.items():
        assert f"{row.top1:.2f}" in lines[name]
        assert row.licence in lines[name]
        assert lines[name].rstrip().endswith("not commercial") == row.non_commercial
    assert "ImageNet's own terms" in said


def test_one_network_as_json(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    rows = json.loads(out(capsys, "--net", "resnet50", "--json"))
    assert [row["id"] for row in rows] == [
        name for name, row in PRETRAINED.items() if row.net == "resnet50"
    ]
    assert rows[0]["sha256"] == "0676ba61"
    assert rows[0]["file"] == str(cache / "resnet50.tv_v1.pth")
    assert not rows[0]["cached"]


def test_a_network_without_weights_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "--net", "resnet19"]) == 2
    said = capsys.readouterr().err
    assert "unknown network with pretrained weights 'resnet19': did you mean resnet1" in said


def test_fetch_prints_the_file_and_what_is_done_otherwise(
    host, capsys: pytest.CaptureFixture[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "resnet18.fb_ssl_yfcc100m_ft_in1k"
    host.files["/w.safetensors"] = CONTENT
    row = replace(
        PRETRAINED[name],
        url=f"{host.url}/w.safetensors",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        interpolation="bicubic",
    )
    monkeypatch.setitem(PRETRAINED, name, row)
    assert main(["weights", "fetch", name]) == 2
    assert "CC-BY-NC-4.0" in capsys.readouterr().err
    assert main(["weights", "fetch", name, "--accept-licence"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{cache / name}.safetensors\n"
    assert "resized bicubically, and ConvAtlas resizes bilinearly" in said.err
    entry = json.loads(out(capsys, "fetch", name, "--json"))
    assert entry["cached"]
    assert Path(entry["file"]).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fetch"], "write weights [--net NET] for the list, or weights fetch ID"),
        (["push", "resnet18.tv_v1"], "or weights fetch ID"),
        (["fetch", "resnet18.tv_v1", "--net", "resnet18"], "or weights fetch ID"),
        (["fetch", "resnet18.tv_v2"], "did you mean resnet18.tv_v1"),
    ],
)
def test_what_cannot_be_asked(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.count("\n") == 1
