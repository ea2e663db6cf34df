from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from convatlas import data
from convatlas.cli import main

CAFE = os.fsdecode(b"caf\xe9.png")


@pytest.fixture
def pets(digits: Path, tmp_path: Path) -> Path:
    """Files of scikit-learn's digits in parts, a leak and a name that is no text among them."""
    root = tmp_path / "pets"
    for name in ("3", "7"):
        shutil.copytree(digits / name, root / "train" / name)
        for path in sorted((root / "train" / name).iterdir())[:1]:
            (root / "test" / name).mkdir(parents=True)
            shutil.copy(path, root / "test" / name / path.name)
    (root / "train" / "3" / CAFE).touch()
    return root


def first(root: Path, name: str) -> str:
    return next((root / "test" / name).iterdir()).name


def test_what_is_wrong_is_said_in_groups_and_one_last_line(
    pets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", str(pets)]) == 1
    said, errors = capsys.readouterr()
    assert errors.strip() == ""
    lines = said.splitlines()
    assert lines[0] == "pets: 9 pictures of 2 classes (train 7, test 2)"
    three, seven = (f"{name}/{first(pets, name)}" for name in "37")
    start = next(i for i, line in enumerate(lines) if line.startswith("error  leak (2): "))
    assert "remove it from the one that is learned from" in lines[start]
    assert lines[start + 1 : start + 4] == [
        f"  test/{three} = train/{three} (test 3 = train 3)",
        f"  test/{seven} = train/{seven} (test 7 = train 7)",
        "",
    ]
    assert "  train/3/caf\\udce9.png: 0 bytes" in lines
    assert lines[-1].startswith("pets: 4 kinds of findings (2 error, 1 warning, 1 note)")


def test_json_has_everything(pets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(30):
        (pets / "train" / "3" / f"empty-{number}.png").touch()
    assert main(["doctor", str(pets), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    cases = {found["kind"]: found["cases"] for found in told["findings"]}
    assert len(cases["empty"]) == 31
    assert cases["name"] == [{"files": [f"train/3/{CAFE}"], "says": ""}]
    assert told["pictures"] == {"train": 37, "val": 0, "test": 2}
    assert told["fix"] is None
    assert main(["doctor", str(pets)]) == 1
    assert "  … and 23 more\n" in capsys.readouterr().out


def test_a_clean_set_ends_with_0(
    pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shapes are clean but for some that look alike: take those that do not."""
    shapes, root = data.load("shapes", side=24).train, tmp_path / "shapes"
    from PIL import Image

    for label in (1, 3):
        (root / shapes.classes[label]).mkdir(parents=True)
        for index in (shapes.labels == label).nonzero().flatten()[:14].tolist():
            pixels = shapes.images[index].permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(root / shapes.classes[label] / f"{index}.png")
    assert main(["doctor", str(root)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "shapes: nothing is wrong with its 28 pictures"


def test_a_set_that_cannot_be_trained_ends_with_2(
    pets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (pets / "train" / "7").iterdir():
        path.write_bytes(b"")
    assert main(["doctor", str(pets)]) == 2
    said = capsys.readouterr().out
    assert "fatal  unusable (1): nothing can be trained" in said
    assert "  7 has no picture to learn from" in said
    assert said.splitlines()[-1].endswith("nothing can be trained from it")


def test_a_layout_that_cannot_be_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    assert main(["doctor", str(tmp_path)]) == 2
    said, errors = capsys.readouterr()
    assert said == ""
    assert errors.count("\n") == 1
    assert "class 'a' has 1 picture(s)" in errors


def test_fix_says_what_it_did(
    pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "clean"
    assert main(["doctor", str(pets), "--fix", str(out)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        f"6 files copied to {out}, 0 of them renamed; 3 left out: doctor.txt in it says which and "
        "why"
    )
    assert (out / "doctor.txt").is_file()
    assert main(["doctor", str(pets), "--fix", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err

    assert main(["doctor", str(pets), "--fix", str(out.with_name("two")), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["fix"]
    assert told["left_out"][f"train/3/{CAFE}"] == "empty: 0 bytes"
    assert set(told["kept"].values()) == set(told["kept"])
    assert len(told["kept"]) == 6


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_any_name_can_be_printed(pets: Path, encoding: str) -> None:
    """In a process of its own, whose standard output is a real pipe."""
    ran = subprocess.run(
        [sys.executable, "-m", "convatlas", "doctor", str(pets)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert b"train/3/caf\\udce9.png" in ran.stdout


def test_quick_looks_at_headers_alone(pets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    three = pets / "train" / "3"
    (three / "cut.png").write_bytes(next(three.glob("[0-9]*.png")).read_bytes()[:-20])
    assert main(["doctor", str(pets), "--quick", "--json"]) == 1
    kinds = {found["kind"] for found in json.loads(capsys.readouterr().out)["findings"]}
    assert {"empty", "name"} <= kinds  # by size and by name
    assert not kinds & {"leak", "truncated"}  # by decoding
    assert main(["doctor", str(pets), "--quick", "--fix", str(pets.with_name("out"))]) == 2
    assert "leave --quick out" in capsys.readouterr().err
