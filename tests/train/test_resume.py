"""A run that was stopped and went on is the run that was not, to the last bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convatlas as ca
from convatlas import data as sources
from convatlas import files
from convatlas.data import Dataset
from convatlas.data.shards import shard_arrays
from convatlas.errors import ConfigError, ConvAtlasError, DataError, ModelError
from convatlas.train import Config, Run, fit
from convatlas.train.checkpoint import Checkpoints
from convatlas.train.folder import RunFolder

Make = Callable[[], nn.Module]
CONFIG = Config(epochs=3, batch_size=16, lr=0.05, precision="float32", layout="contiguous")
_TIMES = {"seconds", "images_per_second", "waiting"}


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The curves, tested elsewhere, would take nine tenths of the time."""
    monkeypatch.setattr(RunFolder, "draw_curves", lambda *_: None)


def stop_at(net: nn.Module, *, step: int = 0, evaluation: int = 0) -> nn.Module:
    """Send this process SIGTERM in that step of training, or in that batch of evaluation."""
    seen = {True: 0, False: 0}

    def look(module: nn.Module, inputs: Any) -> None:
        if module is not net:  # but a copy, on trial or with a share of the batch
            return
        seen[module.training] += 1
        if seen[module.training] == (step if module.training else evaluation):
            os.kill(os.getpid(), signal.SIGTERM)

    net.register_forward_pre_hook(look)
    return net


def weights(run: Run) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in run.classifier.net.state_dict().items()}


def rows(run: Run | Path) -> list[dict[str, Any]]:
    """What ``metrics.jsonl`` says of anything but time."""
    folder = run if isinstance(run, Path) else run.folder
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k not in _TIMES} for x in lines]


def same(one: Run, other: Run) -> None:
    mine, theirs = weights(one), weights(other)
    assert list(mine) == list(theirs)
    for name, value in mine.items():
        assert torch.equal(value, theirs[name]), name
    assert rows(one) == rows(other)
    assert one.result() | {"seconds": 0} == other.result() | {"seconds": 0}
    assert one.classifier.card == other.classifier.card


@dataclass
class Runs:
    """A run in one go, and one that is stopped and goes on, with the same network and settings."""

    make: Make
    data: Dataset
    root: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def fit(self, net: nn.Module, name: str, **more: Any) -> Run:
        folder = {"out": self.root / name} if "resume" not in more else {}
        settings = {"recipe": CONFIG, "quiet": True, **self.settings, **folder, **more}
        return fit(net, self.data, **settings)

    def whole(self) -> Run:
        return self.fit(self.make(), "whole")

    def pieces(self, *stops: dict[str, int]) -> Run:
        """Stopped at each of these, counted from where it went on."""
        resume: dict[str, Any] = {}
        for stop in stops:
            torch.rand(7)  # what this process drew in between is nothing to the run
            cut = self.fit(stop_at(self.make(), **stop), "pieces", **resume)
            assert cut.interrupted
            assert cut.signal == signal.SIGTERM
            resume = {"resume": self.root / "pieces"}
        torch.rand(5)
        return self.fit(self.make(), "pieces", **resume)


@pytest.fixture
def runs(small: Make, data: Dataset, tmp_path: Path) -> Runs:
    return Runs(small, data, tmp_path)


VARIANTS: dict[str, dict[str, Any]] = {
    "momentum": {},
    "adamw": {"optimizer": "adamw", "lr": 0.003},
    "alexnet": {"optimizer": "alexnet", "schedule": "step", "drops": ((0.4, 0.2), (0.7, 0.1))},
    "muon": {"optimizer": "muon", "lr": 0.003},
    "one-cycle": {"schedule": "one-cycle", "warmup": 0.3},
    "cosine, clipped": {"schedule": "cosine", "warmup": 0.2, "clip": 0.5},
    "averaged": {"ema": 0.9},
    "augmented": {"flip": True, "shift": 1, "erase": 2, "random_erase": 0.3},
    "tones": {"jitter": 0.2, "trivial": True},
    "mixed": {"mixup": 0.4, "cutmix": 1.0, "label_smoothing": 0.1},
    "random crops": {"crop": "random", "size": 7},
    "resized crops": {"crop": "resized"},
    "ten crops": {"crop": "ten", "size": 7, "batch_size": 160},
    "sampler": {"balance": "sampler"},
    "weights": {"balance": "weights"},
    "channels-last": {"layout": "channels-last"},
    "xavier": {"init": "xavier"},
    "the easiest left out": {"skip_easy": 0.3, "epochs": 4},
    "smaller first": {"early_share": 0.6, "early_scale": 0.5},
}


