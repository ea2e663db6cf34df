"""``convatlas train`` on top of weights, in folds, and without knowing a learning rate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from convatlas.classifier import Classifier
from convatlas.cli import main
from convatlas.cli.arguments import read_options
from convatlas.errors import ConfigError, UnknownNameError
from convatlas.train import recipe
from convatlas.train.start import settings


def train(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["train", *argv]) == 0
    return capsys.readouterr().out


def test_few_pictures_train_a_new_head_on_an_old_body(
    trained: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two pictures a class, with classes of other names: what stays, and what is said of it."""
    for i in range(10):
        (digits / str(i)).rename(digits / f"digit {i}")
    try:
        out = tmp_path / "run"
        said = train(capsys, "lenet_bn", str(digits), "--weights", str(trained), "--out", str(out))
    finally:
        for i in range(10):
            (digits / f"digit {i}").rename(digits / str(i))
    assert f"of {trained}; reset head.output.weight, head.output.bias: 10 other classes" in said
    assert "strategy head: the last layer learns, and all below it is frozen" in said
    donor, made = Classifier.load(trained), Classifier.load(out)
    assert made.classes == tuple(f"digit {i}" for i in range(10))
    assert made.preprocess == donor.preprocess
    theirs = donor.net.state_dict()
    for name, value in made.net.state_dict().items():
        assert torch.equal(value, theirs[name]) != name.startswith("head.output")
    run = json.loads((out / "run.json").read_text())
    assert (run["config"]["strategy"], run["config"]["recipe"]) == ("head", "transfer")
    start = run["start"]
    assert start["weights"] == made.card["weights"] == str(trained)
    assert sorted(start["reused"] + list(start["reset"])) == sorted(theirs)


@pytest.mark.slow
def test_it_is_resumed_without_the_weights(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their preprocessing is the run's, and they themselves are in its checkpoint."""
    out = tmp_path / "run"
    argv = ["lenet_bn", "digits", "--weights", str(trained), "--strategy", "finetune"]
    argv += ["--epochs", "2", "--with", "precision=float32"]
    train(capsys, *argv, "--batch-size", "500", "--out", str(out))
    model = (out / "model.safetensors").read_bytes()
    run = json.loads((out / "run.json").read_text())
    for words in ([], ["lenet_bn", "digits"]):
        (out / "run.json").write_text(json.dumps({k: v for k, v in run.items() if k != "result"}))
        assert "resumed after step" in train(capsys, *words, "--resume", str(out))
        assert (out / "model.safetensors").read_bytes() == model


@pytest.mark.slow
def test_folds(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["lenet_bn", "digits", "--weights", str(trained), "--strategy", "head", "--folds", "2"]
    said = train(capsys, *argv, "--epochs", "1", "--out", str(tmp_path / "folds"))
    known = json.loads((tmp_path / "folds" / "folds.json").read_text())
    assert [row["val"] for row in known["folds"]] == [719, 719]
    mean, sd = known["summary"]["val_accuracy"].values()
    assert f"val accuracy {mean:.2%} ± {sd:.2%}, test accuracy " in said
    assert "over 2 folds (mean ± sd); kept in " in said
    assert mean > 0.9  # the donor knows them: each fold began with its weights
    heads = [Classifier.load(tmp_path / "folds" / f"fold-{n}").net.head.output for n in (1, 2)]
    assert not torch.equal(heads[0].weight, heads[1].weight)


@pytest.mark.slow
def test_a_learning_rate_is_found_and_nothing_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    argv = ["lenet_bn", "digits", "--find-lr", "--batch-size", "32", "--with", "layout=contiguous"]
    said = train(capsys, *argv)
    assert said.startswith("learning rate 0.")
    assert said.endswith("drawn in lr_finder.png\n")
    train(capsys, *argv, "--out", "new")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")) == [
        "lr_finder.png",
        "new/plots/lr_finder.png",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--strategy", "head"], "give it --weights ID (convatlas weights lists them)"),
        (["--recipe", "transfer"], "strategy is 'auto', which builds on what a network knows"),
        (["--strategy", "heads"], "strategy is 'heads', but it must be one of auto, scratch"),
        (["--weights", "RUN", "--strategy", "scratch"], "leave out --weights"),
        (["--weights", "RUN", "--recipe", "course"], "init is 'xavier', which draws all weights"),
        (["--weights", "nobody.v1"], "unknown pretrained weights 'nobody.v1'"),
        (["--weights", "RUN", "--resume", "RUN"], "leave out all but the run"),
        (["--folds", "1"], "folds is 1, but it must be at least 2"),
        (["--folds", "900"], "900 folds need at least 900 of each"),
    ],
)
def test_bad_input_is_one_line(
    argv: list[str],
    said: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(trained) if word == "RUN" else word for word in argv]
    assert main(["train", "lenet_bn", "digits", *words]) == 2
    found = capsys.readouterr().err
    assert found.count("\n") == 1
    assert said in found


def test_the_weights_of_another_network(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "resnet20", "digits", "--weights", str(trained)]) == 2
    assert "holds weights of lenet_bn, and not of resnet20" in capsys.readouterr().err


def test_a_recipe_that_says_nothing_of_strategies_leaves_it_to_the_data() -> None:
    """And the word of the person goes first."""
    fast = recipe("fast")
    assert settings(fast, {}, "RUN", resumed=False).strategy == "auto"
    assert settings(fast, {"strategy": "gradual"}, "RUN", resumed=False).strategy == "gradual"
    assert settings(fast, {}, None, resumed=False).strategy == "scratch"
    assert settings(fast, {"strategy": "head"}, None, resumed=True).strategy == "head"
    with pytest.raises(ConfigError):
        settings(fast, {"strategy": "head"}, None, resumed=False)
    with pytest.raises(UnknownNameError):
        settings(fast, read_options(["strateggy=head"]), "RUN", resumed=False)
