"""A loss that is no number: the run goes back, and on at half the learning rate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convatlas.data import Dataset, Preprocess
from convatlas.errors import ConfigError, TrainingError
from convatlas.train import Config, Run, fit
from convatlas.train.engine import Engine
from convatlas.train.folder import RunFolder
from convatlas.train.loop import Loop

Make = Callable[[], nn.Sequential]
CONFIG = Config(epochs=2, batch_size=16, lr=0.05, precision="float32", layout="contiguous")


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunFolder, "draw_curves", lambda *_: None)


class Ill(nn.Module):
    """A network whose answers in some steps, counted over all attempts, are no numbers."""

    def __init__(self, inner: nn.Module, steps: set[int]) -> None:
        super().__init__()
        self.inner, self.steps, self.made = inner, steps, 0

    def forward(self, x: Tensor) -> Tensor:
        self.made += self.training
        answers: Tensor = self.inner(x)
        return answers * float("nan") if self.training and self.made in self.steps else answers


@pytest.fixture
def run(data: Dataset, small: Make, tmp_path: Path) -> Callable[..., Run]:
    def go(*ill: int, **settings: Any) -> Run:
        chosen = {"on_nan": "back", "checkpoint_seconds": 0, "quiet": True, **settings}
        if "resume" not in chosen:
            chosen["out"] = tmp_path / "run"
        return fit(Ill(small(), set(ill)), data, recipe=CONFIG, **chosen)

    return go


def slowed(small: Make, data: Dataset, *steps: int) -> dict[str, Tensor]:
    """The weights of twelve steps, from these on at half the rate each time."""
    net = small()
    preprocess = Preprocess.measure(data.train.images, 8)
    loop = Loop(net, data.train, preprocess, CONFIG, Engine("float32", "contiguous"))
    for _ in range(2):
        for number in steps:
            if loop.number == number - 1:
                loop.slow(0.5)
        for _ in loop.epoch():
            for number in steps:
                if loop.number == number - 1:
                    loop.slow(0.5)
    return net.state_dict()


def same(run: Run, expected: dict[str, Tensor]) -> None:
    for name, value in run.classifier.net.inner.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("ill", [(8,), (1,), (8, 9, 12)])
def test_each_time_at_half_the_rate(
    ill: tuple[int, ...], run: Callable[..., Run], small: Make, data: Dataset
) -> None:
    """The step that failed is made anew, on the same pictures: 8 and 9 are both step 8."""
    made = run(*ill)
    same(made, slowed(small, data, *(number - before for before, number in enumerate(ill))))
    assert [row["epoch"] for row in made.history] == [1, 2]


def test_the_third_time_is_the_last_and_a_resumed_run_is_still_slower(
    run: Callable[..., Run],
    small: Make,
    data: Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(TrainingError, match="the loss is nan at step 8 with learning rate"):
        run(8, 9, 10, 11, quiet=False)
    said = [line for line in capsys.readouterr().out.splitlines() if "back to step" in line]
    assert len(said) == 3
    assert said[0].startswith("the loss is nan at step 8 with learning rate 0.0")
    assert said[0].endswith(": back to step 7, and on at half the learning rate (1 of 3 times)")
    assert said[2].endswith("(3 of 3 times)")
    with pytest.raises(TrainingError):
        run(1, resume=tmp_path / "run")  # it was done often enough before
    same(run(resume=tmp_path / "run"), slowed(small, data, 8, 8, 8))


def test_a_run_that_stopped_may_be_resumed_so(
    run: Callable[..., Run], small: Make, data: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError):
        run(4, on_nan="stop")
    going = run(2, resume=tmp_path / "run")  # three good steps were kept: this fails at step 5
    same(going, slowed(small, data, 5))


def test_by_default_it_stops(run: Callable[..., Run]) -> None:
    with pytest.raises(TrainingError, match="the loss is nan at step 3"):
        run(3, on_nan="stop")


def test_weights_that_are_no_numbers_are_in_no_checkpoint(
    run: Callable[..., Run], small: Make, data: Dataset, tmp_path: Path
) -> None:
    """A step whose loss is a number may break the weights; the next one shows it."""

    class Breaking(Ill):
        def forward(self, x: Tensor) -> Tensor:
            answers = super().forward(x)
            if self.training and self.made == 5:
                answers.register_hook(lambda gradient: gradient * float("inf"))
            return answers

    made = fit(
        Breaking(small(), set()),
        data,
        recipe=CONFIG,
        on_nan="back",
        checkpoint_seconds=0,
        quiet=True,
        out=tmp_path / "run",
    )
    same(made, slowed(small, data, 5))


def test_weights_that_never_were_numbers(data: Dataset, small: Make, tmp_path: Path) -> None:
    net = small()
    net[5].weight.data.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"at step 1 .*; no epoch was finished"):
        fit(net, data, recipe=CONFIG, on_nan="back", quiet=True, out=tmp_path)


def test_another_word(run: Callable[..., Run]) -> None:
    with pytest.raises(ConfigError, match="on_nan is 'forward', but it must be one of stop, back"):
        run(on_nan="forward")