def roaming() -> nn.Sequential:
    """Takes pictures of any side, draws dropout and keeps moving averages."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.AdaptiveAvgPool2d((4, 1)),
            nn.Flatten(),
            nn.Linear(16, 3),
        )


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_stopped_and_resumed_is_in_one_go(variant: str, runs: Runs) -> None:
    """Six steps an epoch: stopped in the second epoch, and after the rest of it in the third."""
    runs.make, runs.settings = roaming, VARIANTS[variant]
    same(runs.pieces({"step": 8}, {"step": 5}), runs.whole())


@pytest.mark.parametrize(
    "stops",
    [
        [{"step": 1}],
        [{"step": 6}],  # the last step of an epoch: its evaluation is still to come
        [{"step": 18}],  # the last of all
        [{"evaluation": 3}],  # what fits looks at first, the first epoch's, the second's
        [{"evaluation": 4}],
        [{"step": 1}, {"step": 1}, {"step": 1}],
    ],
)
def test_wherever_it_stopped(stops: list[dict[str, int]], runs: Runs) -> None:
    same(runs.pieces(*stops), runs.whole())


def test_a_validation_part(runs: Runs) -> None:
    """The test pictures, which are looked at once, are evaluated after the last stop."""
    val = runs.data.train.subset(torch.arange(9))
    runs.data = replace(runs.data, val=val)
    whole = runs.whole()
    same(runs.pieces({"step": 9}), whole)
    shutil.rmtree(runs.root / "pieces")
    same(runs.pieces({"evaluation": 5}), whole)  # in the one of the test pictures


@pytest.fixture
def photos(data: Dataset, tmp_path: Path) -> Path:
    """The bars as files, of several sizes."""
    root = tmp_path / "photos"
    for part, images in (("train", data.train), ("test", data.test)):
        for i, label in enumerate(images.labels.tolist()):
            path = root / part / images.classes[label] / f"{i:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(images.images[i, 0].numpy())
            picture.resize((10 + i % 3, 11)).save(path)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("crop", ["centre", "random", "resized"])
def test_files(crop: str, cache: bool, runs: Runs, photos: Path) -> None:
    """Without a cache a thread prepares a batch that has not been learned from when it stops."""
    runs.data = sources.load(str(photos), side=10, cache=cache, full_size=crop == "resized")
    runs.make, runs.settings = roaming, {"crop": crop, "size": 8, "flip": True}
    if crop == "random":
        runs.settings["resize"] = 10
    same(runs.pieces({"step": 8}, {"step": 3}), runs.whole())


@pytest.mark.slow
@pytest.mark.parametrize("crop", ["centre", "random", "resized"])
def test_shards(crop: str, runs: Runs, tmp_path: Path) -> None:
    shard_arrays(runs.data, tmp_path / "shards", shards=3)
    runs.data = sources.load(str(tmp_path / "shards"), side=8, cache=False)
    runs.make, runs.settings = roaming, {"crop": crop, "shift": 1}
    if crop != "centre":
        runs.settings |= {"size": 6, "resize": 8 if crop == "random" else None}
    same(runs.pieces({"step": 8}, {"step": 3}), runs.whole())


@pytest.mark.parametrize("shards", [1, 2])
def test_a_network_of_the_atlas_and_threads_that_share_a_batch(shards: int, runs: Runs) -> None:
    """With two threads a shadow's moving averages are its own, and change nothing."""

    def make() -> nn.Module:
        torch.manual_seed(0)
        return ca.build("lenet_bn", num_classes=3, input_size=16)

    runs.make, runs.settings = make, {"shards": shards, "size": 16, "epochs": 2}
    same(runs.pieces({"step": 4}, {"step": 5}), runs.whole())


