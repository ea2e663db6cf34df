from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from torch import nn

from convatlas.classifier import Classifier
from convatlas.data import Dataset, Preprocess
from convatlas.errors import StorageError
from convatlas.train.folder import RunFolder

ROW = {
    "seconds": 1.0,
    "train_loss": 0.5,
    "test_loss": 0.6,
    "train_accuracy": 0.8,
    "test_accuracy": 0.7,
}


@pytest.fixture
def classifier(small: Callable[[], nn.Module], data: Dataset) -> Classifier:
    spec = Preprocess.measure(data.train.images, 8)
    return Classifier(small(), spec, data.train.classes)


@pytest.mark.slow
def test_a_run_is_four_things(tmp_path: Path, classifier: Classifier) -> None:
    folder = RunFolder(tmp_path / "new" / "run")
    folder.describe({"net": "small", "größe": 8})
    folder.start_metrics()
    folder.log({"step": 1})
    folder.log({"step": 2})
    folder.keep(classifier)
    folder.draw_curves([ROW, ROW], "test", "small on bars")
    assert folder.unwritten is None
    assert json.loads((folder.path / "run.json").read_text()) == {"net": "small", "größe": 8}
    rows = (folder.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row) for row in rows] == [{"step": 1}, {"step": 2}]
    assert Classifier.load(folder.path, net=classifier.net).classes == classifier.classes
    with Image.open(folder.path / "plots" / "curves.png") as picture:
        assert picture.format == "PNG"
    written = {p.relative_to(folder.path).as_posix() for p in folder.path.rglob("*.*")}
    assert written == {"run.json", "metrics.jsonl", "model.safetensors", "plots/curves.png"}


def test_a_run_into_an_old_folder_begins_its_metrics_anew(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.log({"old": 1})
    RunFolder(tmp_path).start_metrics()
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_fresh_folders_never_meet(tmp_path: Path) -> None:
    paths = [RunFolder.fresh("vgg", "some/photos", tmp_path).path for _ in range(3)]
    assert len(set(paths)) == 3
    assert all(path.parent == tmp_path for path in paths)
    assert all(path.name.startswith("vgg-photos-") for path in paths)


def test_a_place_that_cannot_be_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*file/run"):
        RunFolder(tmp_path / "file" / "run")


def test_what_the_disk_refuses_is_remembered_until_it_takes_it(
    tmp_path: Path, classifier: Classifier
) -> None:
    folder = RunFolder(tmp_path)
    folder.model.mkdir()
    (folder.model / "in the way").touch()
    folder.keep(classifier)
    assert isinstance(folder.unwritten, StorageError)
    assert str(folder.model) in str(folder.unwritten)
    (folder.model / "in the way").unlink()
    folder.model.rmdir()
    folder.keep(classifier)
    assert folder.unwritten is None
    assert folder.model.is_file()


def test_numbers_and_curves_that_cannot_be_written_end_no_run(tmp_path: Path) -> None:
    for name, write in (
        ("metrics.jsonl", lambda folder: folder.log({})),
        ("plots/curves.png", lambda folder: folder.draw_curves([ROW], "test", "")),
    ):
        folder = RunFolder(tmp_path)
        (tmp_path / name / "in the way").mkdir(parents=True)
        write(folder)
        assert name in str(folder.unwritten)
