from __future__ import annotations

from pathlib import Path

import pytest

from convatlas import data
from convatlas.cli import main


def test_a_folder_becomes_shards_and_says_so(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (digits / "0" / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    try:
        assert main(["shard", str(digits), str(out), "--shards", "3"]) == 0
    finally:
        (digits / "0" / "broken.png").unlink()
    said = capsys.readouterr().out
    assert "1 of 31 pictures cannot be read and are left out: 0/broken.png" in said
    found = data.load(str(out), side=8, cache=False)
    assert len(found.train) + len(found.test) == 30
    assert f"train: {len(found.train)} pictures in 3 shards, 0.0 MB" in said
    assert len(found.train.classes) == 10
    assert main(["shard", str(digits), str(out)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_arrays_become_shards_and_shards_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["shard", "digits", str(tmp_path / "a"), "--shards", "2"]) == 0
    assert "train: 1,438 pictures in 2 shards" in capsys.readouterr().out
    assert main(["shard", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "digits is in shards already" in capsys.readouterr().err
