"""Number format and memory layout: the pair that trains this network fastest on this machine.

The best pair differs from net to net and from processor to processor, so it is tried, not guessed:
a few steps of the real network on a copy, within two seconds. What won is recorded in the run.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from convatlas.train.config import Config
from convatlas.train.loss import loss_of
from convatlas.train.optim import make_optimizer

_SECONDS = 2.0  # what a trial may cost
_STEPS = 5  # timed steps of each candidate after a first small one
_FIRST = 4  # pictures in that first step
# the likelier winner first: of a network too slow for more, only it is tried
_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
_FORMATS = {"channels-last": torch.channels_last, "contiguous": torch.contiguous_format}


@dataclass(frozen=True)
class Engine:
    """How the numbers are held while training.

    Attributes:
        precision: ``"float32"``, or ``"bfloat16"`` for autocast with float32 weights.
        layout: ``"contiguous"`` (N, C, H, W in memory) or ``"channels-last"`` (N, H, W, C).
        trial: images a second of each candidate, as measured; empty where nothing was tried.
    """

    precision: str
    layout: str
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

    def __str__(self) -> str:
        return f"{self.precision}, {self.layout}"


def choose(net: nn.Module, pixels: Tensor, labels: Tensor, config: Config) -> Engine:
    """The fastest engine that the configuration allows, by a trial of at most two seconds.

    A single step that takes longer is finished, and what the network cannot compute in (a `view`
    of a channels-last map, say) is left out. The network, its moving averages and the random
    state stay as they were.

    Args:
        net: the network, on its device.
        pixels, labels: one batch as training will see it, ``(N, C, H, W)`` and ``(N,)``.
        config: fixes precision or layout where it does not say ``"auto"``.
    """
    precisions = list(_DTYPES) if config.precision == "auto" else [config.precision]
    if config.precision == "auto" and not _bfloat16_pays(pixels.device):
        precisions = ["float32"]
    layouts = list(_FORMATS) if config.layout == "auto" else [config.layout]
    candidates = [Engine(p, layout) for p, layout in product(precisions, layouts)]
    if len(candidates) == 1:
        return candidates[0]
    return _fastest(candidates, net, pixels, labels, config)


def _fastest(
    candidates: list[Engine], net: nn.Module, pixels: Tensor, labels: Tensor, config: Config
) -> Engine:
    end = time.perf_counter() + _SECONDS
    trial: dict[str, float] = {}
    devices = [] if pixels.device.type == "cpu" else [pixels.device]
    with torch.random.fork_rng(devices, device_type=pixels.device.type):
        for waiting, engine in zip(range(len(candidates), 0, -1), candidates, strict=True):
            left = end - time.perf_counter()
            if trial and left <= 0:
                break
            step = _stepper(engine, copy.deepcopy(net), labels, config)
            try:
                speed = _speed(step, pixels, time.perf_counter() + left / waiting)
            except RuntimeError:
                if waiting == 1 and not trial:  # it is not the engine that is wrong
                    raise
            else:
                trial[str(engine)] = round(speed, 1)
    tried = [engine for engine in candidates if str(engine) in trial]
    winner = max(tried, key=lambda engine: trial[str(engine)])
    return Engine(winner.precision, winner.layout, trial)


def _speed(step: Callable[[Tensor], float], pixels: Tensor, deadline: float) -> float:
    """Pictures a second in the quickest of a few steps before ``deadline``, the first excepted.

    Each step takes as many pictures as the time that is left allows.
    """
    batch = min(_FIRST, len(pixels))
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


def _stepper(
    engine: Engine, net: nn.Module, labels: Tensor, config: Config
) -> Callable[[Tensor], float]:
    """A function that makes one training step on a batch and returns the seconds it took."""
    net = engine.place(net)
    optimizer = make_optimizer(net, config)

    def step(pixels: Tensor) -> float:
        started = time.perf_counter()
        with engine.autocast(pixels.device):
            outputs = net(engine.place(pixels))
        loss = loss_of(net, outputs, labels[: len(pixels)])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        if pixels.device.type != "cpu":
            torch.accelerator.synchronize()
        return time.perf_counter() - started

    return step


def _bfloat16_pays(device: torch.device) -> bool:
    """Whether a small matrix product in bfloat16 beats float32 here.

    A processor without bf16 instructions emulates them hundreds of times slower: too slow for a
    trial on a whole network. This probe costs milliseconds, and follows ``ONEDNN_MAX_CPU_ISA``.
    """

    def seconds(dtype: torch.dtype) -> float:
        a = torch.ones(192, 192, dtype=dtype, device=device)
        times = []
        for _ in range(4):
            started = time.perf_counter()
            (a @ a)[0, 0].item()
            times.append(time.perf_counter() - started)
        return min(times)

    return seconds(torch.bfloat16) < seconds(torch.float32)
