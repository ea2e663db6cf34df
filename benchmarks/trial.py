"""The trial before a run: what it costs, and whether its choice is the fastest; every family.

    python benchmarks/trial.py                         # all of them, some ten minutes on two cores
    python benchmarks/trial.py resnet50 --rounds 9

For each network, at the side of its paper: the seconds that the trial took, and afterwards whole
training steps of what it chose in turns with those of what else it could have chosen, and of the
plain default: float32, contiguous, one thread pool.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from machine import describe
from steps import Way, Work, measure, told

from convatlas.nets.catalog import find
from convatlas.train import Config
from convatlas.train.allocator import keeping_freed_memory
from convatlas.train.engine import Engine
from convatlas.train.optim import best_device
from convatlas.train.trial import candidates, choose

# networks of every family, and batches of which none takes longer than some seconds on two cores
BATCHES = {
    "lenet_bn": 256,
    "alexnet": 32,
    "vgg_fast": 256,
    "vgg11": 8,
    "nin": 32,
    "googlenet": 16,
    "bn_inception": 16,
    "resnet20": 128,
    "resnet18": 16,
    "resnet50": 8,
    "resnext50_32x4d": 8,
}
PLAIN = Engine("float32", "contiguous")
_SLOWER = 0.95  # of the plain default's speed


def row(name: str, batch: int, rounds: int) -> str:
    """A network's row of the table."""
    work = Work(name, find(name).input_size, batch, best_device())
    config = Config(batch_size=batch, lr=1e-3)
    pixels, labels = work.pictures()
    net = work.build()
    started = time.perf_counter()
    with keeping_freed_memory():
        chosen = choose(net, pixels, labels, config)
    cost = time.perf_counter() - started
    ways = {
        str(engine): work.ours(str(engine), engine, config)
        for engine in (*candidates(net, pixels, config), PLAIN)
    }
    measure(list(ways.values()), batch, rounds)
    ours, plain = ways[str(chosen)], ways[str(PLAIN)]
    ratios = ours.beside(plain)
    verdict = "slower than plain" if statistics.median(ratios) < _SLOWER else ""
    others = [way for way in ways.values() if way not in (ours, plain)]
    tried = ", ".join(f"{engine} {speed:,.1f}" for engine, speed in chosen.trial.items())
    return (
        f"| {find(name).family} | {name}, {work.side}, {batch} | {cost:.1f} s | {chosen} "
        f"| {told(ratios) if ours is not plain else 'is plain'} | {_beside(ours, others)} "
        f"| {tried} | {verdict} |"
    )


def _beside(ours: Way, others: list[Way]) -> str:
    return "; ".join(f"{way.name} {told(ours.beside(way))}" for way in others)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("nets", nargs="*", choices=["all", *BATCHES], default="all")
    parser.add_argument("--batch", type=int, help="in place of each network's own")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(describe(best_device()))
    print(
        "\n| family | network, side, batch | trial | chosen | beside plain | beside the others "
        "| images/s in the trial | verdict |\n" + "|---" * 8 + "|"
    )
    for name in BATCHES if "all" in options.nets else options.nets:
        torch.manual_seed(0)
        print(row(name, options.batch or BATCHES[name], options.rounds), flush=True)


if __name__ == "__main__":
    main()
