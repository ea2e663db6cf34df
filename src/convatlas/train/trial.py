"""The short trial that finds what trains this network fastest on this machine.

Which number format and layout are best, and whether threads should share each batch, differs from
net to net and from processor to processor, so it is tried, not guessed: a few times forward and
backward through a copy of the real network, within two seconds. The optimiser and large dense
layers are left out: what they cost is much the same with all of them, and does not grow with the
batch, so that on the few pictures that there is time for it would hide the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from statistics import median_low

import torch
from torch import Tensor, nn

from convatlas.train.config import Config
from convatlas.train.distributed import here
from convatlas.train.engine import DTYPES, FORMATS, Engine
from convatlas.train.shards import Shards, most_shards, shadow
from convatlas.train.strategy import Thaw
from convatlas.train.winograd import gains

_SECONDS = 1.8  # of the two that a trial may cost: a step may last longer than the one before
_TURNS = 2  # of each candidate: a moment's disturbance spoils one turn, not a candidate
_SMALL, _LARGE = 2, 2  # steps of a turn, on few pictures and on as many as there is time for
_ENOUGH = 0.25  # seconds that a turn's large steps take where they are quick: then there are more
_MORE = 8  # times as many pictures in between, to tell how many there is time for
_WORTH = 1.08  # times as fast as a likelier engine that another must be to be chosen
_DENSE = 1_000_000  # weights of a dense layer from which on it is left out

_PLAIN, _LAST = ("float32", "contiguous"), ("float32", "channels-last")
# the likelier winner first, or without one the plain default, which is never the wrong choice: of a
# network too slow for more, only the first is tried
_ORDER = (("bfloat16", "channels-last"), ("bfloat16", "contiguous"), _PLAIN, _LAST)


def choose(net: nn.Module, pixels: Tensor, labels: Tensor, config: Config) -> Engine:
    """The fastest engine that the configuration allows, by a trial of at most two seconds.

    A single step that takes longer is finished, and what the network cannot compute in (a `view`
    of a channels-last map, say) is left out. Engines are compared on the largest batch that all of
    them saw. The network, its moving averages and the random state stay as they were.

    Args:
        net: the network, on its device.
        pixels, labels: one batch as training will see it, ``(N, C, H, W)`` and ``(N,)``.
        config: fixes precision, layout or shards where it does not leave them open.
    """
    engines = candidates(net, pixels, config)
    if len(engines) == 1:
        return engines[0]
    devices = [] if pixels.device.type == "cpu" else [pixels.device]
    with torch.random.fork_rng(devices, device_type=pixels.device.type):
        speeds = _speeds(engines, net, pixels, labels, config)
    return replace(_winner(speeds), trial={str(e): round(speed, 1) for e, speed in speeds.items()})


def candidates(net: nn.Module, pixels: Tensor, config: Config) -> list[Engine]:
    """The engines that the configuration allows, in the order in which they are tried.

    Where there is a choice, threads share no batch of the plain default, for networks that gain
    nothing from it; contiguous with shards, which was never clearly the fastest, is left out.
    """
    precisions = list(DTYPES) if config.precision == "auto" else [config.precision]
    if config.precision == "auto" and not _bfloat16_pays(pixels.device):
        precisions = ["float32"]
    layouts = list(FORMATS) if config.layout == "auto" else [config.layout]
    shards = config.shards or most_shards(net, len(pixels), pixels.device)
    if config.compiled or here().world > 1:  # which share the batches already
        shards = 1
    allowed = set(product(precisions, layouts))
    alone = len(allowed) > 1 and not config.shards
    may = config.winograd and not config.compiled and pixels.device.type == "cpu" and gains(net)
    engines = [
        Engine(*pair, 1 if alone and pair == _PLAIN else shards, may and pair == _LAST)
        for pair in _ORDER
        if pair in allowed
    ]
    return sorted(engines, key=_is_plain) if may else engines


def learner(
    engine: Engine,
    net: nn.Module,
    labels: Tensor,
    config: Config,
    update: Callable[[], object] = lambda: None,
) -> Callable[[Tensor], None]:
    """A function that goes forward and backward with a batch, as a training step does.

    Args:
        engine, net: what learns, and how.
        labels: of the batches, ``(N,)``; of a smaller one the first of them.
        config: the strategy, and whether steps are compiled.
        update: what follows with the same threads: an optimiser's step.
    """
    shards = Shards(engine.place(net), engine.shards, config.compiled)
    thawed = replace(config, freeze_at=())
    Thaw(shards.nets, thawed, steps=1).train(step=1)  # the run's last step, when most is thawed

    def learn(pixels: Tensor) -> None:
        with shards.sharing_cores():
            work = partial(engine.learn, whole=len(pixels))
            shards.learn(engine.place(pixels), labels[: len(pixels)], work)
            update()

    return learn


def _winner(speeds: dict[Engine, float]) -> Engine:
    """The fastest, but for a likelier one that is about as fast: the plain default before all.

    The others are in the order in which they were tried. Few pictures flatter the contiguous
    layout, and what is not clearly faster than the plain default may be slower in the long run.
    """
    best, *others = sorted(speeds, key=_is_plain, reverse=True)
    for other in others:
        if speeds[other] > _WORTH * speeds[best]:
            best = other
    return best


def _is_plain(engine: Engine) -> bool:
    return (engine.precision, engine.layout) == _PLAIN


def _speeds(
    engines: list[Engine], net: nn.Module, pixels: Tensor, labels: Tensor, config: Config
) -> dict[Engine, float]:
    """Pictures a second with each engine that the network takes and that there was time for."""
    end = time.perf_counter() + _SECONDS
    config = replace(config, compiled=False)  # which takes longer than a trial may
    failed: Exception | None = None
    for least in (1, 2):  # pictures of each shard: of one alone there may be no batch statistics
        most = max(engine.shards for engine in engines)
        trial = _Trial(pixels, _fewest(pixels, least * most), end)
        turns = engines * _TURNS
        for engine, waiting in zip(turns, range(len(turns), 0, -1), strict=True):
            if trial.is_over():
                break
            try:
                trial.turn(engine, learner(engine, _lean(net, config), labels, config), waiting)
            except (RuntimeError, ValueError) as error:
                failed = error
                trial.times.pop(engine, None)
                if least == 1 and engine.shards > 1:
                    trial.times.clear()
                    break
        if trial.times:
            return trial.speeds()
    assert failed is not None
    raise failed  # it is not the engine that is wrong


def _fewest(pixels: Tensor, shards: int) -> int:
    """Pictures of a first step: those that a batch may have, or all where few tell nothing.

    A GPU is done with a few pictures before it is asked for the next layer, so their time is that
    of asking, which no engine shortens.
    """
    return min(shards, len(pixels)) if pixels.device.type == "cpu" else len(pixels)


def _lean(net: nn.Module, config: Config) -> nn.Module:
    """A shadow that passes its large dense layers by, where there are convolutions that learn.

    On one picture, reading their weights or rounding them to bf16 takes most of a step; in a whole
    batch it takes little.
    """
    net = shadow(net)
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    if config.strategy != "head" and any(layer.weight.requires_grad for layer in convolutions):
        for room in list(net.modules()):
            for name, layer in room.named_children():
                if isinstance(layer, nn.Linear) and layer.weight.numel() >= _DENSE:
                    setattr(room, name, _Bypass(layer.out_features))
    return net


class _Bypass(nn.Module):
    """Gives as many features as a dense layer, all of them its first input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        return x[..., :1].repeat_interleave(self.features, dim=-1)


