from __future__ import annotations

import builtins
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from convatlas.data import Dataset
from convatlas.errors import ConfigError, TrainingError
from convatlas.train import Config, fit
from convatlas.train.tracking import Tracking, check

pytest.importorskip("tensorboard", reason="tensorboard is not installed")


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself reads."""
    reading = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    found = reading.EventAccumulator(str(run / "tensorboard")).Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_every_number_of_every_row_also_of_a_resumed_run(
    data: Dataset, small: Callable[[], nn.Sequential], tmp_path: Path
) -> None:
    """Two epochs of six steps; the first attempt breaks in the second, and is gone on with."""
    config = Config(epochs=2, batch_size=16, lr=0.05, precision="float32", layout="contiguous")
    settings: dict[str, Any] = {"recipe": config, "quiet": True, "track": "tensorboard"}
    net, steps = small(), []

    def spoil(module: nn.Module, inputs: Any) -> None:
        if module is net and module.training:
            steps.append(1)
            if len(steps) == 9:
                net[5].bias.data.fill_(float("nan"))

    net.register_forward_pre_hook(spoil)
    with pytest.raises(TrainingError):
        fit(net, data, out=tmp_path, **settings)
    fit(small(), data, resume=tmp_path, **settings)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    expected = {
        f"epoch/{name}": [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in rows]
        for name in rows[0].keys() - {"kind", "epoch", "step"}
    }
    assert [row["step"] for row in rows] == [6, 12]
    assert scalars(tmp_path) == expected


def test_what_came_after_the_step_that_is_gone_on_from_is_void(tmp_path: Path) -> None:
    def log(step: int, loss: float) -> None:
        tracking.log({"kind": "step", "epoch": 1, "step": step, "loss": loss})

    tracking = Tracking(tmp_path, "tensorboard")
    tracking.begin(0)
    for step in (1, 2, 3):
        log(step, 1.0)
    tracking.begin(2)
    log(3, 0.5)
    tracking.end()
    assert scalars(tmp_path) == {"step/loss": [(1, 1.0), (2, 1.0), (3, 0.5)]}


def test_nothing_is_tracked_by_default(tmp_path: Path) -> None:
    tracking = Tracking(tmp_path, None)
    tracking.begin(0)
    tracking.log({"kind": "step", "step": 1, "loss": 1.0})
    tracking.end()
    assert list(tmp_path.iterdir()) == []


def test_another_program_or_none_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="track is 'wandb', but it must be tensorboard"):
        check("wandb")
    found = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'convatlas\[track\]'"):
        check("tensorboard")