@pytest.mark.slow
@pytest.mark.parametrize("shards", [1, 2])
def test_winograds_convolution(shards: int, runs: Runs) -> None:
    """Wide enough, on maps large enough, that it is used; and so the weights are other ones."""

    def make() -> nn.Module:
        torch.manual_seed(0)
        pool = nn.AdaptiveAvgPool2d(1)
        wide = nn.Conv2d(128, 128, 3, padding=1)
        return nn.Sequential(nn.Conv2d(1, 128, 1), wide, pool, nn.Flatten(), nn.Linear(128, 3))

    runs.make = make
    runs.settings = {"shards": shards, "size": 16, "epochs": 2, "layout": "channels-last"}
    whole = runs.whole()
    same(runs.pieces({"step": 4}, {"step": 5}), whole)
    assert whole.engine.winograd
    direct = runs.fit(make(), "direct", winograd=False)
    assert not direct.engine.winograd
    assert not torch.equal(direct.classifier.net[1].weight, whole.classifier.net[1].weight)


@pytest.mark.slow
def test_the_trials_choice_is_kept(runs: Runs) -> None:
    runs.settings = {"layout": "auto"}
    whole = runs.whole()
    assert whole.engine.trial
    # as if that trial had been this run's: its times differ, and what it chose might
    begun = runs.fit(stop_at(runs.make(), step=4), "pieces", layout="auto")
    recorded = json.loads((begun.folder / "run.json").read_text())
    other = {"channels-last": "contiguous", "contiguous": "channels-last"}[begun.engine.layout]
    recorded["engine"]["layout"] = other
    (begun.folder / "run.json").write_text(json.dumps(recorded))
    done = runs.fit(runs.make(), "pieces", resume=begun.folder)
    assert done.engine == replace(begun.engine, layout=other)
    assert done.folder == begun.folder


# --------------------------------------------------------------------------- what a folder holds


def test_the_first_checkpoint_is_there_before_the_first_step(runs: Runs) -> None:
    def look(module: nn.Module, inputs: Any) -> None:
        if module.training and not seen:
            seen.extend((runs.root / "run" / "checkpoint").iterdir())
            seen.append((runs.root / "run" / "run.json").is_file())

    seen: list[Any] = []
    net = runs.make()
    net.register_forward_pre_hook(look)
    runs.fit(net, "run")
    assert len(seen) == 2
    assert seen[1] is True


def test_one_a_step_and_the_last_three(runs: Runs) -> None:
    runs.fit(runs.make(), "run", checkpoint_seconds=0)
    numbers = [int(p.name[:6]) for p in (runs.root / "run" / "checkpoint").iterdir()]
    # before the first step, after each of eighteen, and after each of three epochs
    assert sorted(numbers) == [20, 21, 22]


def test_rows_after_the_resumed_step_are_cut(runs: Runs) -> None:
    runs.settings = {"batch_size": 1, "lr": 1e-3, "epochs": 2}
    whole = runs.whole()
    assert [row["step"] for row in rows(whole)] == [50, 96, 100, 150, 192]
    begun = runs.fit(stop_at(runs.make(), step=120), "pieces")
    assert [row["step"] for row in rows(begun)] == [50, 96, 100]
    # as a process leaves it that dies while it writes a row, after the last checkpoint
    with (begun.folder / "metrics.jsonl").open("a") as log:
        log.write('{"kind": "step", "epoch": 2, "step": 150}\n')
        log.write('{"kind": "epoch", "epoch": 2, "step": 192}\n{"kind": "st')
    same(runs.fit(runs.make(), "pieces", resume=begun.folder), whole)


