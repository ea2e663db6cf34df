from __future__ import annotations

import json
import shutil
import tempfile
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convatlas as ca
from convatlas.classifier import Classifier
from convatlas.data import Dataset, ImageSet, Listing
from convatlas.errors import (
    ConfigError,
    ModelError,
    ShapeError,
    StorageError,
    TrainingError,
    UnknownNameError,
)
from convatlas.evaluate import evaluate
from convatlas.train import Config, Run, fit

Make = Callable[[], nn.Sequential]
CONFIG = Config(epochs=3, batch_size=32, lr=0.1, precision="float32", layout="contiguous")


class Watched(nn.Module):
    """A network that calls ``of(n)`` before its n-th training step."""

    def __init__(self, inner: nn.Module, of: Callable[[int], None]) -> None:
        super().__init__()
        self.inner, self.of, self.steps = inner, of, 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            self.of(self.steps)
        return self.inner(x)


@pytest.fixture
def run(tmp_path: Path, data: Dataset) -> Callable[..., Run]:
    def run(net: nn.Module, data: Dataset | str = data, **changes: Any) -> Run:
        out = tmp_path / "run"
        while (out / "run.json").exists():  # a folder is for one run
            out = tmp_path / f"{out.name}+"
        return fit(net, data, **{"recipe": CONFIG, "out": out, "quiet": True, **changes})

    return run


def test_a_module_of_your_own_learns(run: Callable[..., Run], small: Make, data: Dataset) -> None:
    net = small()
    done = run(net)
    assert done.report.top1 == 1.0
    assert done.classifier.net is net
    assert done.classifier.classes == ("high", "middle", "low")
    assert not done.interrupted
    assert [row["epoch"] for row in done.history] == [1, 2, 3]
    seconds = [row["seconds"] for row in done.history]
    assert seconds == sorted(seconds)
    last, report = done.history[-1], evaluate(done.classifier, data.test)
    assert (last["test_loss"], last["test_accuracy"]) == (report.loss, report.top1)


def test_the_folder_says_how_it_was_made(
    run: Callable[..., Run], small: Make, data: Dataset
) -> None:
    done = run(small(), seed=3)
    said = json.loads((done.folder / "run.json").read_text())
    assert said["net"] == {"name": "Sequential", "options": {}}
    assert said["data"]["train"] == {"n": 96, "sha256": data.train.fingerprint()}
    assert said["data"]["test"] == {"n": 30, "sha256": data.test.fingerprint()}
    assert Config(**said["config"]) == done.config
    assert done.config.seed == 3
    assert said["engine"] == {
        "precision": "float32",
        "layout": "contiguous",
        "shards": 1,
        "winograd": False,
        "trial": {},
    }
    assert said["versions"]["torch"] == torch.__version__
    assert said["result"] == {
        "interrupted": False,
        "epochs": 3,
        "seconds": done.history[-1]["seconds"],
        "test_accuracy": done.report.top1,
        "test_loss": done.report.loss,
    }
    rows = [json.loads(row) for row in (done.folder / "metrics.jsonl").read_text().splitlines()]
    assert rows == done.history
    assert (done.folder / "plots" / "curves.png").is_file()


def test_the_file_is_the_trained_network(
    run: Callable[..., Run], small: Make, data: Dataset
) -> None:
    done = run(small())
    loaded = Classifier.load(done.folder, net=small())
    assert torch.equal(loaded.logits(data.test.images), done.classifier.logits(data.test.images))
    assert loaded.card["epochs"] == 3
    assert loaded.card["test_accuracy"] == done.report.top1


def test_long_epochs_have_rows_inside(run: Callable[..., Run], small: Make) -> None:
    done = run(small(), epochs=1, batch_size=1, lr=1e-4)
    rows = [json.loads(row) for row in (done.folder / "metrics.jsonl").read_text().splitlines()]
    assert [(row["kind"], row["step"]) for row in rows] == [("step", 50), ("epoch", 96)]
    assert 0 <= rows[0]["waiting"] <= 1


def weights(run: Run) -> list[Tensor]:
    return [value.clone() for value in run.classifier.net.state_dict().values()]


