"""Number format, memory layout and threads: what trains this network fastest on this machine.

The best pair of format and layout differs from net to net and from processor to processor, so it
is tried, not guessed: a few steps of the real network on a copy, within two seconds. What won is
recorded in the run.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from convatlas.train.config import Config
from convatlas.train.distributed import here
from convatlas.train.loss import logits_of, loss_of
from convatlas.train.optim import make_optimizer
from convatlas.train.shards import Shards, most_shards
from convatlas.train.strategy import Thaw

_SECONDS = 2.0  # what a trial may cost
_STEPS = 3  # timed steps of a turn after a first small one
_FIRST = 2  # pictures of each shard in that first step: one alone has no batch statistics
# the likelier winner first: of a network too slow for more, only it is tried
_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
_FORMATS = {"channels-last": torch.channels_last, "contiguous": torch.contiguous_format}


class Learned(NamedTuple):
    """What a step saw of some pictures: the sum of their losses, and how many it had right."""

    loss: float
    right: int


@dataclass(frozen=True)
class Engine:
    """How the numbers are held while training, and by how many threads a batch is shared.

    Attributes:
        precision: ``"float32"``, or ``"bfloat16"`` for autocast with float32 weights.
        layout: ``"contiguous"`` (N, C, H, W in memory) or ``"channels-last"`` (N, H, W, C).
        shards: threads that take a share of each batch (`shards.Shards`).
        trial: images a second of each candidate, as measured; empty where nothing was tried.
    """

    precision: str
    layout: str
    shards: int = 1
    trial: dict[str, float] = field(default_factory=dict)

    def place(self, tensor_or_net: Any) -> Any:
        """A batch ``(N, C, H, W)`` or a network, in this layout."""
        if isinstance(tensor_or_net, Tensor):
            return tensor_or_net.contiguous(memory_format=_FORMATS[self.layout])
        return tensor_or_net.to(memory_format=_FORMATS[self.layout])

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """The context that the forward pass runs in."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(device.type, dtype=_DTYPES[self.precision])

    def learn(
        self, net: nn.Module, pixels: Tensor, labels: Tensor, whole: int, smoothing: float = 0.0
    ) -> Learned:
        """Forward and backward of a batch's shard; its gradients add up to the whole batch's.

        Args:
            net: the network, a shadow of it, or what adds its gradients over processes.
            pixels, labels: the shard, ``(n, C, H, W)`` and ``(n,)``, or ``(n, K)`` of weights.
            whole: pictures in the whole batch.
            smoothing: of the labels, as `loss_of`.
        """
        with self.autocast(pixels.device):
            outputs = net(pixels)
        bare = net.module if isinstance(net, DistributedDataParallel) else net
        loss = loss_of(bare, outputs, labels, smoothing)
        (loss * (len(labels) / whole)).backward()  # type: ignore[no-untyped-call]
        true = labels.argmax(dim=1) if labels.is_floating_point() else labels
        right = (logits_of(outputs).argmax(dim=1) == true).sum()
        return Learned(loss.item() * len(labels), int(right))

    def __str__(self) -> str:
        threads = f", {self.shards} shards" if self.shards > 1 else ""
        return f"{self.precision}, {self.layout}{threads}"


def choose(net: nn.Module, pixels: Tensor, labels: Tensor, config: Config) -> Engine:
    """The fastest engine that the configuration allows, by a trial of at most two seconds.

    A single step that takes longer is finished, and what the network cannot compute in (a `view`
    of a channels-last map, say) is left out. The network, its moving averages and the random
    state stay as they were.

    Args:
        net: the network, on its device.
        pixels, labels: one batch as training will see it, ``(N, C, H, W)`` and ``(N,)``.
        config: fixes precision, layout or shards where it does not leave them open.
    """
    tried = candidates(net, pixels, config)
    if len(tried) == 1:
        return tried[0]
    return _fastest(tried, net, pixels, labels, config)


def candidates(net: nn.Module, pixels: Tensor, config: Config) -> list[Engine]:
    """The engines that the configuration allows, the likelier winner first; as `choose`."""
    precisions = list(_DTYPES) if config.precision == "auto" else [config.precision]
    if config.precision == "auto" and not _bfloat16_pays(pixels.device):
        precisions = ["float32"]
    layouts = list(_FORMATS) if config.layout == "auto" else [config.layout]
    shards = config.shards or most_shards(net, len(pixels), pixels.device)
    if config.compiled or here().world > 1:  # which share the batches already
        shards = 1
    return [Engine(p, layout, shards) for p, layout in product(precisions, layouts)]


