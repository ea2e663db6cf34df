"""Sweeps of a network that learns a few pictures in a moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convatlas.data import Dataset
from convatlas.train import Config
from convatlas.train.sweep.plan import Plan

pytest.importorskip("optuna", reason="optuna is not installed")

Make = Callable[..., Plan]


@pytest.fixture
def plan(tmp_path: Path, data: Dataset) -> Make:
    """A plan for pictures without a validation part; settings may be given in place of its own."""
    file = tmp_path / "bars.npz"
    np.savez(
        file,
        x_train=data.train.images[:, 0].numpy(),
        y_train=data.train.labels.numpy(),
        x_test=data.test.images[:, 0].numpy(),
        y_test=data.test.labels.numpy(),
    )

    def make(*search: str, trials: int = 3, **settings: Any) -> Plan:
        config = Config(**{"epochs": 2, "batch_size": 8, "lr": 0.1, **settings})
        return Plan(
            net="lenet_bn",
            data=str(file),
            search=search or ("lr=0.001..0.3:log",),
            trials=trials,
            config=config,
            chosen={"precision": "float32", "layout": "contiguous"},
        )

    return make
