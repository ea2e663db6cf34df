"""Each planted fault is found, by name, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas import data
from convatlas.data.doctor import KINDS, Finding, diagnose
from convatlas.data.doctor.examine import examine_pixels
from convatlas.errors import DataError

CAFE = os.fsdecode(b"train/cat/caf\xe9.png")

#: the names of each case, by kind
PLANTED = {
    "leak": [("test/dog/leak.png", "train/dog/leak.png")],
    "near-leak": [("test/dog/near-leak.jpg", "train/dog/near-leak.png")],
    "conflict": [("train/cat/conflict.png", "train/dog/conflict.png")],
    "truncated": [("train/cat/cut.jpg",)],
    "unreadable": [("train/cat/float.tif",), ("train/cat/page.jpg",)],
    "empty": [("train/cat/empty.jpg",)],
    "bomb": [("train/cat/bomb.png",)],
    "broken-link": [("train/cat/gone.jpg",)],
    "imbalance": [()],
    "few": [()],
    "duplicate": [("train/dog/same-1.png", "train/dog/same-2.bmp")],
    "constant": [("train/cat/constant.png",), ("test/cat/constant.png",)],
    "aspect": [("train/cat/long.png",)],
    "wrong-extension": [("train/cat/named.jpg",)],
    "near-duplicate": [("train/dog/near-1.png", "train/dog/near-2.jpg")],
    "rotated": [("train/cat/turned.jpg",)],
    "one-bit": [("train/cat/one-bit.png",)],
    "deep": [("train/cat/deep-colour.png",), ("train/cat/deep-grey.png",)],
    "palette": [("train/cat/palette.png",)],
    "cmyk": [("train/cat/cmyk.jpg",)],
    "alpha": [("train/cat/glass.png",)],
    "animation": [("train/cat/moving.png",)],
    "name": [(CAFE,)],
}
#: what a header does not show
BY_DECODING = {"leak", "near-leak", "conflict", "truncated", "duplicate", "constant"}
BY_DECODING |= {"near-duplicate"}


def names(findings: tuple[Finding, ...]) -> dict[str, list[tuple[str, ...]]]:
    return {found.kind: [case.files for case in found.cases] for found in findings}


def said(findings: tuple[Finding, ...], kind: str) -> list[str]:
    return [case.says for found in findings if found.kind == kind for case in found.cases]


def test_each_planted_fault_is_found_by_name_and_nothing_else(planted: Path) -> None:
    diagnosis = diagnose(str(planted))
    assert names(diagnosis.findings) == PLANTED
    assert set(PLANTED) == set(KINDS) - {"unusable"}, "a kind without a planted fault"
    assert [found.kind for found in diagnosis.findings] == [k for k in KINDS if k != "unusable"]
    assert diagnosis.is_usable


def test_what_is_particular_to_each_is_said(planted: Path) -> None:
    findings = diagnose(str(planted)).findings
    assert said(findings, "leak") == ["test dog = train dog"]
    assert said(findings, "near-leak") == ["test dog ≈ train dog"]
    assert said(findings, "conflict") == ["train cat = train dog"]
    assert "truncated" in said(findings, "truncated")[0]
    assert "floating-point" in said(findings, "unreadable")[0]
    assert "no picture format" in said(findings, "unreadable")[1]
    assert "1600000000 pixels" in said(findings, "bomb")[0]
    assert said(findings, "broken-link") == ["leads to nowhere.jpg"]
    # 40 plain cats and 13 odd ones; what cannot be read does not count
    assert said(findings, "imbalance") == ["cat has 53 pictures and newt 3 (17.7:1)"]
    assert said(findings, "few") == ["newt has 3 to learn from"]
    assert said(findings, "aspect") == ["200×40"]
    assert said(findings, "wrong-extension") == ["holds PNG"]
    assert said(findings, "rotated") == ["by 90° to the right"]


def test_headers_alone_show_what_they_can(planted: Path) -> None:
    findings = diagnose(str(planted), quick=True).findings
    assert set(names(findings)) == set(PLANTED) - BY_DECODING
    # the levels of a float are looked at when it is decoded, and it was cut for nothing else
    assert names(findings)["unreadable"] == [("train/cat/page.jpg",)]
    rest = set(PLANTED) - BY_DECODING - {"unreadable"}
    assert {kind: names(findings)[kind] for kind in rest} == {kind: PLANTED[kind] for kind in rest}


@pytest.mark.parametrize("kind", [kind for kind, cases in PLANTED.items() if cases != [()]])
def test_a_fault_that_is_mended_is_found_no_more(planted: Path, tmp_path: Path, kind: str) -> None:
    root = shutil.copytree(planted, tmp_path / "pets", symlinks=True)
    for case in PLANTED[kind]:
        (root / case[-1]).unlink()
    left = names(diagnose(str(root)).findings)
    assert left == {other: cases for other, cases in PLANTED.items() if other != kind}


def test_classes_that_are_filled_up_are_found_no_more(
    planted: Path, tmp_path: Path, picture: Callable[[int], Image.Image]
) -> None:
    root = shutil.copytree(planted, tmp_path / "pets", symlinks=True)
    for number in range(10):
        picture(20_000 + number).save(root / "train" / "newt" / f"new-{number}.png")
    assert set(names(diagnose(str(root)).findings)) == set(PLANTED) - {"few", "imbalance"}


@pytest.mark.slow
def test_the_folder_still_trains(planted: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from convatlas.train import fit, recipe
    from convatlas.train.size import build_for

    pets = data.load(str(planted), side=32)
    broken = sum(len(PLANTED[k]) for k in ("truncated", "unreadable", "empty", "bomb"))
    broken += len(PLANTED["broken-link"])
    listed = len(data.list_pictures(planted))
    assert len(pets.train) + len(pets.test) == listed - broken
    config = replace(recipe("course"), epochs=1, batch_size=16, size=32)
    torch.manual_seed(0)
    net = build_for("lenet_bn", pets, config)
    run = fit(net, pets, recipe=config, out=tmp_path / "run", quiet=True)
    assert run.report is not None
    assert run.report.n == len(pets.test)


def pets(root: Path, picture: Callable[[int], Image.Image], count: int = 15) -> Path:
    for label, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for number in range(count):
            picture(100 * label + number).save(root / name / f"{number:02}.png")
    return root


def test_a_sound_folder_has_no_findings(
    tmp_path: Path, picture: Callable[[int], Image.Image]
) -> None:
    diagnosis = diagnose(str(pets(tmp_path / "pets", picture)))
    assert diagnosis.findings == ()
    assert diagnosis.is_usable
    assert diagnosis.to_dict()["pictures"] == {"train": 24, "val": 0, "test": 6}


@pytest.mark.parametrize("orientation", range(2, 9))
def test_copies_are_told_upright(
    tmp_path: Path, picture: Callable[[int], Image.Image], orientation: int
) -> None:
    """A picture that EXIF turns, beside one that is stored as it is seen."""
    root = pets(tmp_path / "pets", picture)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = picture(7_000)
    stored.save(root / "cat" / "turned.png", exif=exif)
    how = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}[orientation]
    stored.transpose(Image.Transpose(how)).save(root / "cat" / "upright.png")
    found = names(diagnose(str(root)).findings)
    assert found.pop("rotated") == [("cat/turned.png",)]
    (group,) = found.popitem()[1]  # a leak, if one of them is held back
    assert set(group) == {"cat/turned.png", "cat/upright.png"}


def test_a_grey_picture_and_its_rgb_copy_are_the_same(
    tmp_path: Path, picture: Callable[[int], Image.Image]
) -> None:
    root = pets(tmp_path / "pets", picture)
    grey = picture(7_000).convert("L")
    grey.save(root / "cat" / "grey.png")
    grey.convert("RGB").save(root / "cat" / "rgb.png")
    (found,) = diagnose(str(root)).findings
    assert found.kind in ("leak", "duplicate")  # as the parts were drawn
    assert set(found.files) == {"cat/grey.png", "cat/rgb.png"}


def test_the_same_bytes_in_another_shape_are_another_picture() -> None:
    pixels = torch.arange(24, dtype=torch.uint8).reshape(1, 4, 6)
    assert examine_pixels(pixels).digest == examine_pixels(pixels.clone()).digest
    assert examine_pixels(pixels).digest != examine_pixels(pixels.reshape(1, 6, 4)).digest


def test_a_class_that_cannot_be_read_is_of_no_use(
    tmp_path: Path, picture: Callable[[int], Image.Image]
) -> None:
    root = pets(tmp_path / "pets", picture)
    for path in (root / "dog").iterdir():
        path.write_bytes(path.read_bytes()[:200])
    diagnosis = diagnose(str(root))
    assert not diagnosis.is_usable
    assert diagnosis.findings[0].kind == "unusable"
    assert said(diagnosis.findings, "unusable") == ["dog has no picture to learn from"]
    with pytest.raises(DataError, match="no picture of the class 'dog' can be read"):
        data.load(str(root))


def test_tables_may_name_a_file_twice(
    tmp_path: Path, picture: Callable[[int], Image.Image]
) -> None:
    rows = ["path,label,split"]
    for number in range(24):
        picture(number).save(tmp_path / f"{number}.png")
        part = "test" if number < 4 else "train"
        rows.append(f"{number}.png,{'ab'[number % 2]},{part}")
    rows += ["0.png,a,train", "5.png,a,train"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    findings = diagnose(str(tmp_path)).findings
    assert names(findings) == {
        "leak": [("0.png", "0.png")],
        "conflict": [("5.png", "5.png")],
    }


def test_arrays_are_looked_at_too(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 256, (60, 5, 5), dtype=np.uint8)
    images = np.kron(coarse, np.ones((4, 4), np.uint8))
    images[40], images[3], images[7] = images[2], images[11], 200
    labels = np.arange(60) % 2
    np.savez(
        tmp_path / "some.npz",
        x_train=images[:40],
        y_train=labels[:40],
        x_test=images[40:],
        y_test=labels[40:],
    )
    diagnosis = diagnose(str(tmp_path / "some.npz"))
    assert names(diagnosis.findings) == {
        "leak": [("test 0", "train 2")],
        "duplicate": [("train 3", "train 11")],
        "constant": [("train 7",)],
    }
    assert "arrays, not files" in diagnosis.listing.notes[-1]


def test_shards_are_not_looked_into(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="examine the folder that they were made from"):
        diagnose(str(tmp_path / "{000..003}.tar"))


@pytest.mark.parametrize("quick", [False, True])
def test_pictures_of_nothing_but_one_colour_are_no_copies(tmp_path: Path, quick: bool) -> None:
    for number in range(4):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9), "red").save(folder / f"{number}.png")
    kinds = set(names(diagnose(str(tmp_path), quick=quick).findings))
    assert ("constant" in kinds) is not quick
    assert not kinds & {"duplicate", "near-duplicate", "leak", "near-leak", "conflict"}
