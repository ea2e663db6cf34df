from __future__ import annotations

import pytest
import torch

from convatlas.data import ImageSet
from convatlas.errors import DataError


def make(n: int = 4, **changes) -> ImageSet:
    fields = {
        "name": "some",
        "images": torch.arange(n * 12, dtype=torch.uint8).view(n, 3, 2, 2),
        "labels": torch.arange(n) % 2,
        "classes": ("a", "b"),
    }
    return ImageSet(**fields | changes)


def test_subset_by_index_and_by_mask() -> None:
    data = make()
    part = data.subset(torch.tensor([3, 0]))
    assert len(part) == 2
    assert torch.equal(part.images, data.images[[3, 0]])
    assert part.labels.tolist() == [1, 0]
    assert data.subset(data.labels == 1).labels.tolist() == [1, 1]


def test_the_fingerprint_is_that_of_what_is_learned() -> None:
    whole = make()
    assert make(name="other").fingerprint() == whole.fingerprint()
    laid_out = whole.images.contiguous(memory_format=torch.channels_last)
    assert make(images=laid_out).fingerprint() == whole.fingerprint()
    pixel = whole.images.clone()
    pixel[2, 1, 0, 1] += 1
    others = [
        make(images=pixel),
        make(images=whole.images.view(4, 3, 4, 1)),
        make(labels=torch.tensor([1, 0, 0, 1])),
        make(classes=("a", "c")),
        make(classes=("a", "b", "c")),
        make(5),
    ]
    assert len({whole.fingerprint(), *(other.fingerprint() for other in others)}) == 7
    assert len(bytes.fromhex(whole.fingerprint())) == 32


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": torch.zeros(4, 3, 2, 2)}, "torch.float32"),
        ({"images": torch.zeros(4, 2, 2, dtype=torch.uint8)}, r"\(4, 2, 2\)"),
        ({"labels": torch.zeros(4)}, "int64"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"4 images need int64 \(4,\)"),
        ({"labels": torch.tensor([0, 1, 2, 0])}, "labels run from 0 to 2, but there are 2 classes"),
        ({"labels": torch.tensor([0, -1, 1, 0])}, "labels run from -1"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        make(**changes)


def test_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="holds no images"):
        make(0)
