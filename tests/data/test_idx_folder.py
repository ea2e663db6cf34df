from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch
from torch import Tensor

from convatlas import data
from convatlas.data import idx_folder
from convatlas.errors import DataError

IMAGES = torch.arange(6 * 3 * 4, dtype=torch.uint8).view(6, 3, 4)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2], dtype=torch.uint8)


def idx(values: Tensor) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes((0, 0, 8, values.dim())) + sizes + values.numpy().tobytes()


@pytest.mark.parametrize("prefix", ["", "emnist-letters-"])
@pytest.mark.parametrize("packed", [True, False])
def test_four_files_are_a_data_set(tmp_path: Path, prefix: str, packed: bool) -> None:
    for name, values in (
        ("train-images-idx3-ubyte", IMAGES[:4]),
        ("train-labels-idx1-ubyte", LABELS[:4]),
        ("t10k-images-idx3-ubyte", IMAGES[4:]),
        ("t10k-labels-idx1-ubyte", LABELS[4:]),
    ):
        content = gzip.compress(idx(values)) if packed else idx(values)
        (tmp_path / f"{prefix}{name}{'.gz' if packed else ''}").write_bytes(content)
    found = data.load(str(tmp_path))
    assert found.name == tmp_path.name
    assert torch.equal(found.train.images, IMAGES[:4, None])
    assert found.test.labels.tolist() == [1, 2]
    assert found.train.classes == ("0", "1", "2")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    assert idx_folder.holds(tmp_path)
    with pytest.raises(DataError, match="must have one file train-labels-idx1-ubyte"):
        data.load(str(tmp_path))


def test_labels_that_do_not_fit_their_pictures(tmp_path: Path) -> None:
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(IMAGES))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(LABELS[:5]))
    with pytest.raises(DataError, match=r"holds \(6, 3, 4\) and .*\(5,\)"):
        data.load(str(tmp_path))
