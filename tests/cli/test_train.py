from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from convatlas.classifier import Classifier
from convatlas.cli import main

QUICK = ["--epochs", "1", "--batch-size", "1000"]


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["train", *argv]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("convatlas: ")
    return said


@pytest.mark.slow
def test_what_was_asked_for_is_what_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a [bold] run"  # brackets are no markup
    argv = ["train", "resnet20", "digits", "--epochs", "2", "--batch-size", "719", "--lr", "0.03"]
    argv += ["--size", "9", "--seed", "5", "--set", "width=2", "--set", "norm=group"]
    assert main([*argv, "--out", str(out)]) == 0
    said, errors = capsys.readouterr()
    assert errors == ""
    assert "resnet20 on digits: 1,438 training and 359 test pictures of 8×8, resized to 9×9" in said
    rows = [line.split()[0] for line in said.splitlines() if line.startswith("    ")]
    assert rows == ["1", "2"]
    made = json.loads((out / "run.json").read_text())
    asked = {"recipe": "fast", "epochs": 2, "batch_size": 719, "lr": 0.03, "size": 9, "seed": 5}
    assert {name: made["config"][name] for name in asked} == asked
    assert (made["net"]["options"]["width"], made["net"]["options"]["norm"]) == (2, "group")
    last = said.splitlines()[-2:]
    assert last[0].startswith(f"test accuracy {made['result']['test_accuracy']:.2%} after ")
    assert last[1].startswith(f"kept in {out}: model.safetensors")
    assert Classifier.load(out).classes == tuple("0123456789")


@pytest.mark.slow
def test_the_seed_draws_the_weights(tmp_path: Path) -> None:
    def weight(seed: str, out: Path) -> list[float]:
        argv = ["train", "lenet_bn", "digits", *QUICK, "--lr", "1e-30", "--seed", seed]
        assert main([*argv, "--out", str(out)]) == 0
        return next(Classifier.load(out).net.parameters()).flatten().tolist()

    first = weight("1", tmp_path / "first")
    assert weight("1", tmp_path / "again") == first
    assert weight("2", tmp_path / "other") != first


@pytest.mark.slow
def test_the_course_recipe(tmp_path: Path) -> None:
    argv = ["train", "lenet_bn", "digits", *QUICK, "--recipe", "course", "--out", str(tmp_path)]
    assert main(argv) == 0
    made = json.loads((tmp_path / "run.json").read_text())
    assert made["config"]["recipe"] == "course"
    assert made["preprocess"]["size"] == 28  # the paper's side


