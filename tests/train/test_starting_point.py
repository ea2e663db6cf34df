from __future__ import annotations

import pytest
import torch
from torch import nn

import convatlas as ca
from convatlas.nets.parts import Net
from convatlas.train import Config
from convatlas.train.optim import make_optimizer
from convatlas.train.starting_point import StartingPoint


def resnet() -> Net:
    torch.manual_seed(0)
    return ca.build("resnet20", width=4, num_classes=3, in_channels=1).double()


def moved(net: nn.Module) -> None:
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn_like(weight))


@pytest.mark.parametrize("everything", [False, True])
def test_the_gradient_is_that_of_the_penalty(everything: bool) -> None:
    """Autograd's, of λ/2 ‖w − w⁰‖² as Li et al. (2018) write it, in float64."""
    net = resnet()
    start = [p.detach().clone() for p in net.parameters()]
    point = StartingPoint(net, Config(l2_sp=0.3, decay_everything=everything))
    moved(net)
    named = list(zip(net.named_parameters(), start, strict=True))
    decayed = [
        (p, p0)
        for (name, p), p0 in named
        if not name.startswith("head.fc") and (everything or p.dim() > 1)
    ]
    penalty = sum(0.15 * (p - p0).square().sum() for p, p0 in decayed)
    penalty.backward()
    expected = {id(p): p.grad.clone() for p, _ in decayed}
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    point.pull()
    for p in net.parameters():
        wanted = 1 + expected.get(id(p), torch.zeros_like(p))
        torch.testing.assert_close(p.grad, wanted, rtol=1e-13, atol=1e-13)
    assert len(decayed) > 10


def test_what_is_frozen_is_not_pulled() -> None:
    net = resnet()
    point = StartingPoint(net, Config(l2_sp=0.3))
    moved(net)
    point.pull()
    assert all(p.grad is None for p in net.parameters())


def test_it_stands_in_the_place_of_weight_decay() -> None:
    net = resnet()
    names = {id(p): name for name, p in net.named_parameters()}
    groups = make_optimizer(net, Config(l2_sp=0.3, weight_decay=0.2)).param_groups
    decays = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
    assert {name for name, decay in decays.items() if decay} == {"head.fc.weight"}
    assert decays["head.fc.weight"] == 0.2


def test_none_costs_nothing_and_a_state_is_taken_up() -> None:
    net = resnet()
    assert StartingPoint(net, Config()).state_dict() == {}
    point = StartingPoint(net, Config(l2_sp=1.0))
    kept = {name: start.clone() for name, start in point.state_dict().items()}
    moved(net)
    later = StartingPoint(net, Config(l2_sp=1.0))
    later.load_state_dict(kept)
    assert all(torch.equal(a, b) for a, b in zip(point.start, later.start, strict=True))
