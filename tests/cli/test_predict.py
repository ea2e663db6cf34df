from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from convatlas.classifier import Classifier
from convatlas.cli import main


def said(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> list[str]:
    assert main(["predict", *map(str, argv)]) == 0
    out, errors = capsys.readouterr()
    assert errors == ""
    return out.splitlines()


def test_a_file(trained: Path, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = next((digits / "3").iterdir())
    (expected,) = Classifier.load(trained).predict([file])
    top = [f"{name} {p:.1%}" for name, p in expected.top]
    assert said(capsys, trained, file) == [f"{file}: {', '.join(top[:3])}"]
    model = trained / "model.safetensors"
    assert said(capsys, model, file, "--top", "1") == [f"{file}: {top[0]}"]
    assert said(capsys, model, file, "--top", "5") == [f"{file}: {', '.join(top)}"]


def test_files_folders_and_patterns(
    trained: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in the order it was asked for, and by name within."""
    every = sorted(digits.rglob("*.png"))
    file = every[-1]

    def files(*paths: str | Path) -> list[Path]:
        return [Path(line.rpartition(": ")[0]) for line in said(capsys, trained, *paths)]

    assert files(digits) == every
    assert files(digits / "*" / "*.png") == every
    assert files(digits / "**" / "*.png") == every
    assert files(digits / "[45]") == [p for p in every if p.parent.name in "45"]
    assert files(file, digits / "2", file) == [file, *sorted((digits / "2").iterdir()), file]


def test_most_digits_are_known(
    trained: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = json.loads("\n".join(said(capsys, trained, digits, "--json")))
    assert len(answers) == 30
    right = sum(Path(a["picture"]).parent.name == a["label"] for a in answers)
    assert right > 24  # chance is 3
    for answer in answers:
        assert len(answer["top"]) == 5
        assert max(answer["top"], key=answer["top"].get) == answer["label"]


def test_names_are_printed_as_they_are(
    trained: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither markup, nor emoji, nor a pattern where the file exists."""
    file = tmp_path / "[red]:cat: *?" / "picture [1].png"
    file.parent.mkdir()
    shutil.copy(next((digits / "3").iterdir()), file)
    (line,) = said(capsys, trained, file)
    assert line.startswith(f"{file}: ")


def test_colour_is_asked_about_in_grey(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (30, 40), (90, 90, 90)).save(tmp_path / "colour.png")
    Image.new("L", (30, 40), 90).save(tmp_path / "grey.png")
    colour, grey = said(capsys, trained, tmp_path)
    assert colour.partition(": ")[2] == grey.partition(": ")[2]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["none.png"], "no pictures at none.png: give image files, a folder or a pattern"),
        (["*.png"], "no pictures at *.png"),
        (["empty"], "no pictures at empty"),
        (["notes.txt"], "notes.txt cannot be read as a picture"),
        (["good.png", "cut.png"], "cut.png cannot be read as a picture"),
    ],
)
def test_what_is_no_picture_is_one_line(
    paths: list[str],
    expected: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("notes.txt").write_text("no picture")
    if "good.png" in paths:
        Image.new("L", (30, 40), 90).save("good.png")
        Path("cut.png").write_bytes(Path("good.png").read_bytes()[:60])
    assert main(["predict", str(trained), *paths]) == 2
    errors = capsys.readouterr().err
    assert expected in errors
    assert errors.count("\n") == 1


def test_no_model(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tmp_path), str(digits)]) == 2
    assert "there is no model at" in capsys.readouterr().err
