"""torchvision's path from a folder to batches: ImageFolder, transforms v2 and DataLoader."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

#: operators of torchvision's C++ library, which does not load beside a CPU build of torch; its
#: transforms call none of them, but its import wants them declared
_OPERATORS = (
    "nms",
    "qnms",
    "roi_align",
    "_roi_align_backward",
    "roi_pool",
    "ps_roi_align",
    "ps_roi_pool",
    "deform_conv2d",
)


def torchvision() -> tuple[Any, Any]:
    """``torchvision.datasets`` and ``torchvision.transforms.v2``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from torchvision import datasets
            from torchvision.transforms import v2
        except RuntimeError:
            for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                del sys.modules[name]
            library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
            for operator in _OPERATORS:
                library.define(f"{operator}(Tensor x) -> Tensor")  # type: ignore[no-untyped-call]
            from torchvision import datasets
            from torchvision.transforms import v2

            datasets.operators = library  # the declarations end with the object that made them
    return datasets, v2


class Peer:
    """Batches of a folder, each picture decoded and augmented anew in every epoch.

    Args:
        root: a folder with a folder for each class.
        crop: side of the random resized crop; None to pad by 4 and crop at the pictures' own.
        batch: pictures a batch.
        workers: processes.
    """

    def __init__(self, root: Path, crop: int | None, batch: int, workers: int = 2) -> None:
        datasets, v2 = torchvision()
        place = v2.RandomResizedCrop(crop, antialias=True) if crop else v2.RandomCrop(32, padding=4)
        steps = [
            place,
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.5,) * 3, (0.25,) * 3),
        ]
        self.loader: DataLoader[Any] = DataLoader(
            datasets.ImageFolder(root, v2.Compose(steps)),
            batch,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    def epoch(self) -> tuple[int, float]:
        """Pictures of one pass, and the seconds it took."""
        started = time.perf_counter()
        count = sum(len(pixels) for pixels, _ in self.loader)
        return count, time.perf_counter() - started
