from __future__ import annotations

from pathlib import Path

import pytest

from convatlas.data.layouts import list_pictures
from convatlas.data.listing import Listing
from convatlas.errors import DataError

ROWS = [(f"pictures/{i}.jpg", "cat" if i % 2 else "dog") for i in range(10)]


def table(root: Path, text: str, files: int = 10) -> Path:
    (root / "pictures").mkdir()
    for i in range(files):
        (root / "pictures" / f"{i}.jpg").touch()
    path = root / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def pairs(listing: Listing) -> list[tuple[str, str]]:
    labels = [listing.classes[label] for label in listing.labels]
    return list(zip(listing.files, labels, strict=True))


@pytest.mark.parametrize("comma", [",", ";", "\t"])
@pytest.mark.parametrize("header", ["path,label", "Label,ignored,Filename", ""])
def test_rows_are_read_however_they_are_written(tmp_path: Path, comma: str, header: str) -> None:
    lines = [header] if header else []
    for path, label in ROWS:
        cells = [label, "x", path] if header.startswith("Label") else [path, label]
        lines.append(",".join(cells))
    found = list_pictures(table(tmp_path, "\n".join(lines).replace(",", comma)))
    assert pairs(found) == ROWS
    assert found.classes == ("cat", "dog")
    assert [len(found.part(part)) for part in ("train", "test")] == [8, 2]
    assert found.root == tmp_path


def test_a_column_may_say_the_part(tmp_path: Path) -> None:
    parts = ["train"] * 6 + ["valid"] * 2 + ["Test"] * 2
    lines = ["path,label,split", *(f"{p},{c},{s}" for (p, c), s in zip(ROWS, parts, strict=True))]
    found = list_pictures(table(tmp_path, "\n".join(lines)))
    assert found.parts.tolist() == [0] * 6 + [1] * 2 + [2] * 2


def test_a_column_that_says_train_alone_says_nothing(tmp_path: Path) -> None:
    lines = ["path,label,split", *(f"{path},{label},train" for path, label in ROWS)]
    found = list_pictures(table(tmp_path, "\n".join(lines)))
    assert found.drawn
    assert [len(found.part(part)) for part in ("train", "test")] == [8, 2]


def test_a_flat_folder_with_one_table_is_that_table(tmp_path: Path) -> None:
    for i in range(10):
        (tmp_path / f"{i}.jpg").touch()
    lines = [f"{i}.jpg,{'a' if i < 5 else 'b'}" for i in range(10)]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    assert list_pictures(tmp_path).classes == ("a", "b")
    (tmp_path / "more.csv").touch()
    with pytest.raises(DataError, match="2 CSV files: name the one that holds the labels"):
        list_pictures(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("picture number,kind\n1,cat", "the columns 'picture number', 'kind'"),
        ("path,label\npictures/0.jpg,cat\npictures/99.jpg,dog", "1 of them are not in"),
        ("path,label\npictures/0.jpg,cat\npictures/1.jpg", "line 3: 'pictures/1.jpg' lacks"),
        ("path,label\npictures/0.jpg,cat\npictures/1.jpg,cat", "names 1 class"),
        ("path,label\npictures/0.jpg,cat\npictures/1.jpg,Cat", "'Cat' and 'cat', which differ"),
        (f"path,label\n{'x' * 200_000},cat", "line 2, is not as in a CSV"),
        ("path,label,split\npictures/0.jpg,a,train\npictures/1.jpg,b,dev", "the part is 'dev'"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError) as raised:
        list_pictures(table(tmp_path, text))
    assert said in str(raised.value)
    assert "labels.csv" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_other_cells_may_hold_anything(tmp_path: Path) -> None:
    rows = [f'{path},{label},"a\u2028b\nc"' for path, label in ROWS]
    found = list_pictures(table(tmp_path, "\n".join(["path,label,note", *rows])))
    assert pairs(found) == ROWS


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"path,label\ncaf\xe9.jpg,a\n")
    with pytest.raises(DataError, match="cannot be read as UTF-8 text"):
        list_pictures(path)