@pytest.mark.slow
def test_one_seed_one_result_to_the_last_bit(run: Callable[..., Run], small: Make) -> None:
    """With augmentation and dropout; the trial, which may answer differently, is left out."""
    config = {"flip": True, "shift": 1, "erase": 2}

    def trained(seed: int) -> list[Tensor]:
        return weights(run(nn.Sequential(nn.Dropout(0.1), small()), seed=seed, **config))

    first, again, other = trained(1), trained(1), trained(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True) if a.dim() > 1)


@pytest.mark.slow
def test_a_trial_changes_no_result(run: Callable[..., Run], small: Make) -> None:
    """What the trial chose, chosen beforehand, gives the same weights, dropout and all."""
    net = nn.Sequential(nn.Dropout(0.1), small())
    tried = run(net, layout="auto")
    assert tried.engine.trial
    fixed = run(nn.Sequential(nn.Dropout(0.1), small()), layout=tried.engine.layout)
    assert all(torch.equal(a, b) for a, b in zip(weights(tried), weights(fixed), strict=True))


def test_xavier_is_drawn_from_the_seed(run: Callable[..., Run], small: Make) -> None:
    changes = {"init": "xavier", "epochs": 1, "lr": 1e-30}
    first, again = weights(run(small(), **changes)), weights(run(small(), **changes))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    bound = (6 / (4 * 4 * 4 + 3)) ** 0.5  # Glorot and Bengio 2010, equation 16
    assert 0.9 * bound < first[-2].abs().max() <= bound
    assert first[-1].abs().max() < 1e-20


@pytest.mark.slow
def test_a_network_of_the_atlas_by_the_name_of_its_data(tmp_path: Path) -> None:
    net = ca.build("resnet20", width=2, num_classes=5)
    made = ca.fit(net, "shapes", out=tmp_path, quiet=True, epochs=1, size=16, batch_size=1000)
    assert made.classifier.preprocess.size == 16
    said = json.loads((tmp_path / "run.json").read_text())
    assert said["net"]["options"]["width"] == 2
    assert Classifier.load(tmp_path).net.name == "resnet20"
    assert made.config.recipe == "fast"


@pytest.mark.slow
def test_googlenet_trains_with_its_heads_and_is_saved_without(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (4, 3, 79, 79), dtype=torch.uint8)
    four = ImageSet("four", images, torch.tensor([0, 1, 0, 1]), ("a", "b"))
    net = ca.build("googlenet", num_classes=2, input_size=79)
    before = net.aux["4a"].fc2.weight.detach().clone()
    done = fit(net, Dataset("four", four, four), recipe=CONFIG, out=tmp_path, quiet=True, epochs=1)
    assert not torch.equal(net.aux["4a"].fc2.weight, before)
    loaded = Classifier.load(tmp_path)
    assert not loaded.net.aux
    assert torch.equal(loaded.logits(images), done.classifier.logits(images))


# ------------------------------------------------------------------------- what ends a run early


def test_ctrl_c_keeps_what_was_learned(run: Callable[..., Run], small: Make, data: Dataset) -> None:
    def interrupt(step: int) -> None:
        if step == 5:  # in the second epoch
            raise KeyboardInterrupt

    net = Watched(small(), interrupt)
    done = run(net)
    assert done.interrupted
    assert [row["epoch"] for row in done.history] == [1]
    loaded = Classifier.load(done.folder, net=Watched(small(), print))
    assert torch.equal(loaded.logits(data.test.images), done.classifier.logits(data.test.images))
    assert not torch.equal(net.inner[5].weight, small()[5].weight)
    assert json.loads((done.folder / "run.json").read_text())["result"]["interrupted"] is True
    assert (done.folder / "plots" / "curves.png").is_file()


