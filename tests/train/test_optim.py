from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from convatlas.errors import ConfigError
from convatlas.nets.build import build
from convatlas.nets.lenet import LeNet
from convatlas.nets.parts import Norm
from convatlas.train import Config
from convatlas.train.config import Optimizer, Schedule
from convatlas.train.optim import best_device, make_optimizer, make_schedule, settle
from convatlas.train.optimizers import AlexNetSGD, Muon


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GroupNorm(1, 2), nn.Flatten(), nn.Linear(8, 3)
    )


def decay_of(net: nn.Module, config: Config) -> dict[str, float]:
    names = {id(p): name for name, p in net.named_parameters()}
    groups = make_optimizer(net, config).param_groups
    found = [(names[id(p)], group["weight_decay"]) for group in groups for p in group["params"]]
    assert len(found) == len(dict(found))  # no parameter twice
    return dict(found)


@pytest.mark.parametrize("optimizer", ["sgd", "alexnet", "adamw", "muon"])
def test_matrices_and_kernels_decay_and_nothing_else(optimizer: str) -> None:
    made = net()
    decayed = decay_of(made, Config(optimizer=optimizer, weight_decay=0.01))
    assert decayed == {
        name: 0.01 if name in ("0.weight", "4.weight") else 0.0
        for name, _ in made.named_parameters()
    }


def test_everything_decays_where_asked() -> None:
    assert set(decay_of(net(), Config(decay_everything=True, weight_decay=0.3)).values()) == {0.3}


def test_frozen_weights_are_left_out() -> None:
    made = net()
    made[0].requires_grad_(False)
    assert set(decay_of(made, Config())) == {
        name for name, _ in made.named_parameters() if not name.startswith("0.")
    }


@pytest.mark.parametrize("module", [nn.Flatten(), nn.Linear(1, 1).requires_grad_(False)])
def test_nothing_to_train_is_said(module: nn.Module) -> None:
    with pytest.raises(ConfigError, match=f"{type(module).__name__} has nothing to train"):
        make_optimizer(module, Config())


def test_momentum_zero_is_plain_sgd() -> None:
    """Torch refuses Nesterov without momentum; the step is the gradient times the rate."""
    made = nn.Linear(2, 1, bias=False)
    before = made.weight.detach().clone()
    optimizer = make_optimizer(
        made, Config(optimizer="sgd", momentum=0.0, lr=0.5, weight_decay=0.0)
    )
    made(torch.tensor([[1.0, 2.0]])).sum().backward()
    optimizer.step()
    torch.testing.assert_close(made.weight, before - 0.5 * torch.tensor([[1.0, 2.0]]))


def rates(config: Config, steps: int) -> list[float]:
    optimizer = make_optimizer(nn.Linear(1, 1), config)
    schedule = make_schedule(optimizer, config, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        assert {group["lr"] for group in optimizer.param_groups} == {found[-1]}
        optimizer.step()
        schedule.step()
    if config.schedule in ("one-cycle", "cosine"):
        assert optimizer.param_groups[0]["lr"] == 0
    return found


def test_constant() -> None:
    assert rates(Config(schedule="constant", lr=0.3), 5) == [0.3] * 5


def test_one_cycle_is_two_straight_lines() -> None:
    """A fifth of ten steps up to the highest rate, then down to zero after the last step."""
    found = rates(Config(lr=0.8, warmup=0.2), 10)
    up, down = [0.4, 0.8], [0.8 * (10 - step) / 8 for step in range(2, 10)]
    assert found == pytest.approx(up + down, rel=1e-12)


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [(0.0, [1, 3 / 4, 2 / 4, 1 / 4]), (1.0, [1 / 4, 2 / 4, 3 / 4, 1])],
)
def test_one_cycle_with_one_line_only(warmup: float, expected: list[float]) -> None:
    assert rates(Config(lr=1.0, warmup=warmup), 4) == pytest.approx(expected, rel=1e-12)


def test_a_run_of_one_step_learns() -> None:
    assert rates(Config(lr=1.0), 1) == [1.0]


