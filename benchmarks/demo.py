"""What `make demo` reaches, over several seeds: test accuracy and training time.

    python benchmarks/demo.py --seeds 3

Training time counts everything after the data are in memory: the trial that picks number format and
layout, every step and every evaluation.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from machine import describe

from convatlas import data as sources
from convatlas.cli.demo import DEMO_NET, train_demo


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(describe())
    print(
        f"\n{DEMO_NET} on Fashion-MNIST\n\n| seed | test accuracy | training time |\n|---|---|---|"
    )
    accuracies, times = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            data = sources.load("fashion-mnist")
            run = train_demo(data, Path(folder) / str(seed), seed=seed, quiet=True)
            accuracies.append(100 * run.history[-1]["test_accuracy"])
            times.append(run.history[-1]["seconds"])
            print(f"| {seed} | {accuracies[-1]:.2f} % | {times[-1]:.1f} s |", flush=True)
    for name, values, unit in (("accuracy", accuracies, "%"), ("time", times, "s")):
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"\n{name}: {statistics.mean(values):.2f} ± {spread:.2f} {unit} (n = {len(values)})")


if __name__ == "__main__":
    main()
