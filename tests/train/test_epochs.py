from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from convatlas.data import Dataset
from convatlas.train import Config, Run, fit

Make = Callable[[], nn.Sequential]
CONFIG = Config(epochs=3, batch_size=32, lr=0.1, precision="float32", layout="contiguous")


@pytest.mark.slow
def test_a_run_that_is_ended_between_epochs_goes_on_to_the_same_result(
    data: Dataset, small: Make, tmp_path: Path
) -> None:
    """Ended after each of its epochs, the last included; only then the test pictures are seen."""
    half = torch.arange(30) < 15
    whole = replace(data, val=data.test.subset(half), test=data.test.subset(~half))
    seen: list[list[int]] = []

    def end(run: Run) -> None:
        seen.append([row["epoch"] for row in run.history])
        if len(seen) % 2:  # a resumed run has the epoch that it was ended after
            raise KeyboardInterrupt

    once = fit(small(), whole, recipe=CONFIG, out=tmp_path / "once", quiet=True)
    out = tmp_path / "ended"
    run = fit(small(), whole, recipe=CONFIG, out=out, on_epoch=end, quiet=True)
    for _ in range(2):
        assert (run.interrupted, run.signal, run.report) == (True, None, None)
        assert json.loads((out / "run.json").read_text())["result"]["test_accuracy"] is None
        run = fit(small(), whole, recipe=CONFIG, resume=out, on_epoch=end, quiet=True)
    assert seen == [[1], [1], [1, 2], [1, 2], [1, 2, 3]]
    assert run.interrupted
    run = fit(small(), whole, recipe=CONFIG, resume=out, on_epoch=end, quiet=True)
    assert seen[5:] == [[1, 2, 3]]
    assert run.report is not None
    assert once.report is not None
    assert run.report.loss == once.report.loss
    for a, b in zip(run.classifier.net.parameters(), once.classifier.net.parameters(), strict=True):
        assert torch.equal(a, b)