def test_ctrl_c_in_the_first_epoch(run: Callable[..., Run], small: Make) -> None:
    def interrupt(step: int) -> None:
        if step == 2:
            raise KeyboardInterrupt

    done = run(Watched(small(), interrupt))
    assert (done.interrupted, done.history, done.report) == (True, [], None)
    Classifier.load(done.folder, net=Watched(small(), print))
    said = json.loads((done.folder / "run.json").read_text())["result"]
    assert said == {
        "interrupted": True,
        "epochs": 0,
        "seconds": None,
        "test_accuracy": None,
        "test_loss": None,
    }


def test_a_loss_that_is_no_number_keeps_the_last_good_model(
    run: Callable[..., Run], small: Make, tmp_path: Path
) -> None:
    good: list[Tensor] = []

    def spoil(step: int) -> None:
        if step == 4:
            good.extend(p.detach().clone() for p in net.parameters())
        if step == 5:
            net.inner[5].weight.data.fill_(float("inf"))

    net = Watched(small(), spoil)
    with pytest.raises(TrainingError) as raised:
        run(net)
    said = str(raised.value)
    assert "at step 5" in said
    assert f"the model of epoch 1 is kept in {tmp_path / 'run' / 'model.safetensors'}" in said
    assert "\n" not in said
    kept = Classifier.load(tmp_path / "run", net=Watched(small(), print))
    for mine, theirs in zip(kept.net.parameters(), good, strict=True):
        assert torch.equal(mine, theirs)
    assert (tmp_path / "run" / "plots" / "curves.png").is_file()


def test_weights_that_break_in_the_last_step_are_not_kept(
    run: Callable[..., Run], small: Make, tmp_path: Path
) -> None:
    """The loss of the step was a number; that of the test pictures is not."""

    class Breaking(Watched):
        def eval(self) -> Breaking:
            if self.steps == 6:
                self.inner[5].weight.data.fill_(float("nan"))
            return super().eval()

    with pytest.raises(TrainingError, match="test loss is nan after epoch 2; the model of epoch 1"):
        run(Breaking(small(), lambda step: None))
    kept = Classifier.load(tmp_path / "run", net=Watched(small(), print))
    assert all(p.isfinite().all() for p in kept.net.parameters())


def test_a_loss_that_is_no_number_at_once(run: Callable[..., Run], small: Make) -> None:
    net = small()
    net[5].weight.data.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"at step 1 .*; no epoch was finished"):
        run(net)


def test_a_model_that_cannot_be_written_is_kept_elsewhere(
    run: Callable[..., Run],
    small: Make,
    data: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "run" / "model.safetensors" / "in the way").mkdir(parents=True)
    net = small()
    with pytest.raises(StorageError) as raised:
        run(net)
    said = str(raised.value)
    assert "\n" not in said
    assert str(tmp_path / "run" / "model.safetensors") in said
    elsewhere = Path(said.rpartition(" is in ")[2])
    assert elsewhere.parent.parent == tmp_path / "tmp"
    loaded = Classifier.load(elsewhere, net=small())
    assert torch.equal(loaded.net.state_dict()["5.weight"], net[5].weight)


def test_a_disk_that_fills_up_in_between_costs_no_model(
    run: Callable[..., Run], small: Make, tmp_path: Path
) -> None:
    """Every file of the run is gone and in its place lies what cannot be replaced."""
    folder = tmp_path / "run"

    def refuse(step: int) -> None:
        if step == 4:
            shutil.rmtree(folder)
            folder.write_text("no folder any more")

    with pytest.raises(StorageError) as raised:
        run(Watched(small(), refuse))
    elsewhere = Path(str(raised.value).rpartition(" is in ")[2])
    assert Classifier.load(elsewhere, net=Watched(small(), print)).card["epochs"] == 3
    shutil.rmtree(elsewhere.parent)


