"""CIFAR-10 as JPEG files, beside airbench94 with Muon: accuracy and time, seed by seed.

    python benchmarks/cifar10.py --data DIR --seeds 3    # DIR/{train,test}/CLASS/….jpg

Time is everything after the files are on disk: listing, decoding into an empty cache, the trial,
every step and every evaluation, of which the one of all test pictures comes after the last epoch.
The peer (`peers/airbench.py`) has its pictures by the same way. Both run in turns (`turns.py`). The
peer answers from six views of a test picture; ours from two, and where they leave doubt from ten.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from machine import describe
from peers import airbench
from torch import Tensor, nn
from turns import in_turns

from convatlas import data as sources
from convatlas.data import Dataset
from convatlas.nets.build import build
from convatlas.train import fit

NET = "vgg_sprint"
OPTIONS: dict[str, Any] = {
    "conv_arch": ((1, 48), (2, 160), (2, 192), (1, 192)),
    "activation": "gelu",
    "gates": 4,
    "in_channels": 3,
}
SETTINGS: dict[str, Any] = {
    "epochs": 16,
    "batch_size": 256,
    "skip_easy": 0.25,
    "freeze_at": (0.15, 0.55, 0.85),
    "weight_decay": 0.1,
    "early_share": 0.45,
    "flip": True,
    "flip_turns": True,
    "shift": 2,
    "shift_edge": "reflect",
    "label_smoothing": 0.2,
}
_WATCHED = 50  # of so many test pictures one shows the way after each epoch; it decides nothing
_VIEWED = 256  # pictures at once
_SURE = 0.4  # between the probabilities of the two likeliest classes


def load(root: Path) -> Dataset:
    """The data set through an empty cache, all of it in memory."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CONVATLAS_CACHE"] = cache
        data = sources.load(str(root), side=32)
        for part in (data.train, data.test):
            part.sample(len(part))
        return data


def peers(root: Path, seed: int, dtype: torch.dtype, epochs: int) -> float:
    """Test accuracy of airbench94 in percent."""
    data = load(root)
    parts = [part.sample(len(part)) for part in (data.train, data.test)]
    return airbench.train(*parts, seed=seed, dtype=dtype, epochs=epochs).accuracy


def ours(root: Path, seed: int, options: dict[str, Any], settings: dict[str, Any]) -> float:
    """Test accuracy in percent."""
    data = load(root)
    torch.manual_seed(seed)
    net = build(NET, num_classes=len(data.train.classes), input_size=32, **options)
    watched = data.test.subset(torch.arange(0, len(data.test), _WATCHED))
    with tempfile.TemporaryDirectory() as folder:
        shown, out = replace(data, test=watched), Path(folder) / "run"
        run = fit(net, shown, recipe="sprint", out=out, quiet=True, seed=seed, **settings)
    pixels, labels = data.test.sample(len(data.test))
    with run.engine.computing(pixels.device):  # as the peer, in the number format of training
        images = run.engine.place(run.classifier.preprocess(pixels))
        answers = answer(run.classifier.net.eval(), images)
    return 100 * (answers == labels).double().mean().item()


@torch.no_grad()
def answer(net: nn.Module, images: Tensor) -> Tensor:
    """Classes ``(N,)``, from a picture and its mirror image.

    Where that leaves doubt, from these moved by a pixel to the four corners as well.

    Args:
        net, images: what answers, and of what, ``(N, 3, H, W)``.
    """
    side = images.shape[-1]
    edge = F.pad(images, (1,) * 4, SETTINGS["shift_edge"])

    def seen(top: int, left: int, chosen: Tensor) -> Tensor:
        view = edge[chosen, :, top : top + side, left : left + side]
        parts = view.split(_VIEWED)  # type: ignore[no-untyped-call]
        return torch.cat([net(x) + net(x.flip(-1)) for x in parts]).float()

    logits = seen(1, 1, torch.arange(len(images)))
    first, second = logits.div(2).softmax(1).topk(2).values.T
    doubtful = (first - second < _SURE).nonzero().flatten()
    for top, left in product((0, 2), (0, 2)):
        logits[doubtful] += seen(top, left, doubtful)
    return logits.argmax(1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder with train and test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of both sides, in place of their own")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    options = parser.parse_args()
    print(describe())
    print("\n| seed | airbench94 with Muon | ConvAtlas | time, of its |\n|---|---|---|---|")
    epochs = options.epochs or airbench.EPOCHS
    settings = SETTINGS | ({} if options.epochs is None else {"epochs": epochs})
    rows = []
    for seed in range(options.seeds):
        (theirs, whole), (accuracy, own) = in_turns(
            [
                partial(peers, options.data, seed, getattr(torch, options.dtype), epochs),
                partial(ours, options.data, seed, OPTIONS, settings),
            ]
        )
        rows.append((theirs, accuracy, own / whole))
        print(
            f"| {seed} | {theirs:.2f} % in {whole:,.0f} s | {accuracy:.2f} % in {own:,.0f} s | "
            f"{rows[-1][-1]:.3f} |",
            flush=True,
        )
    for name, values in zip(
        ("airbench94", "ConvAtlas", "time"), zip(*rows, strict=True), strict=True
    ):
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"\n{name}: {statistics.mean(values):.3f} ± {spread:.3f} (n = {len(values)})")


if __name__ == "__main__":
    main()
