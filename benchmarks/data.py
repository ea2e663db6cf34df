"""From files to batches: ConvAtlas beside torchvision's ImageFolder, v2 and DataLoader.

    python benchmarks/data.py small --data DIR     # DIR/CLASS/….jpg of 32×32: CIFAR-10 as JPEG
    python benchmarks/data.py photos               # 2,000 photographs of 500×375, made here

Both sides make the same batches: decoded, cropped at random (padded by 4 at 32; random resized to
224), mirrored, as normalised float32. They take turns. Our first epoch begins with an empty cache
and includes listing the files and decoding them into it; the files are in the system's memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from machine import describe
from peers.image_folder import Peer
from PIL import Image

from convatlas import data as sources
from convatlas.data import Dataset, Preprocess
from convatlas.train import Config
from convatlas.train.augmentation import Augmentation
from convatlas.train.streaming import feed_of

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    """What is read, and how."""

    crop: int | None
    batch: int

    def load(self, root: Path) -> Dataset:
        """All of a folder, a few held back as a test part."""
        return sources.load(str(root), side=self.crop or 32, full_size=self.crop is not None)

    def batches(self, data: Dataset, seed: int) -> Iterator[int]:
        """One epoch; yields the size of each batch."""
        config = Config(batch_size=self.batch, flip=True, seed=seed)
        config = replace(config, shift=4) if self.crop is None else replace(config, crop="resized")
        side = self.crop or 32
        preprocess = Preprocess(side, side, 3, (0.5,) * 3, (0.25,) * 3)
        feed = feed_of(data.train, config, CPU, preprocess)
        augmentation = Augmentation(config, data.train, CPU)
        out: torch.Tensor | None = None  # one for all batches, as the training loop has it
        for pixels, labels in feed.epoch():
            pixels, labels = augmentation(pixels, labels)
            pixels = preprocess.fit(pixels)
            if out is None:  # in the layout that the pictures come in
                out = torch.empty_like(pixels, dtype=torch.float32)
            yield len(preprocess.normalise(pixels, out))


CASES = {"small": Case(None, 256), "photos": Case(224, 64)}


def ours(case: Case, root: Path, epochs: int) -> tuple[float, float]:
    """Pictures a second: of a first epoch with an empty cache, and of those after it."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CONVATLAS_CACHE"] = cache
        started = time.perf_counter()
        data = case.load(root)
        # the part held back was decoded, too, so the first epoch makes batches of it as well
        passed = sum(case.batches(data, 0)) + sum(case.batches(replace(data, train=data.test), 0))
        first = passed / (time.perf_counter() - started)
        later = []
        for seed in range(1, epochs + 1):
            started = time.perf_counter()
            passed = sum(case.batches(data, seed))
            later.append(passed / (time.perf_counter() - started))
    return first, statistics.median(later)


def photographs(folder: Path, count: int = 2000) -> Path:
    """Pictures of 500×375 cut out of scikit-learn's two photographs: their detail, JPEG's size."""
    from sklearn.datasets import load_sample_image

    originals = [Image.fromarray(load_sample_image(n)) for n in ("china.jpg", "flower.jpg")]
    draw = np.random.default_rng(0)
    for number in range(count):
        original = originals[number % 2]
        width = int(draw.integers(400, original.width))
        height = width * 3 // 4
        left = int(draw.integers(0, original.width - width + 1))
        top = int(draw.integers(0, max(original.height - height, 0) + 1))
        cut = original.crop((left, top, left + width, min(top + height, original.height)))
        path = folder / ("china", "flower")[number % 2] / f"{number:04}.jpg"
        path.parent.mkdir(exist_ok=True)
        cut.resize((500, 375)).save(path, quality=90)
    return folder


def compare(case: Case, root: Path, rounds: int, epochs: int) -> None:
    """A table: medians over the rounds, and the range of the ratios."""
    peer = Peer(root, case.crop, case.batch)
    peer.epoch()  # its workers start, and the files come into memory
    theirs, first, later = [], [], []
    for _ in range(rounds):
        count, seconds = peer.epoch()
        theirs.append(count / seconds)
        speeds = ours(case, root, epochs)
        first.append(speeds[0])
        later.append(speeds[1])
    print("| | images/s | ratio (lowest to highest) |\n|---|---|---|")
    print(f"| torchvision, every epoch | {statistics.median(theirs):,.0f} | 1 |")
    for name, values in (("ConvAtlas, first epoch", first), ("ConvAtlas, later epochs", later)):
        ratios = [a / b for a, b in zip(values, theirs, strict=True)]
        print(
            f"| {name} | {statistics.median(values):,.0f} | {statistics.median(ratios):.1f} "
            f"({min(ratios):.1f}–{max(ratios):.1f}) |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", type=Path, help="a folder with a folder of pictures each class")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3, help="later epochs a round")
    options = parser.parse_args()
    print(describe())
    print()
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None and options.case == "small":
            parser.error("small needs --data DIR, a folder with a folder of 32×32 JPEG each class")
        root = options.data or photographs(Path(folder))
        compare(CASES[options.case], root, options.rounds, options.epochs)


if __name__ == "__main__":
    main()