class _Trial:
    """What the steps of each engine usually take, and the batch they are compared on.

    The lower median counts: the quickest of several flatters threads that have to wait for each
    other, and of two turns with a disturbance in one it is still a step of the other.

    Args:
        pixels: the whole batch.
        few: pictures of the first steps, which allocate and find their kernels.
        end: when time is up, by ``time.perf_counter``.
    """

    def __init__(self, pixels: Tensor, few: int, end: float) -> None:
        self.pixels, self.few, self.end = pixels, few, end
        self.many = 0  # pictures of the later steps, the same for all
        self.times: dict[Engine, dict[int, list[float]]] = {}  # by pictures in a step

    def is_over(self) -> bool:
        """Whether a step more would end too late.

        One engine is thought to be as fast as another: the first step of all takes far longer than
        those after it.
        """
        least = min((median_low(seen[self.few]) for seen in self.times.values()), default=0.0)
        return bool(self.times) and self.end - time.perf_counter() < least

    def turn(self, engine: Engine, learn: Callable[[Tensor], None], waiting: int) -> None:
        """Some steps with an engine, on few pictures and on many, while its share of time lasts.

        Args:
            engine: the one whose turn it is.
            learn: makes a step.
            waiting: turns from this one on.
        """
        now = time.perf_counter()
        until = now + (self.end - now) / waiting
        if engine not in self.times and self.pixels.device.type != "cpu":
            learn(self.pixels[: self.few])  # a GPU's kernels are loaded at first: a second, or half
        self._step(engine, learn, self.few)
        for _ in range(_SMALL - 1):
            self._step_before(until, engine, learn, self.few)
        if not self.many:
            # what a step costs whatever is in it hides what a picture costs in the smallest
            self._step_before(until, engine, learn, min(_MORE * self.few, len(self.pixels)))
            left = max(until - time.perf_counter(), 0)
            fitting = int(left / _LARGE / self._each(engine))
            self.many = max(self.few, min(len(self.pixels), fitting))
        steps = max(_LARGE, int(_ENOUGH / self._each(engine) / self.many))
        for _ in range(steps):
            self._step_before(until, engine, learn, self.many)

    def speeds(self) -> dict[Engine, float]:
        """Pictures a second, in the largest batch that all engines saw."""
        count = max(set.intersection(*(set(seen) for seen in self.times.values())))
        return {engine: count / median_low(seen[count]) for engine, seen in self.times.items()}

    def _step_before(
        self, until: float, engine: Engine, learn: Callable[[Tensor], None], count: int
    ) -> None:
        """Unless it would last longer, as far as this engine's steps or another's tell."""
        others = [median_low(seen[count]) for seen in self.times.values() if count in seen]
        if time.perf_counter() + min([self._each(engine) * count, *others]) <= until:
            self._step(engine, learn, count)

    def _each(self, engine: Engine) -> float:
        """Seconds that a picture takes an engine, at most."""
        seen = self.times[engine].items()
        return min(median_low(seconds) / pictures for pictures, seconds in seen)

    def _step(self, engine: Engine, learn: Callable[[Tensor], None], count: int) -> None:
        started = time.perf_counter()
        learn(self.pixels[:count])
        if self.pixels.device.type != "cpu":
            torch.accelerator.synchronize()
        seconds = time.perf_counter() - started
        self.times.setdefault(engine, {}).setdefault(count, []).append(seconds)


def _bfloat16_pays(device: torch.device) -> bool:
    """Whether bfloat16 is worth a trial: whether small matrix products in it are not far slower.

    A processor without bf16 instructions emulates them hundreds of times slower: too slow for a
    trial on a whole network. This probe costs milliseconds, and follows ``ONEDNN_MAX_CPU_ISA``.
    One thread's own time counts: whatever else the machine does, and however long that thread is
    kept waiting, decides nothing; nor does what is left of that in a cache, for between half the
    time of float32 and a hundred times as much there is room. A GPU is not asked: so small a
    product tells nothing of it.
    """
    if device.type != "cpu":
        return True
    threads = torch.get_num_threads()
    ones = torch.ones(192, 192)

    def seconds(a: Tensor) -> float:
        times = []
        for _ in range(4):
            started = time.thread_time()
            (a @ a)[0, 0].item()
            times.append(time.thread_time() - started)
        return min(times)

    torch.set_num_threads(1)
    try:
        return seconds(ones.to(torch.bfloat16)) < 2 * seconds(ones)
    finally:
        torch.set_num_threads(threads)
