"""What pretrained weights are worth when pictures are few, and which of their layers carry over.

    python benchmarks/transfer.py --data DIR     # DIR/{train,test}/CLASS/….jpg: CIFAR-10 as JPEG

A ResNet-20 learns eight of the classes. The two that it has not seen are then learned from a few
pictures each, drawn anew by every seed: by a new last layer (head), by all of the network
(finetune), and by a network that starts from nothing (scratch). Linear probes on every stage of the
pretrained network show where the knowledge sits. With --keep the pretrained networks are kept, and
used by the next call.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from machine import describe

from convatlas import data as sources
from convatlas import plots
from convatlas.classifier import Classifier
from convatlas.data import Dataset, ImageSet
from convatlas.evaluate import probe
from convatlas.nets.build import build
from convatlas.train import fit
from convatlas.weights.adapt import adapt

Pair = tuple[str, str]

PAIRS: tuple[Pair, ...] = (("cat", "dog"), ("ship", "truck"))
COUNTS = (25, 50, 100, 500)
NET = "resnet20"
PRETRAINING: Mapping[str, Any] = {
    "recipe": "fast",
    "epochs": 5,
    "batch_size": 256,
    "flip": True,
    "shift": 4,
}
#: from nothing it takes a higher rate, and the same one for every stage
WAYS: Mapping[str, Mapping[str, Any]] = {
    "head": {"strategy": "head"},
    "finetune": {"strategy": "finetune", "shift": 4},
    "scratch": {"strategy": "scratch", "shift": 4, "stage_decay": 1.0, "lr": 0.05, "epochs": 20},
}


class Result(NamedTuple):
    """Test accuracies in percent, one a seed, and the seconds of a run."""

    accuracies: list[float]
    seconds: list[float]

    def __str__(self) -> str:
        return f"{statistics.mean(self.accuracies):.1f} ± {deviation(self.accuracies):.1f}"


def deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def of_classes(
    images: ImageSet, classes: Sequence[str], count: int | None = None, seed: int = 0
) -> ImageSet:
    """Some classes of a set, numbered anew; of each at most ``count`` pictures, drawn by a seed."""
    draw = torch.Generator().manual_seed(seed)
    numbers, labels = [], []
    for label, name in enumerate(classes):
        own = (images.labels == images.classes.index(name)).nonzero().squeeze(1)
        own = own[torch.randperm(len(own), generator=draw)][:count]
        numbers.append(own)
        labels.append(torch.full((len(own),), label))
    picked = torch.cat(numbers)
    return ImageSet(images.name, images.take(picked), torch.cat(labels), tuple(classes))


def pretrained(data: Dataset, pair: Pair, folder: Path) -> Classifier:
    """A network that has learned all classes but two; from ``folder``, if it is there."""
    known = folder / "-".join(pair)
    if not (known / "model.safetensors").is_file():
        assert isinstance(data.train, ImageSet)
        names = [name for name in data.train.classes if name not in pair]
        train, test = (of_classes(part, names) for part in (data.train, data.test))
        torch.manual_seed(0)
        net = build(NET, num_classes=len(names))
        fit(net, Dataset(f"all but {pair}", train, test), out=known, **PRETRAINING)
    return Classifier.load(known)


def learned(
    start: Classifier, few: ImageSet, data: Dataset, way: str, seed: int
) -> tuple[float, float]:
    """Test accuracy in percent, and seconds, of two classes learned one way from ``few``."""
    torch.manual_seed(seed)
    if way == "scratch":
        net, preprocess = build(NET, num_classes=2), None
    else:
        adapted = adapt(start, classes=few.classes)
        net, preprocess = adapted.net, adapted.preprocess
    settings: dict[str, Any] = {"recipe": "transfer", "preprocess": preprocess, "seed": seed}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        # what is watched decides nothing: with it, the test pictures are looked at once, at the end
        two = Dataset("two", few, data.test, val=few)
        run = fit(net, two, out=out, quiet=True, **settings, **WAYS[way])
    assert run.report is not None
    return 100 * run.report.top1, time.perf_counter() - began


def compare(data: Dataset, pair: Pair, start: Classifier, seeds: int, folder: Path) -> None:
    """A table and a picture: accuracy by the number of pictures and the way."""
    assert isinstance(data.train, ImageSet)
    two = Dataset("two", of_classes(data.train, pair), of_classes(data.test, pair))
    print(f"\n{pair[0]} against {pair[1]}, {len(two.test):,} test pictures, n = {seeds} seeds\n")
    print(f"| pictures a class | {' | '.join(WAYS)} | finetune − scratch | seconds a run |")
    print("|---" * (len(WAYS) + 3) + "|")
    every: dict[str, list[Result]] = {way: [] for way in WAYS}
    for count in COUNTS:
        for way, results in every.items():
            runs = [
                learned(start, of_classes(data.train, pair, count, s), two, way, s)
                for s in range(seeds)
            ]
            results.append(Result([a for a, _ in runs], [s for _, s in runs]))
        last = {way: results[-1] for way, results in every.items()}
        pairs = zip(last["finetune"].accuracies, last["scratch"].accuracies, strict=True)
        gains = [a - b for a, b in pairs]
        gain = f"{statistics.mean(gains):+.1f} ± {deviation(gains):.1f}"
        took = ", ".join(f"{statistics.median(result.seconds):.0f}" for result in last.values())
        print(f"| {count} | {' | '.join(map(str, last.values()))} | {gain} | {took} |", flush=True)
    x = np.array(COUNTS, float)
    plots.line_chart(
        folder / f"{'-'.join(pair)}.png",
        {
            way: (x, np.array([statistics.mean(result.accuracies) for result in results]))
            for way, results in every.items()
        },
        across=f"pictures of each: {pair[0]}, {pair[1]}",
        up="test accuracy, %",
        spread={
            way: np.array([deviation(result.accuracies) for result in results])
            for way, results in every.items()
        },
        logarithmic=True,
    )


def probes(data: Dataset, starts: Mapping[Pair, Classifier], folder: Path) -> None:
    """What a linear classifier can tell from each stage: old classes, new ones, and by chance."""
    assert isinstance(data.train, ImageSet)
    table: dict[str, dict[str, float]] = {}
    for pair, start in starts.items():
        torch.manual_seed(0)
        bare = Classifier(build(NET, num_classes=2), start.preprocess, pair)
        train, test = of_classes(data.train, pair, 500), of_classes(data.test, pair)
        named = " against ".join(pair)
        table[named] = probe(start, train, test)
        table[f"{named}, untrained"] = probe(bare, train, test)
    stages = list(next(iter(table.values())))
    print("\n| linear probe, 500 pictures a class |", " | ".join(stages), "|")
    print("|---" * (len(stages) + 1) + "|")
    for name, scores in table.items():
        print(f"| {name} | {' | '.join(f'{100 * scores[stage]:.1f}' for stage in stages)} |")
    x = np.arange(len(stages), dtype=float)
    plots.line_chart(
        folder / "probes.png",
        {name: (x, 100 * np.array(list(scores.values()))) for name, scores in table.items()},
        across="what a linear classifier sees",
        up="test accuracy, %",
        places=stages,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder with train and test")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pairs", nargs="+", default=["-".join(pair) for pair in PAIRS])
    parser.add_argument("--keep", type=Path, help="for pretrained networks and pictures")
    options = parser.parse_args()
    print(describe())
    data = sources.load(str(options.data), side=32)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        starts = {
            pair: pretrained(data, pair, folder)
            for pair in PAIRS
            if "-".join(pair) in options.pairs
        }
        probes(data, starts, folder)
        for pair, start in starts.items():
            compare(data, pair, start, options.seeds, folder)


if __name__ == "__main__":
    main()
