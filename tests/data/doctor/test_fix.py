"""The cleaned copy: what is in it, and that nothing else is touched."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from convatlas import data
from convatlas.data.doctor import REPORT, diagnose, fix
from convatlas.errors import DataError, StorageError

Picture = Callable[..., Image.Image]

LEFT_OUT = {
    "train/cat/cut.jpg",
    "train/cat/page.jpg",
    "train/cat/float.tif",
    "train/cat/empty.jpg",
    "train/cat/bomb.png",
    "train/cat/gone.jpg",
    "train/cat/conflict.png",
    "train/dog/conflict.png",
    "train/dog/same-2.bmp",
    "train/dog/leak.png",
    "train/dog/near-leak.png",
}
#: what only a person can judge stays
STAYS = {"imbalance", "few", "constant", "aspect", "near-duplicate", "rotated", "one-bit", "deep"}
STAYS |= {"palette", "cmyk", "alpha", "animation", "name"}


def state(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything about a folder that must not change."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        digest = hashlib.sha256(repr(content).encode(errors="surrogateescape")).hexdigest()
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_size, digest)
    return found


def pictures(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != REPORT
    }


def test_the_copy_has_the_rest_byte_for_byte_and_the_original_stays(
    planted: Path, tmp_path: Path
) -> None:
    before = state(planted)
    out = tmp_path / "new" / "clean"
    diagnosis = diagnose(str(planted))
    planned = fix(diagnosis, out)
    assert state(planted) == before
    files = diagnosis.listing.files
    assert {files[number] for number in planned.left_out} == LEFT_OUT
    expected = {name: (planted / name).read_bytes() for name in set(files) - LEFT_OUT}
    expected["train/cat/named.png"] = expected.pop("train/cat/named.jpg")
    assert pictures(out) == expected
    assert list((tmp_path / "new").iterdir()) == [out]

    again = diagnose(str(out))
    assert {found.kind for found in again.findings} == STAYS
    clean = data.load(str(out), side=32)
    assert len(clean.train) + len(clean.test) == len(expected)
    assert not any("left out" in note for note in clean.notes)


def test_the_report_tells_of_each_file(planted: Path, tmp_path: Path) -> None:
    fix(diagnose(str(planted)), tmp_path / "clean")
    first, *lines = (tmp_path / "clean" / REPORT).read_text(encoding="utf-8").splitlines()
    listed = len(data.list_pictures(planted))
    assert len(lines) == listed
    assert f"{listed - 12} files as they were, 1 renamed, 11 left out" in first
    assert "left out  train/cat/gone.jpg: broken-link: leads to nowhere.jpg" in lines
    assert "left out  train/dog/leak.png: the same picture as test/dog/leak.png" in lines
    assert "renamed   train/cat/named.jpg → train/cat/named.png: it holds PNG" in lines
    assert "copied    train/cat/caf\\udce9.png" in lines


def test_where_parts_are_drawn_what_is_alike_is_never_divided(
    tmp_path: Path, picture: Picture
) -> None:
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(12):
            image = picture(100 * label + number)
            image.save(tmp_path / "pets" / name / f"{number:02}.png")
            image.save(tmp_path / "pets" / name / f"{number:02}-again.jpg", quality=70)
    planned = fix(diagnose(str(tmp_path / "pets")), tmp_path / "clean")
    assert len(planned.names) == 24
    assert diagnose(str(tmp_path / "clean")).findings == ()


def test_what_resembles_a_picture_that_is_left_out_stays(tmp_path: Path, picture: Picture) -> None:
    """Two identical ones are left out for their labels; a third resembles them in another part."""
    for part, first in (("train", 0), ("test", 500)):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / "pets" / part / name).mkdir(parents=True)
            for number in range(3):
                image = picture(first + 100 * label + number)
                image.save(tmp_path / "pets" / part / name / f"{number}.png")
    image = picture(9_000)
    image.save(tmp_path / "pets" / "test" / "cat" / "same.png")
    image.save(tmp_path / "pets" / "test" / "dog" / "same.png")
    image.save(tmp_path / "pets" / "train" / "dog" / "near.jpg", quality=70)
    planned = fix(diagnose(str(tmp_path / "pets")), tmp_path / "clean")
    assert len(planned.left_out) == 2
    assert (tmp_path / "clean" / "train" / "dog" / "near.jpg").is_file()


def test_a_name_that_is_taken_is_numbered(tmp_path: Path, picture: Picture) -> None:
    for name in ("a", "b"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(3):
            picture(ord(name) * 10 + number).save(tmp_path / "pets" / name / f"{number}.png")
    picture(7).save(tmp_path / "pets" / "a" / "1.jpg", "PNG")
    fix(diagnose(str(tmp_path / "pets")), tmp_path / "clean")
    found = pictures(tmp_path / "clean")
    assert found["a/1-2.png"] == (tmp_path / "pets" / "a" / "1.jpg").read_bytes()
    assert found["a/1.png"] == (tmp_path / "pets" / "a" / "1.png").read_bytes()


@pytest.mark.parametrize("column", [",split", ""])
def test_a_table_is_written_anew_and_all_files_lie_inside(
    tmp_path: Path, picture: Picture, column: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "set").mkdir()
    rows = [f"label,note,path{column}"]
    for number in range(20):
        place = tmp_path / ("elsewhere" if number % 3 else "set") / f"{number}.png"
        picture(number).save(place)
        name = place if number % 2 else os.path.relpath(place, tmp_path / "set")
        part = ("," + ("test" if number > 15 else "train")) if column else ""
        rows.append(f"{'ab'[number // 2 % 2]},x,{name}{part}")
    (tmp_path / "set" / "6.png").write_bytes(b"")
    (tmp_path / "set" / "labels.csv").write_text("\n".join(rows))
    diagnosis = diagnose(str(tmp_path / "set" / "labels.csv"))
    out = tmp_path / "clean"
    fix(diagnosis, out)
    copy = data.list_pictures(out / "labels.csv")
    assert len(copy) == 19
    assert copy.classes == ("a", "b")
    assert copy.drawn == (column == "")
    for index in range(len(copy)):
        assert copy.path(index).resolve().is_relative_to(out.resolve())
        number = int(copy.path(index).stem)
        assert copy.labels[index] == number // 2 % 2
        if column:
            assert copy.parts[index] == (2 if number > 15 else 0)
    assert pictures(tmp_path / "elsewhere").keys() == {f"{n}.png" for n in range(20) if n % 3}


def test_nothing_is_overwritten_and_the_original_is_not_written_into(
    planted: Path, tmp_path: Path
) -> None:
    diagnosis = diagnose(str(planted))
    (tmp_path / "there").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("there", "dangling"):
        with pytest.raises(StorageError, match="exists already, and nothing is overwritten"):
            fix(diagnosis, tmp_path / name)
    with pytest.raises(StorageError, match="which is never changed"):
        fix(diagnosis, planted / "clean")
    assert not (planted / "clean").exists()


def test_a_disk_that_fills_leaves_nothing(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diagnosis, copy, copied = diagnose(str(planted)), shutil.copy2, []

    def fills(source: Path, target: Path) -> None:
        copied.append(target)
        if len(copied) > 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy(source, target)

    monkeypatch.setattr(shutil, "copy2", fills)
    with pytest.raises(StorageError, match=r"cannot write .*clean: No space left on device"):
        fix(diagnosis, tmp_path / "clean")
    assert len(copied) == 21
    assert list(tmp_path.iterdir()) == []


def test_a_copy_of_no_use_is_not_made(tmp_path: Path, picture: Picture) -> None:
    for name in ("a", "b"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(2):
            picture(ord(name) * 10 + number).save(tmp_path / "pets" / name / f"{number}.png")
    (tmp_path / "pets" / "b" / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"since b would have 1 picture\(s\)"):
        fix(diagnose(str(tmp_path / "pets")), tmp_path / "clean")
    with pytest.raises(DataError, match="digits holds arrays"):
        fix(diagnose("digits"), tmp_path / "clean")
    assert list(tmp_path.iterdir()) == [tmp_path / "pets"]
