from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convatlas.data.layouts import list_pictures, pictures_in
from convatlas.data.listing import PARTS, Listing
from convatlas.errors import DataError


def plant(root: Path, *names: str) -> Path:
    """Empty files: a listing looks at names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def by_part(listing: Listing) -> dict[str, list[tuple[str, str]]]:
    """File and class, part by part."""
    return {
        part: [(listing.files[i], listing.classes[listing.labels[i]]) for i in listing.part(part)]
        for part in PARTS
    }


def test_a_fifth_of_each_class_is_held_back_by_seed(tmp_path: Path) -> None:
    plant(tmp_path, *(f"cat/{i}.png" for i in range(10)), *(f"dog/in/{i}.JPG" for i in range(5)))
    plant(tmp_path, "notes.txt", "cat/notes.txt", "cat/.hidden.png", ".cache/x.png")
    listing = list_pictures(tmp_path, seed=3)
    parts = by_part(listing)
    assert listing.name == tmp_path.name
    assert sorted(parts["train"] + parts["test"]) == sorted(
        [(f"cat/{i}.png", "cat") for i in range(10)]
        + [(f"dog/in/{i}.JPG", "dog") for i in range(5)]
    )
    assert [label for _, label in parts["test"]] == ["cat", "cat", "dog"]
    assert by_part(list_pictures(tmp_path, seed=3)) == parts
    assert any(by_part(list_pictures(tmp_path, seed=s)) != parts for s in range(3))
    assert "a fifth of each class is held back for testing (seed 3)" in listing.notes
    plant(tmp_path, "dog/1.heic", "dog/2.HEIC")
    note = "3 files are no pictures by their suffix: 2 .heic, 1 .txt"
    assert note in list_pictures(tmp_path).notes


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_given_parts_are_kept_under_any_of_their_names(tmp_path: Path, val: str) -> None:
    plant(tmp_path, "Train/a/1.png", "Train/b/2.png", f"{val}/b/3.png", "test/a/4.png")
    assert by_part(list_pictures(tmp_path)) == {
        "train": [("Train/a/1.png", "a"), ("Train/b/2.png", "b")],
        "val": [(f"{val}/b/3.png", "b")],
        "test": [("test/a/4.png", "a")],
    }


def test_validation_is_tested_on_where_there_is_no_test(tmp_path: Path) -> None:
    plant(tmp_path, "train/a/1.png", "train/b/2.png", "val/b/3.png")
    listing = list_pictures(tmp_path)
    assert by_part(listing)["test"] == [("val/b/3.png", "b")]
    assert any("there is no folder test" in note for note in listing.notes)


def test_train_alone_is_split(tmp_path: Path) -> None:
    plant(tmp_path, *(f"train/{name}/{i}.png" for name in "ab" for i in range(5)))
    parts = by_part(list_pictures(tmp_path))
    assert [len(parts[part]) for part in PARTS] == [8, 0, 2]


def test_classes_may_be_called_like_parts_where_none_is_train(tmp_path: Path) -> None:
    plant(tmp_path, *(f"{name}/{i}.png" for name in ("test", "rest") for i in range(5)))
    assert list_pictures(tmp_path).classes == ("rest", "test")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((), "has no folders in it"),
        (("a/1.png",), "only the folder 'a'"),
        (("a/1.png", "b/readme.txt"), "b has no pictures in it"),
        (("a/1.png", "a/2.png", "b/1.png"), "class 'b' has 1 picture(s)"),
        (("a/1.png", "A/1.png", "b/1.png"), "'A' and 'a', which differ by case only"),
        (("train/a/1.png", "train/b/1.png", "test/c/1.png"), "has the class 'c'"),
        (("train/a/1.png", "train/b/1.png", "val/a/1.png", "valid/a/1.png"), "for one part"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    tmp_path: Path, files: tuple[str, ...], said: str
) -> None:
    plant(tmp_path, *files)
    with pytest.raises(DataError) as raised:
        list_pictures(tmp_path)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_links_are_followed_and_never_round_in_circles(tmp_path: Path) -> None:
    plant(tmp_path / "elsewhere", "1.png")
    plant(tmp_path / "data", "a/2.png", "b/3.png", "b/4.png")
    (tmp_path / "data" / "a" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "self").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "a" / "loop").symlink_to("loop")
    (tmp_path / "data" / "b" / "gone.png").symlink_to("nowhere.png")
    found = [
        path.relative_to(tmp_path / "data").as_posix() for path in pictures_in(tmp_path / "data")
    ]
    assert found == ["a/2.png", "a/more/1.png", "b/3.png", "b/4.png", "b/gone.png"]


def test_names_that_are_no_utf8_are_listed(tmp_path: Path) -> None:
    strange = os.fsencode(tmp_path) + b"/a/caf\xe9.png"
    plant(tmp_path, "a/1.png", "b/1.png", "b/2.png")
    Path(os.fsdecode(strange)).touch()
    listing = list_pictures(tmp_path)
    assert os.fsdecode(b"a/caf\xe9.png") in listing.files
    assert all(listing.path(i).exists() for i in range(len(listing)))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="permissions are otherwise there")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """In a process of its own without the superuser's rights, whom nothing is forbidden."""
    plant(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b").chmod(0)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from convatlas.data.layouts import list_pictures\n"
        "from convatlas.errors import DataError\n"
        "root = Path(sys.argv[1]); os.chdir(root)\n"
        "os.geteuid() == 0 and os.seteuid(65534)\n"
        "try: list_pictures(Path('.'))\n"
        "except DataError as error: print(error)\n"
    )
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
        if folder.name.startswith("pytest-of-"):
            break
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    (tmp_path / "b").chmod(0o755)
    assert (
        ran.stdout == "b cannot be read: Permission denied; see that it is there and may be read\n"
    )
