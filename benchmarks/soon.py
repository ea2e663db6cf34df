"""How soon Fashion-MNIST is learned to 92, to 93 and to 94 %: accuracy and time over seeds.

    python benchmarks/soon.py            # what `make demo` trains, for 92 %
    python benchmarks/soon.py 93 94

Training time counts everything after the data are in memory: the trial that picks number format and
layout, every step and every evaluation.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from machine import describe

from convatlas import data as sources
from convatlas.cli.demo import DEMO_NET
from convatlas.train import fit, recipe
from convatlas.train.size import build_for


class Way(NamedTuple):
    """To an accuracy: a network, options of it, and changes of the recipe `sprint`."""

    net: str
    options: dict[str, Any]
    settings: dict[str, Any]


WAYS = {
    "92": Way(DEMO_NET, {}, {}),
    "93": Way("vgg_sprint", {"activation": "gelu"}, {}),
    "94": Way(
        "vgg_sprint",
        {"activation": "gelu", "width": 1.5},
        {"epochs": 3, "label_smoothing": 0.1},
    ),
}


def trained(way: Way, seed: int) -> tuple[float, float]:
    """Test accuracy in percent, and seconds."""
    data = sources.load("fashion-mnist")
    config = replace(recipe("sprint"), seed=seed, **way.settings)
    torch.manual_seed(seed)
    net = build_for(way.net, data, config, **way.options)
    with tempfile.TemporaryDirectory() as folder:
        run = fit(net, data, recipe=config, out=Path(folder) / "run", quiet=True)
    return 100 * run.history[-1]["test_accuracy"], run.history[-1]["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("aims", nargs="*", metavar="AIM", help=", ".join(WAYS), default=["92"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(describe())
    print("\n| aim | seed | test accuracy | training time |\n|---|---|---|---|")
    summary = []
    for aim in options.aims:
        rows = []
        for seed in range(options.seeds):
            rows.append(trained(WAYS[aim], seed))
            print(f"| {aim} % | {seed} | {rows[-1][0]:.2f} % | {rows[-1][1]:.1f} s |", flush=True)
        accuracy, seconds = (_told(values) for values in zip(*rows, strict=True))
        summary.append(f"{aim} %: {accuracy} % in {seconds} s (n = {len(rows)})")
    print("\n" + "\n".join(summary))


def _told(values: tuple[float, ...]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {spread:.2f}"


if __name__ == "__main__":
    main()