def _fastest(
    engines: list[Engine], net: nn.Module, pixels: Tensor, labels: Tensor, config: Config
) -> Engine:
    config = replace(config, compiled=False)  # which takes longer than a trial may
    end = time.perf_counter() + _SECONDS
    trial: dict[str, float] = {}
    devices = [] if pixels.device.type == "cpu" else [pixels.device]
    with torch.random.fork_rng(devices, device_type=pixels.device.type):
        turns = engines * 2  # a moment's disturbance spoils one turn, not a candidate
        for waiting, engine in zip(range(len(turns), 0, -1), turns, strict=True):
            left = end - time.perf_counter()
            first = min(_FIRST * engine.shards, len(pixels))
            if trial and left <= first / trial.get(str(engine), math.inf):
                break  # but another engine than those tried gets one step, if it takes longer
            step = stepper(engine, copy.deepcopy(net), labels, config)
            try:
                speed = _speed(step, pixels, first, time.perf_counter() + left / waiting)
            except RuntimeError:
                if waiting == 1 and not trial:  # it is not the engine that is wrong
                    raise
            else:
                trial[str(engine)] = max(round(speed, 1), trial.get(str(engine), 0.0))
    tried = [engine for engine in engines if str(engine) in trial]
    winner = max(tried, key=lambda engine: trial[str(engine)])
    return replace(winner, trial=trial)


def _speed(step: Callable[[Tensor], float], pixels: Tensor, first: int, deadline: float) -> float:
    """Pictures a second in the quickest of a few steps before ``deadline``, the first excepted.

    That one takes ``first`` pictures, and the others as many as the time that is left allows.
    """
    batch = first
    seconds = step(pixels[:batch])
    speed = batch / seconds
    for waiting in range(_STEPS, 0, -1):
        left = deadline - time.perf_counter()
        if left < seconds:
            break
        batch = max(batch, min(len(pixels), int(speed * left / waiting)))
        seconds = step(pixels[:batch])
        speed = max(speed, batch / seconds)
    return speed


def stepper(
    engine: Engine, net: nn.Module, labels: Tensor, config: Config
) -> Callable[[Tensor], float]:
    """A function that makes one training step on a batch and returns the seconds it took.

    Args:
        engine, net: what trains, and how.
        labels: of the batches, ``(N,)``; of a smaller one the first of them.
        config: optimiser and strategy, and whether steps are compiled.
    """
    net = engine.place(net)
    optimizer, shards = make_optimizer(net, config), Shards(net, engine.shards, config.compiled)
    Thaw(shards.nets, config, steps=1).train(step=1)  # the run's last step, when most is thawed

    def step(pixels: Tensor) -> float:
        started = time.perf_counter()
        learn = partial(engine.learn, whole=len(pixels))
        with shards.sharing_cores():
            shards.learn(engine.place(pixels), labels[: len(pixels)], learn)
        optimizer.step()
        if pixels.device.type != "cpu":
            torch.accelerator.synchronize()
        return time.perf_counter() - started

    return step


def _bfloat16_pays(device: torch.device) -> bool:
    """Whether a small matrix product in bfloat16 beats float32 here.

    A processor without bf16 instructions emulates them hundreds of times slower: too slow for a
    trial on a whole network. This probe costs milliseconds, and follows ``ONEDNN_MAX_CPU_ISA``.
    On a processor it is one thread's own time that counts: whatever else the machine does, and
    however long that thread is kept waiting, decides nothing.
    """
    on_cpu, threads = device.type == "cpu", torch.get_num_threads()
    clock = time.thread_time if on_cpu else time.perf_counter
    ones = torch.ones(192, 192, device=device)

    def seconds(a: Tensor) -> float:
        times = []
        for _ in range(4):
            started = clock()
            (a @ a)[0, 0].item()
            times.append(clock() - started)
        return min(times)

    if on_cpu:
        torch.set_num_threads(1)
    try:
        return seconds(ones.to(torch.bfloat16)) < seconds(ones)
    finally:
        torch.set_num_threads(threads)
