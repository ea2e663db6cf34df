from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from convatlas.data.shards.samples import samples
from convatlas.errors import DataError

#: keys end at the first dot; others of the key are passed over, and so are keys without a picture
WEBDATASET = {
    "README": b"no suffix, no key",
    "a/0.cls": b"3\n",
    "a/0.jpg": b"zero",
    "a/0.seg.png": b"a mask",
    "b/0.JPEG": b"one",
    "b/0.npy": b"an array",
    "b/0.txt": b"tabby cat\n",
    "1.x.png": b"no picture: its suffix is .x.png",
    "2.png": b"two",
    "2.json": b'{"width": 5, "label": 7}',
    "meta.json": b"{}",
    "3.webp": b"three",
    "3.json": b'"dog"',
    "4.bmp": b"four",
    "4.txt": b"12",
}


def test_foreign_shards_are_read_as_they_are_meant(archive: Callable[..., Path]) -> None:
    path = archive("x.tar", WEBDATASET)
    found = [(s.member, s.content, s.label) for s in samples(path)]
    assert found == [
        ("a/0.jpg", b"zero", 3),
        ("b/0.JPEG", b"one", "tabby cat"),
        ("2.png", b"two", 7),
        ("3.webp", b"three", "dog"),
        ("4.bmp", b"four", 12),
    ]
    assert next(samples(path)).name == f"{path}: a/0.jpg"
    bare = [(s.member, s.label) for s in samples(path, contents=False)]
    assert bare == [(member, label) for member, _, label in found]
    for start in range(6):
        for stop in (*range(start, 6), None):
            some = [(s.member, s.content, s.label) for s in samples(path, start, stop)]
            assert some == found[start:stop]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"1.png": b"", "1.json": b'{"a": 1}'}, r"x\.tar: 1\.png: the label in 1\.json is "),
        ({"1.png": b""}, r"x\.tar: 1\.png has no label beside it: 1\.cls with the number"),
        ({"1.png": b"", "2.cls": b"1"}, r"x\.tar: 1\.png has no label"),
        ({"1.cls": b"1"}, r"x\.tar: 1\.cls is a label without a picture"),
        ({"1.png": b"", "1.cls": b"cat"}, r"the label in 1\.cls is b'cat', but the number"),
        ({"1.png": b"", "1.txt": b"\xff"}, r"the label in 1\.txt is b'\\xff'"),
        ({"1.png": b"", "1.txt": b" "}, r"the label in 1\.txt is b' '"),
        ({"1.png": b"", "1.json": b"{"}, r"the label in 1\.json"),
        ({"1.png": b"", "1.json": b"true"}, r"the label in 1\.json"),
    ],
)
def test_a_label_that_is_none_is_one_line(
    archive: Callable[..., Path], files: dict[str, bytes], said: str
) -> None:
    path = archive("x.tar", files)
    with pytest.raises(DataError, match=said) as caught:
        list(samples(path))
    assert "\n" not in str(caught.value)


def test_a_name_twice_is_refused(archive: Callable[..., Path]) -> None:
    path = archive("x.tar", {"1.png": b"", "1.PNG": b"", "1.cls": b"0"})
    with pytest.raises(DataError, match=r"holds 1\.PNG twice"):
        list(samples(path))


def test_a_shard_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.tar cannot be read: No such file"):
        list(samples(tmp_path / "none.tar"))
