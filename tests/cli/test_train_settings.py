"""Recipes, settings in files, and what is done about a loss that is no number."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from convatlas.cli import main

NET = ["train", "lenet_d2l", "digits"]


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["train", *argv]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_the_settings_of_the_networks_paper_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """1,438 pictures in batches of 128 are 11 steps an epoch: 64,000 of them are 5,818 epochs."""
    argv = ["train", "resnet20", "digits", "--recipe", "paper", "--show-config"]
    assert main([*argv, "--set", "width=2"]) == 0
    shown = tomllib.loads(capsys.readouterr().out)
    assert (shown["recipe"], shown["lr"], shown["batch_size"]) == ("paper", 0.1, 128)
    assert (shown["steps"], shown["epochs"]) == (64_000, round(64_000 / 11))
    assert shown["drops"] == [[0.5, 0.1], [0.75, 0.01]]
    assert (shown["precision"], shown["optimizer"]) == ("auto", "sgd")


@pytest.mark.slow
def test_what_is_shown_is_trained_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = ["--lr", "0.02", "--epochs", "1", "--batch-size", "700", "--with", "clip=1.5"]
    assert main([*NET, *changed, "--show-config"]) == 0
    written = capsys.readouterr().out
    assert tomllib.loads(written)["optimizer"] == "adamw"  # settled: it does not normalise
    path = tmp_path / "mine.toml"
    path.write_text(written, encoding="utf-8")
    again = [*NET, "--config", str(path), "--seed", "3"]
    assert main([*again, "--show-config"]) == 0
    assert capsys.readouterr().out == written.replace("seed = 0", "seed = 3")
    assert main([*again, "--on-nan", "back", "--out", str(tmp_path / "run")]) == 0
    config = json.loads((tmp_path / "run" / "run.json").read_text())["config"]
    assert (config["lr"], config["clip"], config["seed"]) == (0.02, 1.5, 3)


def test_a_file_that_does_not_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("epoch = 3\n", encoding="utf-8")
    said = refused(capsys, *NET[1:], "--config", str(path))
    assert f"unknown setting in {path} 'epoch': did you mean epochs" in said
    path.write_text("lr = -1\n", encoding="utf-8")
    said = refused(capsys, *NET[1:], "--config", str(path))
    assert f"{path}: lr is -1, but it must be above 0" in said
    said = refused(capsys, *NET[1:], "--config", str(path), "--recipe", "fast")
    assert f"{path} has all settings: leave out --recipe fast" in said


def test_another_program_to_track_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    said = refused(capsys, *NET[1:], "--track", "wandb", "--out", str(out))
    assert "track is 'wandb', but it must be tensorboard" in said
    assert not out.exists()