def test_cosine_is_half_a_wave_down_to_zero() -> None:
    """Loshchilov and Hutter 2017, equation 5, without restarts: ε (1 + cos π t / T) / 2."""
    found = rates(Config(schedule="cosine", lr=0.5), 8)
    wave = [0.25 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert found == pytest.approx(wave, rel=1e-12)


def test_exponential_falls_by_the_same_factor_each_step() -> None:
    found = rates(Config(schedule="exponential", lr=0.5, final=0.01), 4)
    assert found == pytest.approx([0.5 * 0.01 ** (step / 4) for step in range(4)], rel=1e-12)


def test_steps_down() -> None:
    drops = ((0.5, 0.1), (0.75, 0.01))
    found = rates(Config(schedule="step", lr=0.2, drops=drops), 8)
    assert found == pytest.approx([0.2] * 4 + [0.02] * 2 + [0.002] * 2, rel=1e-12)
    assert rates(Config(schedule="step", lr=0.2, drops=()), 3) == [0.2] * 3


@pytest.mark.parametrize(
    ("schedule", "rest"),
    [
        ("constant", [1.0] * 4),
        ("cosine", [(1 + math.cos(math.pi * step / 4)) / 2 for step in range(4)]),
        ("step", [1.0, 1.0, 0.1, 0.1]),
    ],
)
def test_a_straight_rise_goes_before_any(schedule: Schedule, rest: list[float]) -> None:
    config = Config(schedule=schedule, lr=1.0, warmup=0.5, drops=((0.75, 0.1),))
    assert rates(config, 8) == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1, *rest], rel=1e-12)


def test_alexnets_rate_drops_inside_its_velocity() -> None:
    made = make_optimizer(net(), Config(optimizer="alexnet", lr=0.3, momentum=0.8))
    assert isinstance(made, AlexNetSGD)
    assert {(group["lr"], group["momentum"]) for group in made.param_groups} == {(0.3, 0.8)}


def hidden_of(net: nn.Module) -> set[str]:
    names = {p: name for name, p in net.named_parameters()}
    made = make_optimizer(net, Config(optimizer="muon", stage_decay=0.5))
    assert {p for group in made.param_groups for p in group["params"]} == names.keys()
    return {names[p] for group in made.param_groups if group["hidden"] for p in group["params"]}


def test_muon_has_kernels_and_hidden_dense_layers() -> None:
    """All but the last layer; GoogLeNet's auxiliary heads end in one each, and train with it."""
    assert hidden_of(LeNet()) == {
        name for name, p in LeNet().named_parameters() if p.dim() > 1 and "output" not in name
    }
    googlenet = build("googlenet", num_classes=3)
    names = dict(googlenet.named_parameters())
    assert hidden_of(googlenet) == {
        name for name, p in names.items() if p.dim() > 1 and name.startswith(("stem", "stages"))
    }


def test_muon_spares_the_last_matrix_of_any_module() -> None:
    made = make_optimizer(net(), Config(optimizer="muon"))
    (hidden,) = [group for group in made.param_groups if group["hidden"]]
    assert [tuple(p.shape) for p in hidden["params"]] == [(2, 1, 3, 3)]


def test_the_best_device_computes() -> None:
    assert torch.ones(2, device=best_device()).sum().item() == 2


@pytest.mark.parametrize(
    ("norm", "optimizer", "expected"),
    [
        ("batch", "auto", ("sgd", 0.4)),
        ("none", "auto", ("adamw", 1e-3)),
        ("none", "sgd", ("sgd", 0.02)),
        ("group", "adamw", ("adamw", 4e-3)),
        ("batch", "muon", ("muon", 0.02)),
        ("none", "alexnet", ("alexnet", 0.01)),
    ],
)
def test_what_is_left_to_the_network_depends_on_its_normalisation(
    norm: Norm, optimizer: Optimizer, expected: tuple[str, float]
) -> None:
    net = LeNet(norm=norm)
    settled = settle(net, Config(optimizer=optimizer))
    assert (settled.optimizer, settled.lr) == expected
    assert settle(net, Config(optimizer=optimizer, lr=0.3)).lr == 0.3
    made = make_optimizer(net, Config(optimizer=optimizer))
    kinds = {"sgd": SGD, "adamw": AdamW, "muon": Muon, "alexnet": AlexNetSGD}
    assert type(made) is kinds[expected[0]]
    assert {group["lr"] for group in made.param_groups} == {expected[1]}