def test_a_damaged_checkpoint_is_said_and_the_one_before_used(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.settings = {"checkpoint_seconds": 0}
    whole = runs.whole()
    begun = runs.fit(stop_at(runs.make(), step=8), "pieces")
    newest = max((begun.folder / "checkpoint").iterdir())
    newest.write_bytes(newest.read_bytes()[:-100])
    resumed = runs.fit(runs.make(), "pieces", resume=begun.folder, quiet=False)
    said = capsys.readouterr().out
    assert f"{newest} is damaged; the one before is used\n" in said
    assert "resumed after step 7 of 18" in said
    same(resumed, whole)


def test_a_disk_that_is_full_costs_checkpoints_and_no_training(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = runs.whole()
    folder = runs.root / "run"

    def refuse(module: nn.Module, inputs: Any) -> None:
        if module.training and not blocked:
            (folder / "checkpoint").rename(runs.root / "kept")
            (folder / "checkpoint").write_text("in the way")
            blocked.append(True)

    blocked: list[bool] = []
    net = runs.make()
    net.register_forward_pre_hook(refuse)
    done = runs.fit(net, "run", checkpoint_seconds=0, quiet=False)
    assert capsys.readouterr().out.count("Training goes on, and older checkpoints stay") == 1
    same(done, whole)
    assert len(list((runs.root / "kept").iterdir())) == 1


def test_run_json_says_what_was_resumed_and_with_what(runs: Runs) -> None:
    done = runs.pieces({"step": 8}, {"step": 3})
    said = json.loads((done.folder / "run.json").read_text())
    assert [piece["step"] for piece in said["resumed"]] == [8, 11]
    assert said["resumed"][0]["versions"] == said["versions"]
    assert said["result"]["interrupted"] is False
    assert said["beyond_the_seed"] == []
    seconds = [row["seconds"] for row in done.history]
    assert seconds == sorted(seconds)


def test_what_the_seed_does_not_fix_is_said(runs: Runs) -> None:
    runs.fit(runs.make(), "tried", layout="auto")
    said = json.loads((runs.root / "tried" / "run.json").read_text())["beyond_the_seed"]
    assert len(said) == 1
    assert "precision=float32 and layout=" in said[0]


def test_another_machine_is_said(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    begun = runs.fit(stop_at(runs.make(), step=4), "run")
    path = begun.folder / "run.json"
    recorded = json.loads(path.read_text())
    recorded["versions"]["torch"] = "1.0"
    recorded["machine"]["threads"] = 99
    path.write_text(json.dumps(recorded))
    runs.fit(runs.make(), "run", resume=begun.folder, quiet=False)
    said = capsys.readouterr().out
    assert f"since the run began: torch 1.0 → {torch.__version__}, threads 99 → " in said
    assert said.count("since the run began") == 1


# ------------------------------------------------------------------------------ what is refused


def refused(kind: type[ConvAtlasError], act: Callable[[], Any]) -> str:
    with pytest.raises(kind) as raised:
        act()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def begun(runs: Runs) -> Run:
    return runs.fit(stop_at(runs.make(), step=4), "run")


def test_other_settings(runs: Runs, begun: Run) -> None:
    def resumed(**more: Any) -> str:
        return refused(
            ConfigError, lambda: runs.fit(runs.make(), "run", resume=begun.folder, **more)
        )

    said = resumed(epochs=5, lr=0.2)
    assert f"{begun.folder} was begun with epochs=3, lr=0.05, and this is epochs=5, lr=0.2" in said
    assert "seed=0, and this is seed=1" in resumed(seed=1)
    assert "goes on in its own folder" in resumed(out=runs.root / "other")


def test_a_setting_that_has_come_since(runs: Runs, begun: Run) -> None:
    path = begun.folder / "run.json"
    described = json.loads(path.read_text())
    assert described["config"].pop("trivial") is False
    path.write_text(json.dumps(described))
    said = refused(
        ConfigError,
        lambda: runs.fit(runs.make(), "run", resume=begun.folder, trivial=True),
    )
    assert "was begun with trivial=False, and this is trivial=True" in said
    same(runs.fit(runs.make(), "run", resume=begun.folder), runs.whole())


def test_another_network(runs: Runs, begun: Run) -> None:
    def resumed(net: nn.Module) -> Any:
        return lambda: runs.fit(net, "run", resume=begun.folder)

    class Other(nn.Sequential):
        pass

    said = refused(ModelError, resumed(Other(runs.make())))
    assert f"{begun.folder} trains Sequential, and this is Other" in said
    wider = nn.Sequential(nn.Conv2d(1, 5, 1), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(320, 3))
    assert "the checkpoint is of another network: " in refused(ModelError, resumed(wider))


def test_another_option_of_the_network(runs: Runs) -> None:
    def net(**options: Any) -> nn.Module:
        return ca.build("lenet_bn", num_classes=3, input_size=16, **options)

    runs.settings = {"size": 16, "shards": 1}
    begun = runs.fit(stop_at(net(), step=2), "run")
    said = refused(ConfigError, lambda: runs.fit(net(norm="group"), "run", resume=begun.folder))
    assert "was begun with network option norm=batch, and this is norm=group" in said


def test_other_data(runs: Runs, begun: Run) -> None:
    def resumed(data: Dataset) -> str:
        runs.data = data
        return refused(DataError, lambda: runs.fit(runs.make(), "run", resume=begun.folder))

    own = runs.data
    fewer = replace(own, train=own.train.subset(torch.arange(95)))
    said = resumed(fewer)
    assert f"the training pictures are not those that {begun.folder} was begun with" in said
    assert "(96 then, 95 here)" in said
    brighter = own.test.images.clone()
    brighter[0, 0, 0, 0] += 1
    said = resumed(replace(own, test=replace(own.test, images=brighter)))
    assert "the test pictures are not those" in said
    assert "the validation pictures are not those" in resumed(replace(own, val=own.test))
    renamed = [replace(part, classes=("a", "b", "c")) for part in (own.train, own.test)]
    said = resumed(Dataset("bars", *renamed))
    assert "learns 3 classes (high, middle, low), and here are 3 (a, b, c)" in said
    assert fit(  # nothing was touched
        runs.make(), own, recipe=CONFIG, quiet=True, resume=begun.folder
    ).report


def test_a_run_that_is_finished(runs: Runs) -> None:
    done = runs.whole()
    said = refused(ConfigError, lambda: runs.fit(runs.make(), "", resume=done.folder))
    assert f"{done.folder} is finished (3 epochs, test accuracy " in said


def test_no_run_to_resume(runs: Runs, begun: Run) -> None:
    def resumed(folder: Path) -> str:
        return refused(ModelError, lambda: runs.fit(runs.make(), "", resume=folder))

    assert "there is no run to resume in" in resumed(runs.root / "nowhere")
    shutil.rmtree(begun.folder / "checkpoint")
    assert "there is no checkpoint in" in resumed(begun.folder)
    (begun.folder / "run.json").write_text("[]")
    assert "does not describe a run" in resumed(begun.folder)
    (begun.folder / "run.json").write_text("{")
    assert "cannot be read" in resumed(begun.folder)


def test_a_folder_that_holds_a_run_is_not_written_over(runs: Runs, begun: Run) -> None:
    said = refused(ConfigError, lambda: runs.fit(runs.make(), "run"))
    assert f"{begun.folder} already holds a run: go on with it (--resume {begun.folder})" in said


def test_a_folder_is_one_runs_at_a_time(runs: Runs, begun: Run) -> None:
    """Two that go on with one run would write each other's checkpoints."""
    before = rows(begun)
    with files.alone(begun.folder):
        said = refused(ConfigError, lambda: runs.fit(runs.make(), "run", resume=begun.folder))
    assert f"another process is training in {begun.folder} right now" in said
    assert rows(begun.folder) == before
    same(runs.fit(runs.make(), "run", resume=begun.folder), runs.whole())


def test_what_died_before_it_was_begun_is_begun_anew(runs: Runs) -> None:
    """Without run.json there is no run, whatever else was written."""
    Checkpoints(runs.root / "pieces" / "checkpoint").write({"of": "the dead"})
    same(runs.pieces({"step": 3}), runs.whole())
