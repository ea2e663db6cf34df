from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convatlas.nets.build import build
from convatlas.train import Config
from convatlas.train import trial as trials
from convatlas.train.engine import Engine
from convatlas.train.trial import candidates, choose

PIXELS = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(64) % 3
LAST, PLAIN = "float32, channels-last", "float32, contiguous"


class Clock:
    """Time that passes only when a network says so."""

    now = 100.0

    def perf_counter(self) -> float:
        return self.now


class Tell(nn.Module):
    """Passes pictures on and tells of them."""

    def __init__(self, of: Callable[[Tensor], None]) -> None:
        super().__init__()
        self.of = of

    def forward(self, x: Tensor) -> Tensor:
        self.of(x)
        return x


def network(tell: Callable[[Tensor], None] = lambda x: None) -> nn.Sequential:
    norm = nn.BatchNorm2d(3)
    return nn.Sequential(Tell(tell), norm, nn.Dropout(), nn.Flatten(), nn.Linear(192, 3))


@pytest.fixture
def float32_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "_bfloat16_pays", lambda device: False)


@pytest.fixture
def trial(float32_only: None, monkeypatch: pytest.MonkeyPatch):
    """A trial of a network that takes so many seconds a picture; the batches that it saw."""

    def run(
        last: float, plain: float, fixed: float = 0.0
    ) -> tuple[Engine, dict[str, list[int]], float]:
        clock, seen = Clock(), {LAST: [], PLAIN: []}
        monkeypatch.setattr(trials, "time", clock)

        def tell(x: Tensor) -> None:
            layout = PLAIN if x.is_contiguous() else LAST
            seen[layout].append(len(x))
            clock.now += len(x) * {LAST: last, PLAIN: plain}[layout] + fixed

        made = choose(network(tell), PIXELS, LABELS, Config())
        return made, seen, clock.now - Clock.now

    return run


@pytest.mark.parametrize(("last", "plain"), [(0.001, 0.002), (0.002, 0.001)])
def test_the_faster_one_wins_on_whole_batches(trial, last: float, plain: float) -> None:
    made, seen, seconds = trial(last, plain)
    times = {LAST: last, PLAIN: plain}
    assert str(made) == (LAST if last < plain else PLAIN)
    assert made.trial == {name: pytest.approx(1 / each) for name, each in times.items()}
    assert set(seen) == {LAST, PLAIN}
    # the plain one is the first, and finds out how many pictures there is time for
    large = {name: [64] * max(2, int(0.25 / 64 / each)) for name, each in times.items()}
    assert seen[PLAIN] == [1, 1, 8, *large[PLAIN], 1, 1, *large[PLAIN]]
    assert seen[LAST] == [1, 1, *large[LAST]] * 2
    assert seconds < 2


def test_what_a_step_costs_by_itself_does_not_keep_the_batches_small(trial) -> None:
    """As in networks on small pictures, of whose layout a few of them tell nothing."""
    made, seen, seconds = trial(0.001, 0.002, fixed=0.03)
    assert str(made) == LAST
    assert max(seen[PLAIN]) == max(seen[LAST]) > 24
    assert seconds < 2


