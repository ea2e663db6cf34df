"""LeNet from `convatlas.ops`, batch normalisation and all, beside the same one of torch.nn.

    python benchmarks/ops.py --seeds 3

Both begin from the same weights, see the same pictures in the same order, and take the same recipe.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch
from machine import describe

from convatlas import data as sources
from convatlas import ops
from convatlas.nets.build import build
from convatlas.train import fit


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    print(describe())
    print(f"\nlenet_bn on Fashion-MNIST, {options.epochs} epochs of batches of 256, mirrored\n")
    print("| layers | test accuracy | pictures a second |\n|---|---|---|")
    data = sources.load("fashion-mnist")
    for layers, written_out in (("torch.nn", False), ("convatlas.ops", True)):
        accuracies, speeds = [], []
        for seed in range(options.seeds):
            torch.manual_seed(seed)
            net = build("lenet_bn", num_classes=10)
            with tempfile.TemporaryDirectory() as folder:
                run = fit(
                    ops.written_out(net) if written_out else net,
                    data,
                    epochs=options.epochs,
                    seed=seed,
                    early_share=0.0,
                    batch_size=256,
                    flip=True,
                    out=Path(folder),
                    quiet=True,
                )
            accuracies.append(100 * run.history[-1]["test_accuracy"])
            speeds.append(run.history[-1]["images_per_second"])
        spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
        print(
            f"| {layers} | {statistics.mean(accuracies):.2f} ± {spread:.2f} % "
            f"(n = {len(accuracies)}) | {statistics.median(speeds):,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
