"""ConvAtlas beside d2l's plain loop on Fashion-MNIST: same network, batch and optimiser.

    python benchmarks/fashion_mnist.py            # all three, about ten minutes on two cores
    python benchmarks/fashion_mnist.py vgg11_d2l --rounds 5

Both sides train the same network of the atlas with plain SGD. The two take turns, a few batches
each, so that a machine whose speed drifts slows both; the ratio is taken round by round, and its
median is what counts. Time waiting for data is part of both. The trial by which ConvAtlas picks
its number format and layout happens once, before, and its cost is printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, replace

import torch
from machine import describe
from peers import d2l

from convatlas import data as sources
from convatlas.data import ImageSet, Preprocess, Stream
from convatlas.nets.build import build
from convatlas.train.allocator import keeping_freed_memory
from convatlas.train.loop import Loop
from convatlas.train.recipes.course import course
from convatlas.train.trial import choose


@dataclass(frozen=True)
class Case:
    """A network as d2l trains it, and the batches a side makes in a round."""

    net: str
    size: int
    batch: int
    lr: float
    peer_batches: int
    our_batches: int


CASES = {
    case.net: case
    for case in (
        Case("lenet_bn", 28, 256, 1.0, 20, 100),
        Case("resnet18_d2l", 96, 256, 0.05, 2, 4),
        Case("vgg11_d2l", 224, 128, 0.05, 1, 3),
    )
}


@keeping_freed_memory()
def ours(case: Case, images: ImageSet | Stream) -> tuple[Loop, float]:
    """Our loop, warmed up, and the seconds that its trial took."""
    config = replace(course(), batch_size=case.batch, lr=case.lr, size=case.size)
    net = build(case.net, num_classes=10, in_channels=1, input_size=case.size)
    preprocess = Preprocess.measure(images.sample(len(images))[0], case.size)
    pixels, labels = images.sample(case.batch)
    started = time.perf_counter()
    engine = choose(net, preprocess(pixels), labels, config)
    cost = time.perf_counter() - started
    loop = Loop(engine.place(net), images, preprocess, config, engine)
    speed(loop, 1)
    return loop, cost


@keeping_freed_memory()
def speed(loop: Loop, batches: int) -> float:
    """Images a second over so many batches after a first, data included."""
    for number, _ in enumerate(loop.epoch()):
        if number == 0:  # as with the peer, the first is not timed
            started = time.perf_counter()
        if number == batches:
            break
    return batches * loop.feed.batch_size / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("nets", nargs="*", choices=["all", *CASES], default="all")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    images = sources.load("fashion-mnist").train
    pixels, labels = images.sample(len(images))
    print(describe())
    print(
        "\n| network, side, batch | d2l's loop, images/s | ConvAtlas, images/s | ratio | chosen "
        "| trial |"
    )
    print("|---|---|---|---|---|---|")
    for name in CASES if "all" in options.nets else options.nets:
        case = CASES[name]
        torch.manual_seed(0)
        loop, cost = ours(case, images)
        theirs, own = [], []
        for _ in range(options.rounds):
            net = build(name, num_classes=10, in_channels=1, input_size=case.size)
            theirs.append(
                d2l.train(
                    net,
                    pixels,
                    labels,
                    size=case.size,
                    batch=case.batch,
                    lr=case.lr,
                    batches=case.peer_batches,
                )
            )
            own.append(speed(loop, case.our_batches))
        ratios = [b / a for a, b in zip(theirs, own, strict=True)]
        print(
            f"| {name}, {case.size}, {case.batch} | {statistics.median(theirs):,.0f} "
            f"| {statistics.median(own):,.0f} | **{statistics.median(ratios):.1f}** "
            f"({min(ratios):.1f} to {max(ratios):.1f}) | {loop.engine} | {cost:.1f} s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
