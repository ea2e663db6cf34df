"""A small data set that is learned in a moment, a small network that learns it, and processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from convatlas.data import Dataset, ImageSet


def bars(count: int, seed: int) -> ImageSet:
    """Grey pictures of 8×8, noise with a bright bar at one of three heights: which one?"""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 100, (count, 1, 8, 8), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % 3
    for i, label in enumerate(labels.tolist()):
        images[i, :, 3 * label : 3 * label + 2] += 150
    return ImageSet("bars", images, labels, ("high", "middle", "low"))


@pytest.fixture
def data() -> Dataset:
    return Dataset("bars", bars(96, seed=0), bars(30, seed=1))


@pytest.fixture
def small() -> Callable[[], nn.Sequential]:
    """A new network with the same weights each time; none of the atlas's."""

    def make() -> nn.Sequential:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Linear(4 * 4 * 4, 3),
            )

    return make


class Processes:
    """Python programs that run side by side, placed as ``torchrun`` would place them.

    Attributes:
        folder: where they run and write; what they wrote is what tests go by, for two processes
            that end at once over gloo now and then abort when their work is done.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def start(self, program: str, world: int, come: Iterable[int] | None = None) -> None:
        """Start a program as each of ``world`` processes, or as those that ``come``."""
        port = free_port()
        for rank in range(world) if come is None else come:
            place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_PORT": port}
            self.running.append(
                subprocess.Popen(
                    [sys.executable, "-c", textwrap.dedent(program)],
                    cwd=self.folder,
                    env=os.environ
                    | {"MASTER_ADDR": "127.0.0.1"}
                    | {name: str(value) for name, value in place.items()},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )

    def wait(self, seconds: float = 120) -> list[str]:
        """What each of them printed."""
        return [one.communicate(timeout=seconds)[0] for one in self.running]

    def run(self, program: str, world: int = 2, come: Iterable[int] | None = None) -> list[str]:
        """`start` and `wait`."""
        self.start(program, world, come)
        return self.wait()

    def close(self) -> None:
        """End those that still run."""
        for one in self.running:
            if one.poll() is None:
                one.kill()
            one.communicate()


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port() -> int:
    """As `free_port`."""
    return free_port()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.close()