def test_a_place_that_cannot_be_is_said_before_the_first_step(
    run: Callable[..., Run], small: Make, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(StorageError):
        run(Watched(small(), lambda step: pytest.fail("it trained")))


# ------------------------------------------------------------------- what is refused beforehand

Pair = namedtuple("Pair", "logits other")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: x[:, :2], r"with \(2, 2\), but one logit for each of 3 classes"),
        (lambda x: x[:, :, None, None], r"with \(2, 3, 1, 1\)"),
        (lambda x: x.sum(), r"with \(\)"),
        (lambda x: (x, x), "with tuple"),
        (lambda x: Pair(x, x), "with Pair"),
        (lambda x: None, "with NoneType"),
    ],
)
def test_a_module_with_other_answers(
    answer: Callable[[Tensor], Any], said: str, run: Callable[..., Run], small: Make, tmp_path: Path
) -> None:
    class Answering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small()

        def forward(self, x: Tensor) -> Any:
            return answer(self.inner(x))

    with pytest.raises(ModelError, match=said) as raised:
        run(Answering())
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_network_of_other_channels(run: Callable[..., Run]) -> None:
    with pytest.raises(ShapeError, match="built for in_channels=3, and this picture has 1"):
        run(ca.build("resnet20", num_classes=3))


def test_a_test_class_that_is_not_learned(
    run: Callable[..., Run], small: Make, data: Dataset
) -> None:
    other = ImageSet("other", data.test.images, data.test.labels, ("high", "middle", "lower"))
    with pytest.raises(ModelError, match="unknown to it: lower"):
        run(small(), Dataset("bars", data.train, other))


def test_a_network_without_weights(run: Callable[..., Run]) -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool2d((1, 3)), nn.Flatten())
    with pytest.raises(ConfigError, match="nothing to train"):
        run(net)


def test_a_batch_of_one_that_normalisation_cannot_take(tmp_path: Path, data: Dataset) -> None:
    net = ca.build("lenet_bn", num_classes=3, input_size=16)
    with pytest.raises(ShapeError, match="lenet_bn in training cannot take a single 16×16 picture"):
        fit(net, data, recipe=CONFIG, out=tmp_path, quiet=True, batch_size=1)


# ------------------------------------------------------------------------------ odd data, odd nets


def test_one_class(run: Callable[..., Run], data: Dataset) -> None:
    alike = ImageSet("alike", data.test.images, torch.zeros(30, dtype=torch.int64), ("all",))
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    done = run(net, Dataset("alike", alike, alike))
    assert (done.report.top1, done.report.loss) == (1.0, 0.0)


@pytest.mark.slow
def test_fewer_pictures_than_a_batch(run: Callable[..., Run], small: Make, data: Dataset) -> None:
    few = Dataset("few", data.train.subset(torch.arange(3)), data.test.subset(torch.arange(1)))
    done = run(small(), few, layout="auto")
    assert len(done.history) == 3
    assert done.report.n == 1


def test_pictures_that_are_not_square(run: Callable[..., Run], data: Dataset) -> None:
    wide = [
        ImageSet(part.name, torch.nn.functional.pad(part.images, (3, 3)), part.labels, part.classes)
        for part in (data.train, data.test)
    ]
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    done = run(net, Dataset("wide", *wide))
    assert done.classifier.preprocess.size == 8
    assert done.report.top1 == 1.0


