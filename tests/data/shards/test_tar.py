"""Python's `tarfile` is the oracle, in both directions."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convatlas.data.shards import tar
from convatlas.errors import DataError

FILES = {"a.png": b"x" * 512, "b.cls": b"", "deep/er/c.jpg": bytes(range(256)) * 5}
LONG = {
    f"{'long' * 30}/{'name' * 20}.png": b"1",
    "ünïcode/猫.jpg": b"22",
    "after.png": b"333",
}


def read(path: Path) -> dict[str, bytes]:
    with path.open("rb") as file:
        return {m.name: tar.content(file, m, path.name) for m in tar.members(file, path.name)}


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_every_format_are_read(archive: Callable[..., Path], kind: int) -> None:
    assert read(archive("x.tar", FILES, kind)) == FILES
    if kind != tarfile.USTAR_FORMAT:
        assert read(archive("y.tar", LONG, kind)) == LONG
    split = {f"{'p' * 90}/{'n' * 90}.png": b"1"}  # in ustar's two fields, or in an extra header
    assert read(archive("z.tar", split, kind)) == split


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9]{1,20}(/[a-z0-9]{1,20}){0,3}\.[a-z]{1,5}", fullmatch=True),
        st.binary(max_size=1100),
        max_size=6,
    )
)
def test_what_is_packed_is_read_by_the_library(files: dict[str, bytes]) -> None:
    packed = b"".join(tar.packed(name, held) for name, held in files.items()) + tar.END
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = archive.getmembers()
        found = {m.name: archive.extractfile(m).read() for m in members if m.isreg()}
    assert found == files
    assert all((m.mtime, m.uid, m.gid, m.mode) == (0, 0, 0, 0o644) for m in members)
    file = io.BytesIO(packed)
    assert {m.name: tar.content(file, m, "x") for m in tar.members(file, "x")} == files


def test_contents_need_not_be_read(archive: Callable[..., Path]) -> None:
    with archive("x.tar", FILES).open("rb") as file:
        assert [m.name for m in tar.members(file, "x")] == list(FILES)


def test_sizes_as_gnu_and_pax_write_them(tmp_path: Path) -> None:
    """Both are for files of 8 GiB, and say the same of small ones."""
    plain = tar.packed("a.png", b"12345")
    binary = bytearray(plain[:512])
    binary[124:136] = b"\x80" + (5).to_bytes(11, "big")
    binary[148:156] = b" " * 8
    binary[148:156] = b"%06o\0 " % sum(binary)
    record = b"9 size=5\n"
    wrong = bytearray(plain[:512])
    wrong[124:136] = b"%011o\0" % 0
    wrong[148:156] = b" " * 8
    wrong[148:156] = b"%06o\0 " % sum(wrong)
    pax = bytearray(tar.packed("pax", record))
    pax[156:157] = b"x"
    pax[148:156] = b" " * 8
    pax[148:156] = b"%06o\0 " % sum(pax[:512])
    for start in (bytes(binary), bytes(pax) + bytes(wrong)):
        path = tmp_path / "x.tar"
        path.write_bytes(start + plain[512:] + tar.packed("b.png", b"6") + tar.END)
        assert read(path) == {"a.png": b"12345", "b.png": b"6"}


def test_folders_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        folder = tarfile.TarInfo("deep")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        archive.addfile(tarfile.TarInfo("deep/a.png"))
    assert read(tmp_path / "x.tar") == {"deep/a.png": b""}


def test_every_cut_is_found(archive: Callable[..., Path]) -> None:
    whole = archive("x.tar", FILES).read_bytes()
    end = len(whole.rstrip(b"\0")) + 512  # the padding of the last file, and some of the end
    for cut in [*range(0, 1030, 41), *range(1030, end - 512, 173)]:
        path = archive("x.tar", FILES)
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"^x\.tar (is cut short|ends after).*copy it again$"):
            read(path)


def test_a_file_that_is_cut_is_named(archive: Callable[..., Path]) -> None:
    path = archive("x.tar", FILES)
    path.write_bytes(path.read_bytes()[: 512 + 100])
    with pytest.raises(DataError, match=r"of a\.png there are 100 bytes out of 512"):
        read(path)


def test_damage_is_found_where_it_is(archive: Callable[..., Path]) -> None:
    path = archive("x.tar", FILES)
    damaged = bytearray(path.read_bytes())
    damaged[1024 + 3] ^= 1  # in the second header
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"there is no header after a\.png"):
        read(path)
    path.write_bytes(gzip.compress(np.random.default_rng(0).bytes(2000)))
    with pytest.raises(DataError, match=r"no header after its beginning.*uncompressed first"):
        read(path)


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/etc/a.png", "..\\a.png"])
def test_names_that_lead_out_are_refused(archive: Callable[..., Path], name: str) -> None:
    with pytest.raises(DataError, match=r"^x\.tar: the name .* leads out of the archive"):
        read(archive("x.tar", {"fine.png": b"", name: b""}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = kind, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DataError, match=r"b\.png is a link or no plain file"):
        read(tmp_path / "x.tar")
