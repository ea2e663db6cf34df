"""Several processes that train one network: who they are, and what they tell each other.

``torchrun`` (or `launch`) starts the processes and says in the environment of each which one it is;
`joined` makes a group of them, which `here` gives to whoever asks. Each has a copy of the network
and an equal share of every batch (`replica`), and the first one alone writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from convatlas.errors import ConfigError, TrainingError
from convatlas.train.ranks import ALONE, Ranks

_MEETING = 600.0  # seconds that a process waits for the others
_LOST = (  # what gloo, the store and NCCL say when another process is gone
    "Connection closed by peer",
    "Connection reset by peer",
    "Connection was likely closed",
    "Broken pipe",
    "NCCL error",
)


class Place(NamedTuple):
    """What the environment says of a process.

    Attributes:
        rank, world: which one it is, from 0, and of how many.
        local: which one on its machine.
        attempt: how often all of them were started anew.
    """

    rank: int
    world: int
    local: int
    attempt: int


def place() -> Place | None:
    """Where ``torchrun`` put this process; None where nobody did.

    Raises:
        ConfigError: what the environment says cannot be.
    """
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    if not all(name in os.environ for name in names):
        return None
    numbers = {"LOCAL_RANK": "0", "TORCHELASTIC_RESTART_COUNT": "0"} | dict(os.environ)
    said = []
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT", "MASTER_PORT"):
        if not numbers[name].isdecimal():
            raise ConfigError(f"{name} is {numbers[name]!r}, but it must be a whole number")
        said.append(int(numbers[name]))
    rank, world, local, attempt, _ = said
    if rank >= world:
        raise ConfigError(f"RANK is {rank}, but with WORLD_SIZE {world} it must be below that")
    return Place(rank, world, local, attempt)


_here = ALONE
_joins = 0  # of this process


def here() -> Ranks:
    """The processes that this one is one of, by now."""
    return _here


@contextmanager
def joined(seconds: float = _MEETING) -> Iterator[Ranks]:
    """Inside, this process is one of those that it was started with; on leaving the group ends.

    A process that nobody put anywhere is `ALONE`, and inside another `joined` nothing changes.

    Args:
        seconds: to wait for all of them.

    Raises:
        ConfigError: the environment, the port or the GPUs cannot be.
        TrainingError: a process did not come, or went.
    """
    global _here, _joins
    mine = place()
    if mine is None or _here is not ALONE:
        yield _here
        return
    if torch.cuda.is_available():
        _take_gpu(mine)
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store, _joins = _connected(mine, host, port, seconds), _joins + 1
    kept = PrefixStore(f"{_joins}", store)
    said = PrefixStore(f"{mine.attempt}", kept)
    try:
        _meet(mine, said, seconds)
        if mine.world > 1:
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
                store=PrefixStore("group", said),
                rank=mine.rank,
                world_size=mine.world,
            )
        _here = Ranks(mine.rank, mine.world, mine.attempt, said, kept)
        yield _here
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _LOST):
            raise
        raise TrainingError(
            f"process {mine.rank} of {mine.world} lost another one, which ended before its time: "
            "go on from the last checkpoint with --resume, or let --max-restarts do so"
        ) from error
    finally:
        _here = ALONE
        if dist.is_initialized():
            dist.destroy_process_group()


def _take_gpu(mine: Place) -> None:
    found = torch.cuda.device_count()
    if mine.local >= found:
        raise ConfigError(
            f"process {mine.local} of this machine has no GPU of its own, for there are {found}: "
            f"start {found} processes"
        )
    torch.cuda.set_device(mine.local)


@cache  # for as long as the process lives: the others may still ask, or meet again
def _connected(mine: Place, host: str, port: int, seconds: float) -> Store:
    """The store of all processes, which the first one holds unless ``torchrun`` does."""
    holds = mine.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    limit = timedelta(seconds=seconds)
    try:
        return TCPStore(host, port, mine.world, holds, limit, wait_for_workers=False)
    except dist.DistNetworkError as error:
        if holds:
            raise ConfigError(
                f"port {port} is in use: set MASTER_PORT to another one, in all processes"
            ) from error
        raise TrainingError(
            f"process {mine.rank} of {mine.world} found nobody at {host}:{port} within "
            f"{seconds:g} s: see whether the first process was started there"
        ) from error


def _meet(mine: Place, store: Store, seconds: float) -> None:
    """Wait until every process is there."""
    keys = [f"came/{rank}" for rank in range(mine.world)]
    store.set(keys[mine.rank], "")
    try:
        store.wait(keys, timedelta(seconds=seconds))
    except dist.DistStoreError as error:
        missing = [rank for rank, key in enumerate(keys) if not store.check([key])]
        some = ", ".join(map(str, missing[:8])) + (", …" if len(missing) > 8 else "")
        raise TrainingError(
            f"process {some} did not come within {seconds:g} s, and {mine.world - len(missing)} "
            f"of {mine.world} did: see how far it got, and start all of them again"
        ) from error
    # an hour may pass between two questions, while one process decodes and the others wait
    store.set_timeout(timedelta(days=1))