class Customary(nn.Module):
    """As many write it: `view`, a constant that is no buffer, a look at values, two names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(256, 3)
        self.scale, self.name, self.options = torch.full((1, 1, 8, 8), 0.5), "my net", {1, 2}

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x * self.scale)
        if x.abs().max().item() > 1e9:
            raise AssertionError
        return self.fc(x.view(x.shape[0], -1))


def test_a_customary_module(run: Callable[..., Run], data: Dataset) -> None:
    done = run(Customary(), layout="auto")
    assert done.engine.layout == "contiguous"
    assert done.report.top1 == 1.0
    loaded = Classifier.load(done.folder, net=Customary())
    assert torch.equal(loaded.logits(data.test.images), done.classifier.logits(data.test.images))


def test_frozen_parts_stay(run: Callable[..., Run], small: Make) -> None:
    net = small()
    net[0].requires_grad_(False)
    run(net)
    assert torch.equal(net[0].weight, small()[0].weight)
    assert not torch.equal(net[5].weight, small()[5].weight)


def test_by_default_a_new_folder_under_runs(
    small: Make, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [fit(small(), data, recipe=CONFIG, epochs=1, quiet=True).folder for _ in range(2)]
    assert sorted(Path("runs").iterdir()) == sorted(folders)
    assert all(folder.name.startswith("Sequential-bars-") for folder in folders)


@pytest.mark.slow
def test_what_is_shown(
    run: Callable[..., Run], small: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(small(), quiet=False, layout="auto")
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert lines[0] == "Sequential on bars: 96 training and 30 test pictures of 8×8, 3 classes"
    assert str(done.engine) in lines[1]
    assert "tried, images/s" in lines[1]
    assert lines[2].split()[0] == "epoch"
    assert [line.split()[0] for line in lines[3:]] == ["1", "2", "3"]
    assert f"{done.report.top1:.2%}" in lines[-1]
    run(small())
    assert capsys.readouterr().out == ""


def test_a_validation_part_is_watched_and_the_test_is_looked_at_once(
    run: Callable[..., Run], small: Make, data: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    val = ImageSet("val", data.train.images[:12], data.train.labels[:12], data.train.classes)
    done = run(small(), replace(data, val=val), quiet=False)
    rows = [json.loads(line) for line in (done.folder / "metrics.jsonl").read_text().splitlines()]
    last = [row for row in rows if row["kind"] == "epoch"][-1]
    assert "test_loss" not in last
    assert last["val_accuracy"] == evaluate(done.classifier, val).top1
    assert done.report.n == len(data.test)
    assert done.classifier.card["test_accuracy"] == done.report.top1
    assert done.result()["test_accuracy"] == done.report.top1
    said = capsys.readouterr().out
    assert "96 training, 12 validation and 30 test pictures" in said
    assert "val accuracy" in said


def test_what_was_inferred_and_unequal_classes_are_said(
    run: Callable[..., Run], small: Make, data: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    few = torch.cat([(data.train.labels == 0).nonzero(), (data.train.labels == 1).nonzero()[:2]])
    skewed = replace(data, train=data.train.subset(few.squeeze(1)), notes=("three wise lines",))
    run(small(), skewed, quiet=False, batch_size=8, epochs=1)
    said = capsys.readouterr().out
    assert "  three wise lines\n" in said
    assert "classes are unequal: high has 32 pictures and low 0 (inf:1); balance=weights" in said
    run(small(), skewed, quiet=False, batch_size=8, epochs=1, balance="weights")
    assert "unequal" not in capsys.readouterr().out


def test_the_files_of_each_part_are_written_down(
    run: Callable[..., Run], small: Make, data: Dataset, tmp_path: Path
) -> None:
    names = ["a/1.png", "b/caf\udce9.png", 'b/"3",.png']
    listing = Listing(
        "x", tmp_path, ("a", "b"), names, torch.tensor([0, 1, 1]), torch.tensor([0, 1, 2]).byte()
    )
    done = run(small(), replace(data, listing=listing), epochs=1)
    lines = (done.folder / "files.csv").read_bytes().splitlines()
    assert lines == [
        b"path,label,split",
        b"a/1.png,a,train",
        b"b/caf\xe9.png,b,val",
        b'"b/""3"",.png",b,test',
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"mixup": 0.4, "label_smoothing": 0.1},
        {"cutmix": 1.0},
        {"balance": "weights"},
        {"balance": "sampler"},
        {"crop": "ten", "size": 7},
        {"crop": "random", "size": 7},
        {"crop": "resized", "jitter": 0.2},
    ],
)
def test_every_augmentation_trains(
    run: Callable[..., Run], data: Dataset, changes: dict[str, Any]
) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(), nn.Linear(16, 3)
    )
    done = run(net, **changes, epochs=2)
    losses = [row["train_loss"] for row in done.history]
    assert losses[1] < losses[0]
    roams = changes.get("crop") in ("ten", "random")
    assert done.classifier.preprocess.size == (7 if roams else 8)
    assert done.classifier.preprocess.resize == 8


def test_a_setting_that_does_not_exist_is_named(run: Callable[..., Run], small: Make) -> None:
    with pytest.raises(UnknownNameError, match="unknown setting 'mixupp': did you mean mixup"):
        run(small(), mixupp=0.2)
