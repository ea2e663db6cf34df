from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from convatlas.train.checkpoint import Checkpoints
from convatlas.train.memory import load_optimizer_state, optimizer_state

MAKERS: dict[str, Callable[[list[dict[str, object]]], Optimizer]] = {
    "sgd": lambda groups: SGD(groups, lr=0.1, momentum=0.9, nesterov=True, fused=True),
    "plain sgd": lambda groups: SGD(groups, lr=0.1),
    "adamw": lambda groups: AdamW(groups, lr=0.01, fused=True),
    "amsgrad": lambda groups: Adam(groups, lr=0.01, amsgrad=True),
}


def step(net: nn.Module, optimizer: Optimizer, seed: int) -> None:
    net.zero_grad()
    x = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(seed))
    net(x.to(memory_format=torch.channels_last)).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("kind", MAKERS)
def test_the_next_steps_are_the_same(kind: str, tmp_path: Path) -> None:
    """In another memory layout than the file's, through which a fused step must not be misled."""

    def made() -> tuple[nn.Module, Optimizer]:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(27, 2))
        net = net.to(memory_format=torch.channels_last)
        net[0].bias.requires_grad_(False)
        kernels = [p for p in net.parameters() if p.dim() > 1]
        rest = [p for p in net.parameters() if p.dim() == 1 and p.requires_grad]
        return net, MAKERS[kind]([{"params": rest}, {"params": kernels, "weight_decay": 0.1}])

    net, optimizer = made()
    for seed in range(3):
        step(net, optimizer, seed)
    optimizer.param_groups[1]["lr"] = 0.03
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write({"net": net.state_dict(), "optimizer": optimizer_state(net, optimizer)})
    other, its = made()
    state = checkpoints.latest().state
    other.load_state_dict(state["net"])
    load_optimizer_state(other, its, state["optimizer"])
    assert [group["lr"] for group in its.param_groups] == [
        optimizer.param_groups[0]["lr"],
        0.03,
    ]
    for seed in range(3, 6):
        step(net, optimizer, seed)
        step(other, its, seed)
    for mine, theirs in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_it_goes_by_names() -> None:
    net = nn.Linear(2, 3)
    optimizer = SGD(list(net.parameters())[::-1], lr=0.5, momentum=0.9)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    state = optimizer_state(net, optimizer)
    assert state["lr"] == [0.5]
    assert state["remembered"]["weight"]["momentum_buffer"].shape == (3, 2)
    assert state["remembered"]["bias"]["momentum_buffer"].shape == (3,)
