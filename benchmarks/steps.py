"""Training steps on made-up pictures: several ways of making them, in turns, as one table.

A machine whose speed drifts slows all of them in a round, so a ratio is taken round by round, and
its median is what counts. The first step of each, which compiles and allocates, is timed apart, and
that of every turn, which takes memory anew, is left out.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch
from machine import describe, peak
from peers import plain
from torch import Tensor

from convatlas.analysis.trace import trace
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.train import Config
from convatlas.train.allocator import keeping_freed_memory
from convatlas.train.engine import Engine
from convatlas.train.optim import make_optimizer
from convatlas.train.trial import learner

_ROUND = 1.5  # seconds that a way has in a round, at least


@dataclass
class Way:
    """A way to make a step.

    Attributes:
        name: for the table.
        step: makes one, and returns the seconds it took.
        around: what its turns happen in.
        first: seconds of the first one.
        speeds: images a second, round by round.
    """

    name: str
    step: Callable[[], float]
    around: Callable[[], AbstractContextManager[None]] = nullcontext
    first: float = math.nan
    speeds: list[float] = field(default_factory=list)

    def beside(self, other: Way) -> list[float]:
        """How many times as fast as another one, round by round."""
        return [a / b for a, b in zip(self.speeds, other.speeds, strict=True)]


@dataclass(frozen=True)
class Work:
    """A network of the catalogue, and a batch for it.

    Attributes:
        net: its name.
        side: of the pictures.
        batch: how many.
        device: where it trains.
    """

    net: str
    side: int
    batch: int
    device: torch.device

    def build(self) -> Net:
        """The network, always with the same weights."""
        torch.manual_seed(0)
        return build(self.net, input_size=self.side).to(self.device)

    def pictures(self) -> tuple[Tensor, Tensor]:
        """Pixels ``(batch, C, side, side)`` and labels ``(batch,)``."""
        draw = torch.Generator().manual_seed(0)
        pixels = torch.randn(self.batch, *self.shape, generator=draw)
        labels = torch.randint(self.form.num_classes, (self.batch,), generator=draw)
        return pixels.to(self.device), labels.to(self.device)

    @property
    def operations(self) -> int:
        """Of a training picture: two a multiply-accumulate, and backward is twice forward."""
        return 3 * 2 * trace(self.form, self.shape).macs

    @cached_property
    def form(self) -> Net:
        """The network without its weights."""
        with torch.device("meta"):
            return build(self.net, input_size=self.side)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a picture, ``(C, side, side)``."""
        return self.form.in_channels, self.side, self.side

    def ours(self, name: str, engine: Engine, config: Config) -> Way:
        """As `fit` makes its steps."""
        pixels, labels = self.pictures()
        pixels, net = engine.place(pixels), engine.place(self.build())
        learn = learner(engine, net, labels, config, make_optimizer(net, config).step)

        def step() -> float:
            started = time.perf_counter()
            learn(pixels)
            if self.device.type != "cpu":
                torch.accelerator.synchronize()
            return time.perf_counter() - started

        return Way(name, step, keeping_freed_memory)

    def plain(self, name: str, dtype: torch.dtype, layout: torch.memory_format) -> Way:
        """As a short loop does."""
        pixels, labels = self.pictures()
        step = plain.stepper(self.build(), labels, dtype, layout)
        return Way(name, partial(step, pixels.contiguous(memory_format=layout)))


def measure(ways: Sequence[Way], batch: int, rounds: int) -> None:
    """Let them take turns, each for as many steps as fill a second and a half."""
    counts = []
    for way in ways:
        with way.around():
            way.first = way.step()
            counts.append(math.ceil(_ROUND / way.step()))
    for _ in range(rounds):
        for way, count in zip(ways, counts, strict=True):
            with way.around():
                way.step()
                way.speeds.append(count * batch / sum(way.step() for _ in range(count)))


def told(ratios: Sequence[float]) -> str:
    """Their median, and from where to where they go."""
    return f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"


def report(work: Work, ways: Sequence[Way], rounds: int) -> None:
    """Print the machine, and a table of the ways: the first of them beside each."""
    print(describe(work.device))
    peaks = {
        name: peak(dtype, work.device)
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    }
    measure(ways, work.batch, rounds)
    said = ", ".join(f"{name} {found / 1e9:,.1f} GFLOP/s" for name, found in peaks.items())
    print(f"matrix product: {said}\n")
    print(f"{work.net}, {work.side}, batch {work.batch}, rounds: {rounds}\n")
    print("| steps | images/s | the first row beside it | GFLOP/s |", end="")
    print("".join(f" of the {name} peak |" for name in peaks), "first step |")
    print("|---" * (5 + len(peaks)) + "|")
    for way in ways:
        speed = statistics.median(way.speeds)
        pace = speed * work.operations
        ratios = told(ways[0].beside(way)) if way is not ways[0] else ""
        print(f"| {way.name} | {speed:,.1f} | {ratios} | {pace / 1e9:,.1f} |", end="")
        print("".join(f" {pace / found:.0%} |" for found in peaks.values()), f"{way.first:.1f} s |")


def arguments(what: str | None, batch: int) -> argparse.ArgumentParser:
    """Options of a program that compares training steps."""
    parser = argparse.ArgumentParser(
        description=what, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--net", default="resnet50")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rounds", type=int, default=5)
    return parser
