from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from convatlas import data
from convatlas.classifier import Classifier
from convatlas.cli import main
from convatlas.evaluate import evaluate


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.mark.slow
def test_the_numbers_are_the_reports(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = evaluate(Classifier.load(run), data.load("digits").test)
    assert main(["evaluate", str(run), "digits"]) == 0
    said, errors = capsys.readouterr()
    assert errors == ""
    assert f"359 test pictures of digits: top-1 {report.top1:.2%}, top-5 {report.top5:.2%}" in said
    rows = [line.split() for line in said.splitlines() if line.strip()]
    for one in report.classes:
        numbers = [f"{value:.2%}" for value in (one.precision, one.recall, one.f1)]
        assert [one.name, *numbers, str(one.support)] in rows
    for one, counts in zip(report.classes, report.confusion.tolist(), strict=True):
        assert [one.name, *(str(count) if count else "·" for count in counts)] in rows
    with Image.open(run / "plots" / "confusion.png") as picture:
        assert picture.format == "PNG"
    assert f"confusion matrix drawn in {run / 'plots' / 'confusion.png'}" in said


@pytest.mark.slow
def test_ten_crops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["train", "resnet20", "digits", "--epochs", "1", "--size", "7", "--with", "crop=random"]
    assert main([*argv, "--set", "width=2", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    scores = []
    for crops in ("1", "10"):
        assert main(["evaluate", str(tmp_path), "digits", "--crops", crops, "--json"]) == 0
        scores.append(json.loads(capsys.readouterr().out)["loss"])
    test = data.load("digits").test
    classifier = Classifier.load(tmp_path)
    assert scores == [evaluate(classifier, test, crops=n).loss for n in (1, 10)]
    assert scores[0] != scores[1]


def test_ten_crops_of_a_model_that_sees_the_whole(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), "digits", "--crops", "10"]) == 2
    assert "are all the same one" in capsys.readouterr().err


def test_as_json_of_a_file(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = tmp_path / "new" / "matrix.png"
    model = run / "model.safetensors"
    assert main(["evaluate", str(model), "digits", "--out", str(drawn), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    digits = data.load("digits")
    report = evaluate(Classifier.load(run), digits.test)
    beside = {"picture": str(drawn), "notes": list(digits.notes)}
    assert said == json.loads(json.dumps(report.to_dict())) | beside
    assert drawn.is_file()


def test_a_folder_with_some_of_the_classes(
    run: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("3", "7"):
        shutil.copytree(digits / name, tmp_path / "some" / name)
    assert main(["evaluate", str(run), str(tmp_path / "some"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["n"] == 2
    assert [c["support"] for c in said["classes"]] == [0, 0, 0, 1, 0, 0, 0, 1, 0, 0]


def test_the_numbers_come_even_where_the_picture_cannot_be_kept(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "c.png"
    assert main(["evaluate", str(run), "digits", "--out", str(out)]) == 2
    said, errors = capsys.readouterr()
    assert "top-1" in said
    assert errors.startswith(f"convatlas: cannot write {out}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("run", "shapes", "unknown to it: circle, cross, ring, square, triangle"),
        ("run", "digit", "unknown data set or folder 'digit'"),
        ("none", "digits", "there is no model at"),
    ],
)
def test_bad_input_is_one_line(
    name: str, source: str, said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run.with_name(name)), source]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert said in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("cache", [True, False])
def test_files_of_other_channels_are_scored_as_predict_sees_them(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], cache: bool
) -> None:
    test, root = data.load("digits").test, tmp_path / "colour"
    for label, name in enumerate(test.classes[:3]):
        for i in (test.labels == label).nonzero().flatten()[:5].tolist():
            (root / "test" / name).mkdir(parents=True, exist_ok=True)
            (root / "train" / name).mkdir(parents=True, exist_ok=True)
            grey = Image.fromarray(test.images[i, 0].numpy())
            Image.merge("RGB", (grey, grey.point(lambda v: v // 2), grey)).save(
                root / "test" / name / f"{i}.png"
            )
            grey.convert("RGB").save(root / "train" / name / f"{i}.png")
    options = [] if cache else ["--no-cache"]
    assert main(["evaluate", str(run), str(root), "--json", *options]) == 0
    told = json.loads(capsys.readouterr().out)
    files = sorted((root / "test").glob("*/*.png"))
    right = sum(a.label == a.picture.parent.name for a in Classifier.load(run).predict(files))
    assert told["n"] == len(files)
    assert told["top1"] == pytest.approx(right / len(files))


def test_arrays_of_other_channels(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "shapes"]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("cache", [True, False])
def test_what_is_left_out_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cache: bool
) -> None:
    for i in range(20):
        path = tmp_path / "pets" / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9), 12 * i).save(path)
    (tmp_path / "pets" / "a" / "zero.png").touch()
    pets, run = str(tmp_path / "pets"), str(tmp_path / "run")
    assert main(["train", "lenet5", pets, "--epochs", "1", "--size", "28", "--out", run]) == 0
    capsys.readouterr()
    options = [] if cache else ["--no-cache"]
    assert main(["evaluate", run, pets, *options]) == 0
    assert "cannot be read and are left out: a/zero.png" in capsys.readouterr().out
    assert main(["evaluate", run, pets, *options, "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert "left out: a/zero.png" in notes[-1]
    assert any(note.startswith("decoded once") for note in notes) == cache