def test_a_disturbance_of_one_turn_does_not_decide(
    float32_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, seen = Clock(), []
    monkeypatch.setattr(trials, "time", clock)

    def tell(x: Tensor) -> None:
        seen.append(x)
        disturbed = 4 < len(seen) <= 8  # its first turn
        clock.now += len(x) * (0.002 if x.is_contiguous() else 0.003 if disturbed else 0.001)

    assert choose(network(tell), PIXELS, LABELS, Config()).layout == "channels-last"


@pytest.mark.parametrize("slow", [0.01, 0.02, 0.05, 0.1, 0.2])
def test_a_slow_network_gets_smaller_batches_and_two_seconds(trial, slow: float) -> None:
    made, seen, seconds = trial(slow, slow * 1.5)
    assert str(made) == LAST
    assert made.trial == {
        LAST: pytest.approx(1 / slow, 0.01),
        PLAIN: pytest.approx(2 / 3 / slow, 0.01),
    }
    assert seconds <= 2
    assert all(batches[0] == 1 and max(batches) <= 64 for batches in seen.values())


def test_of_a_network_too_slow_for_two_only_one_step_is_made(trial) -> None:
    """And the plain default, which is made, is what everything else is measured by."""
    made, seen, seconds = trial(1.0, 3.0)
    assert (str(made), list(made.trial)) == (PLAIN, [PLAIN])
    assert seen == {LAST: [], PLAIN: [1]}
    assert seconds == 3


def test_a_second_candidate_is_tried_once_where_time_is_left(trial) -> None:
    made, seen, _ = trial(0.7, 0.8)
    assert seen == {LAST: [1], PLAIN: [1]}
    assert str(made) == LAST


def test_no_candidate_is_begun_that_would_not_end_in_time(trial) -> None:
    """One step of the first takes 1.2 s, and a second one as long would go on until 2.4."""
    made, seen, seconds = trial(0.1, 1.2)
    assert (str(made), seen) == (PLAIN, {LAST: [], PLAIN: [1]})
    assert seconds == pytest.approx(1.2)


def test_no_other_turn_is_begun_that_would_not_end_in_time(trial) -> None:
    """One step of each takes 1.5 s; a second one of .8 s would go on until 2.3."""
    _, seen, seconds = trial(0.7, 0.8)
    assert seen == {LAST: [1], PLAIN: [1]}
    assert seconds == pytest.approx(1.5)


@pytest.mark.parametrize(("last", "plain"), [(0.03, 0.02), (0.02, 0.03)])
def test_what_a_step_costs_on_any_batch_decides_nothing(trial, last: float, plain: float) -> None:
    """Large dense layers; engines seen on unequal batches would differ by that cost's share."""
    made, _, seconds = trial(last, plain, fixed=0.1)
    assert str(made) == (LAST if last < plain else PLAIN)
    assert seconds <= 2


def test_what_is_hardly_faster_than_the_plain_default_is_not_chosen(trial) -> None:
    assert str(trial(0.0098, 0.01)[0]) == PLAIN
    assert str(trial(0.009, 0.01)[0]) == LAST


def test_the_plain_default_is_tried_first_but_for_bfloat16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for pays, first in ((False, PLAIN), (True, "bfloat16, channels-last")):
        monkeypatch.setattr(trials, "_bfloat16_pays", lambda device, pays=pays: pays)
        assert str(candidates(network(), PIXELS, Config())[0]) == first


def test_threads_share_no_batch_of_the_plain_default_where_there_is_a_choice(
    float32_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "most_shards", lambda *_: 2)

    def named(**fixed: Any) -> list[str]:
        return [str(engine) for engine in candidates(network(), PIXELS, Config(**fixed))]

    assert named() == [PLAIN, f"{LAST}, 2 shards"]
    assert named(layout="contiguous") == [f"{PLAIN}, 2 shards"]
    assert named(shards=3) == [f"{PLAIN}, 3 shards", f"{LAST}, 3 shards"]


def test_winograds_convolution_is_tried_where_a_network_may_gain(float32_only: None) -> None:
    """Before the plain default, which is the slower one as a rule, and the safe one without it."""
    wide, narrow = nn.Sequential(nn.Conv2d(3, 256, 3), nn.Conv2d(256, 256, 3)), network()

    def named(net: nn.Module, **fixed: Any) -> list[str]:
        return [str(engine) for engine in candidates(net, PIXELS, Config(shards=1, **fixed))]

    assert named(wide) == [f"{LAST}, Winograd", PLAIN]
    assert named(wide, layout="channels-last") == [f"{LAST}, Winograd"]
    assert named(wide, winograd=False) == named(wide, compiled=True) == [PLAIN, LAST]
    assert named(wide, precision="bfloat16") == [
        "bfloat16, channels-last",
        "bfloat16, contiguous",
    ]
    assert named(narrow) == [PLAIN, LAST]


def stacked(layer: nn.Module) -> nn.Sequential:
    """A layer below a head of a large and a small dense one."""
    head = nn.Sequential(nn.Linear(1000, 1000), nn.ReLU(inplace=True), nn.Linear(1000, 2))
    return nn.Sequential(layer, nn.Flatten(), head)


@pytest.mark.parametrize(
    ("net", "strategy", "lean"),
    [
        (stacked(nn.Conv2d(4, 1000, 1)), "scratch", True),
        (stacked(nn.Conv2d(4, 1000, 1)), "head", False),
        (stacked(nn.Conv2d(4, 1000, 1).requires_grad_(False)), "scratch", False),
        (stacked(nn.Linear(4, 1000)), "scratch", False),
    ],
)
def test_large_dense_layers_are_passed_by_where_convolutions_learn(
    net: nn.Sequential, strategy: str, lean: bool
) -> None:
    made = trials._lean(net, Config(strategy=strategy))
    assert isinstance(made[2][0], nn.Linear) is not lean
    assert isinstance(net[2][0], nn.Linear)
    assert made[2][2].weight.data_ptr() == net[2][2].weight.data_ptr()
    if lean:  # where they are, the layers around them still learn
        made(torch.ones(2, 4, 1, 1)).sum().backward()
        assert made[0].weight.grad is not None
        assert made[2][2].weight.grad.shape == (2, 1000)
        assert net[0].weight.grad is None


@pytest.mark.parametrize(
    ("bf16_last", "bf16", "plain", "winner"),
    [
        (1.05, 1.0, 1.0, "float32, contiguous"),  # no gain that is clear
        (1.0, 1.05, 0.5, "bfloat16, channels-last"),  # about as fast as the likelier one
        (1.0, 1.1, 0.5, "bfloat16, contiguous"),
        (1.05, 1.1, 1.0, "bfloat16, contiguous"),
    ],
)
def test_of_two_that_are_about_as_fast_the_likelier_is_chosen(
    bf16_last: float, bf16: float, plain: float, winner: str
) -> None:
    names = [("bfloat16", "channels-last"), ("bfloat16", "contiguous"), ("float32", "contiguous")]
    engines = [Engine(*pair) for pair in names]
    speeds = dict(zip(engines, (bf16_last, bf16, plain), strict=True))
    assert str(trials._winner(speeds)) == winner


def test_threads_that_wait_for_each_other_are_judged_by_their_usual_step(
    float32_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of three steps is twice as quick as the plain default's, the others are slower."""
    clock, seen = Clock(), []
    monkeypatch.setattr(trials, "time", clock)

    def tell(x: Tensor) -> None:
        if not x.is_contiguous():
            seen.append(x)
        last = (0.0005, 0.0011, 0.0011)[len(seen) % 3]
        clock.now += len(x) * (0.001 if x.is_contiguous() else last)

    assert choose(network(tell), PIXELS, LABELS, Config()).layout == "contiguous"


def test_nothing_is_left_behind(float32_only: None) -> None:
    net = network()
    before = copy.deepcopy(net.state_dict())
    state = torch.get_rng_state()
    assert choose(net, PIXELS, LABELS, Config(lr=5.0)).trial
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
        assert value.is_contiguous()
    assert all(p.grad is None for p in net.parameters())
    assert net.training


def test_the_trial_does_train(trial) -> None:
    """Forward and backward; otherwise it would measure something else."""
    gradients = []

    class Learner(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            y = super().forward(x)
            y.register_hook(gradients.append)
            return y

    choose(nn.Sequential(nn.Flatten(), Learner(192, 3)), PIXELS, LABELS, Config(lr=0.1))
    assert max(len(gradient) for gradient in gradients) == 64


def test_what_is_fixed_is_not_tried() -> None:
    told: list[Tensor] = []
    config = Config(precision="float32", layout="channels-last")
    made = choose(network(told.append), PIXELS, LABELS, config)
    assert made == Engine("float32", "channels-last")
    assert told == []


@pytest.mark.slow
@pytest.mark.parametrize("pays", [True, False])
def test_bfloat16_is_tried_only_where_the_probe_says_so(
    pays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "_bfloat16_pays", lambda device: pays)
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    made = choose(net, PIXELS[:8], LABELS, Config())
    found = {name.split(",")[0] for name in made.trial}
    assert found == ({"float32", "bfloat16"} if pays else {"float32"})


def test_the_probe_answers_alike_on_a_machine_that_is_busy() -> None:
    """Where bf16 is emulated, a wrong answer would train in it, hundreds of times slower."""
    cpu, threads = torch.device("cpu"), torch.get_num_threads()
    idle = trials._bfloat16_pays(cpu)
    spinning = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spinning) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        assert {trials._bfloat16_pays(cpu) for _ in range(10)} == {idle}
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert torch.get_num_threads() == threads


class Views(nn.Module):
    """A network as many write it: `view` takes no channels-last map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(256, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.fc(x.view(x.shape[0], -1))


def test_a_layout_that_the_network_does_not_take_is_left_out(float32_only: None) -> None:
    made = choose(Views(), PIXELS, LABELS, Config())
    assert (str(made), list(made.trial)) == (PLAIN, [PLAIN])


def test_a_network_that_takes_none_says_why(float32_only: None) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(191, 3))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        choose(net, PIXELS, LABELS, Config())


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_pictures(count: int, float32_only: None) -> None:
    seen: set[int] = set()
    choose(network(lambda x: seen.add(len(x))), PIXELS[:count], LABELS[:count], Config())
    assert seen <= {1, 2, count}
    assert count in seen


@pytest.mark.slow
def test_each_of_many_shards_has_batch_statistics(
    float32_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four threads, as on a larger machine, and a network that normalises after dense layers.

    Where the number is left open, the plain default has no shards, and would do with less.
    """
    pixels, labels = torch.rand(16, 1, 28, 28), torch.arange(16) % 10
    monkeypatch.setattr(trials, "most_shards", lambda *_: 4)
    for shards in (4, None):
        assert len(choose(build("lenet_bn"), pixels, labels, Config(shards=shards)).trial) == 2


def test_a_gpu_sees_whole_batches_after_its_kernels_are_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the device of tensors that have no memory; loading counts for nothing."""
    clock, seen = Clock(), []
    monkeypatch.setattr(trials, "time", clock)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: None)
    pixels = torch.empty(64, 3, 8, 8, device="meta")

    def learn(x: Tensor) -> None:
        clock.now += 0.1 if seen else 1.0
        seen.append(len(x))

    trial = trials._Trial(pixels, trials._fewest(pixels, 2), clock.now + 1.0)
    trial.turn(Engine("bfloat16", "channels-last"), learn, waiting=8)
    assert list(trial.speeds().values()) == [pytest.approx(640)]
    assert set(seen) == {64}
    assert trials._bfloat16_pays(pixels.device)


def test_a_processor_begins_with_few_pictures() -> None:
    assert [trials._fewest(PIXELS, 2), trials._fewest(PIXELS[:1], 2)] == [2, 1]
