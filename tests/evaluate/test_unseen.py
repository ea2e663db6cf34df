from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from convatlas import data
from convatlas.cli import main
from convatlas.errors import DataError
from convatlas.evaluate import unseen
from convatlas.train import fit


def draw(root: Path, numbers: range) -> None:
    for number in numbers:
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
        (root / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / "ab"[number % 2] / f"{number:03}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    draw(tmp_path / "pets", range(20))
    return tmp_path / "pets"


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Path:
    """Of a network of the reader's own; what it knows is on disk alone."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    return fit(net, str(root), out=tmp_path / "run", epochs=1, size=8, quiet=True).folder


def load(root: Path) -> data.Dataset:
    return data.load(str(root), side=8)


def names(found: data.Dataset, part: str) -> list[str]:
    assert found.listing is not None
    return [found.listing.files[i] for i in found.listing.part(part).tolist()]


@pytest.mark.slow
def test_what_was_learned_before_files_were_added_is_left_out(root: Path, run: Path) -> None:
    before = load(root)
    assert unseen(run, before) == (before.test, 0)
    draw(root, range(20, 80))
    after = load(root)
    learned = set(names(before, "train"))
    new = [i for i, name in enumerate(names(after, "test")) if name not in learned]
    test, seen = unseen(run, after)
    assert seen == len(after.test) - len(new) > 0  # or this split shows nothing
    assert (test.take(slice(None)) == after.test.take(slice(None))[new]).all()


@pytest.mark.slow
def test_the_command_says_so(run: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from convatlas.nets.build import build

    net = build("lenet_d2l", num_classes=2, in_channels=1)
    fit(net, str(root), out=run.with_name("lenet"), epochs=1, size=28, quiet=True)
    draw(root, range(20, 80))
    _, seen = unseen(run, load(root))
    assert main(["evaluate", str(run.with_name("lenet")), str(root)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{seen} of 16 test pictures were learned from by" in said
    assert f"{16 - seen} test pictures of" in said


@pytest.mark.slow
def test_the_same_names_in_another_folder_are_other_pictures(root: Path, run: Path) -> None:
    other = shutil.copytree(root, root.with_name("others"))
    draw(other, range(20, 80))
    assert unseen(run, load(other))[1] == 0
    assert unseen(run / "model.safetensors", load(root))[1] == 0  # a file says nothing of it


@pytest.mark.slow
def test_a_run_that_has_seen_them_all_is_refused(root: Path, run: Path) -> None:
    before = load(root)
    lines = [f"{name},{name[0]},test" for name in names(before, "train")]
    lines += [f"{name},{name[0]},train" for name in names(before, "test")]
    table = root / "all.csv"
    table.write_text("\n".join(["path,label,split", *lines]))
    with pytest.raises(DataError, match="has learned from every test picture"):
        unseen(run, load(table))