@pytest.mark.slow
def test_a_folder_of_pictures(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decoded to the side that was asked for, and grey like the files."""
    argv = ["train", "lenet_bn", str(digits), *QUICK, "--size", "20", "--out", str(tmp_path)]
    assert main(argv) == 0
    assert "20 training and 10 test pictures of 20×20, 10 classes" in capsys.readouterr().out
    spec = Classifier.load(tmp_path).preprocess
    assert (spec.size, spec.channels) == (20, 1)


@pytest.mark.slow
def test_any_setting_of_the_recipe(tmp_path: Path) -> None:
    settings = [
        "crop=random",
        "resize=20",
        "size=18",
        "mixup=0.3",
        "trivial=True",
        "schedule=constant",
    ]
    argv = ["train", "lenet_bn", "digits", *QUICK, "--out", str(tmp_path)]
    assert main([*argv, *(word for one in settings for word in ("--with", one))]) == 0
    made = json.loads((tmp_path / "run.json").read_text())
    asked = {"crop": "random", "resize": 20, "size": 18, "mixup": 0.3, "trivial": True}
    assert {name: made["config"][name] for name in asked} == asked
    assert made["config"]["schedule"] == "constant"


@pytest.mark.slow
def test_the_augmentation_is_shown_and_nothing_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    argv = ["train", "lenet_bn", "digits", "--show-augment", "--with", "shift=2"]
    assert main(argv) == 0
    assert capsys.readouterr().out == "drawn in augment.png\n"
    assert main([*argv, "--out", "new"]) == 0
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")) == [
        "augment.png",
        "new/augment.png",
    ]


@pytest.mark.slow
def test_pictures_that_cannot_be_read_are_left_out_or_stop_it(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(digits, tmp_path / "data"))
    (root / "3" / "broken.png").write_bytes(b"no picture")
    argv = ["train", "lenet_bn", str(root), *QUICK, "--size", "20"]
    for run, more in (("run", []), ("again", ["--no-cache"])):
        assert main([*argv, *more, "--out", str(tmp_path / run)]) == 0
        said = capsys.readouterr().out
        assert "1 of 31 pictures cannot be read and are left out: 3/broken.png" in said
        assert ("decoded once into" in said) is not bool(more)
    rows = (tmp_path / "run" / "files.csv").read_text().splitlines()
    assert len(rows) == 31
    said = refused(capsys, *argv[1:], "--strict")
    assert "1 of 31 pictures cannot be read" in said


@pytest.mark.slow
def test_a_run_goes_on_only_as_it_was_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its command may be said again, in whole or in part; a word that differs is named."""
    monkeypatch.chdir(tmp_path)
    argv = ["lenet_bn", "digits", *QUICK, "--lr", "0.1", "--seed", "2", "--set", "norm=group"]
    assert main(["train", *argv, "--out", "run"]) == 0
    description = json.loads(Path("run/run.json").read_text())
    model = Path("run/model.safetensors").read_bytes()

    def cut_short() -> None:
        rest = {name: value for name, value in description.items() if name != "result"}
        Path("run/run.json").write_text(json.dumps(rest))

    said = refused(capsys, *argv, "--out", "run")
    assert "run already holds a run: go on with it (--resume run), or choose another" in said
    for words in ([], argv, ["lenet_bn", "digits", "--seed", "2"]):
        cut_short()
        assert main(["train", *words, "--resume", "run"]) == 0
        assert "resumed after step " in capsys.readouterr().out
        assert Path("run/model.safetensors").read_bytes() == model
    cut_short()
    for words, difference in (
        (["--epochs", "3"], "was begun with epochs=1, and this is epochs=3"),
        (["--seed", "0"], "was begun with seed=2, and this is seed=0"),
        (["--recipe", "course"], "was begun with epochs=1, batch_size=1000, size=own, "),
        (["--set", "norm=none"], "was begun with network option norm=group, and this is norm=none"),
        (["resnet20"], "trains lenet_bn, and this is resnet20"),
        (["lenet_bn", "shapes"], "learns 10 classes (0, 1, 2, …), and here are 5"),
        (["--out", "other"], "goes on in its own folder, run: leave out other"),
    ):
        assert difference in refused(capsys, *words, "--resume", "run")
    assert "there is no run to resume in nowhere" in refused(capsys, "--resume", "nowhere")
    assert "train needs NET and DATA" in refused(capsys)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["lenet_bn", "digits", "--with", "mixupp=1"], "unknown setting 'mixupp'"),
        (["lenet_bn", "digits", "--with", "mixup=a"], "mixup is 'a', but it must be a number"),
        (["lenet_bn", "digits", "--with", "crop=middle"], "crop is 'middle'"),
        (["lenet_bn", "digits", "--with", "crop=random"], "a random crop of 16 must be cut"),
        (["resnet19", "digits"], "unknown network 'resnet19': did you mean resnet"),
        (["lenet_bn", "digit"], "unknown data set or folder 'digit': did you mean digits"),
        (["lenet_bn", "./none"], "there is no folder ./none"),
        (["lenet_bn", "digits", "--recipe", "fats"], "unknown recipe 'fats': did you mean fast"),
        (["lenet_bn", "digits", "--epochs", "0"], "epochs is 0, but it must be at least 1"),
        (["lenet_bn", "digits", "--lr", "nan"], "lr is nan"),
        (["lenet_bn", "digits", "--size", "9"], "must be at least 16"),
        (["lenet_bn", "digits", "--set", "colour=red"], "no option 'colour'"),
        (["lenet_bn", "digits", "--set", "norm"], "must be name=value"),
        (["lenet_bn", "digits", "--set", "num_classes=7"], "one logit for each of 10 classes"),
        (["lenet_bn", "digits", "--set", "in_channels=3"], "in_channels=3, and this picture has 1"),
        (["lenet_bn", "digits", "--batch-size", "1"], "cannot take a single 16×16 picture"),
    ],
)
def test_bad_input_is_one_line(
    argv: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, *argv)
    assert not list(tmp_path.rglob("*.safetensors"))
