from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import pytest
import torch

from convatlas.data import idx
from convatlas.errors import DataError

VALUES = bytes(range(24))
FILE = b"\0\0\x08\x03" + struct.pack(">3I", 2, 3, 4) + VALUES


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_values_and_shape(tmp_path: Path, pack) -> None:
    (tmp_path / "x").write_bytes(pack(FILE))
    read = idx.read(tmp_path / "x", sha256=hashlib.sha256(FILE).hexdigest())
    assert torch.equal(read, torch.arange(24, dtype=torch.uint8).view(2, 3, 4))
    read.fill_(7)  # it may be written to


def refused(path: Path, content: bytes, sha256: str | None = None) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        idx.read(path, sha256=sha256)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_truncated_file_is_refused_with_both_counts(tmp_path: Path) -> None:
    said = refused(tmp_path / "x", FILE[:-5])
    assert "it states 2×3×4 = 24 values and holds 19" in said


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    assert "holds 0" in refused(tmp_path / "x", FILE[:10])
    assert "not an IDX file" in refused(tmp_path / "x", b"")


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(FILE)
    assert f"{len(packed) - 4} bytes that do not unpack" in refused(tmp_path / "x", packed[:-4])


def test_an_altered_archive_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(FILE))
    packed[-6] ^= 1  # the checksum that gzip keeps
    assert "do not unpack" in refused(tmp_path / "x", bytes(packed))


def test_an_altered_value_is_refused_with_both_hashes(tmp_path: Path) -> None:
    altered = FILE[:-1] + b"!"
    expected = hashlib.sha256(FILE).hexdigest()
    said = refused(tmp_path / "x", altered, expected)
    assert hashlib.sha256(altered).hexdigest()[:16] in said
    assert expected[:16] in said


def test_other_formats_and_no_file_are_refused(tmp_path: Path) -> None:
    assert "not an IDX file of bytes: it begins 89 50 4e 47" in refused(tmp_path / "x", b"\x89PNG")
    with pytest.raises(DataError, match=r"cannot read .*none: No such file"):
        idx.read(tmp_path / "none")
