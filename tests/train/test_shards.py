from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convatlas.nets.build import build
from convatlas.nets.lenet import LeNet
from convatlas.train.engine import Engine
from convatlas.train.shards import LEAST, Shards, most_shards

CPU = torch.device("cpu")


def lenet(**options: object) -> LeNet:
    torch.manual_seed(0)
    return LeNet(**options).double()


def learn(net: nn.Module, pixels: torch.Tensor, labels: torch.Tensor) -> float:
    loss = F.cross_entropy(net(pixels), labels, reduction="sum") / 10
    loss.backward()
    return loss.item()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_gradients_and_losses_add_up_to_those_of_the_whole_batch(count: int) -> None:
    """To rounding: what differs is only the order in which float64 numbers are added."""
    net, pixels = lenet(), torch.randn(10, 1, 28, 28, dtype=torch.float64)
    labels = torch.arange(10)
    whole = F.cross_entropy(net(pixels), labels)
    expected = torch.autograd.grad(whole, list(net.parameters()))
    shards = Shards(net, count)
    for _ in range(2):  # a second time: the first gradients are gone
        losses = shards.learn(pixels, labels, learn)
    assert len(losses) == count
    assert sum(losses) == pytest.approx(whole.item(), rel=1e-12)
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-14)


def test_shadows_follow_the_weights() -> None:
    net = lenet()
    shards = Shards(net, 2)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.5)
    for parameter in shards.nets[1].parameters():
        assert (parameter == 0.5).all()


def test_each_shard_normalises_by_itself_and_the_first_is_remembered() -> None:
    net, pixels = lenet(norm="batch"), torch.randn(8, 1, 28, 28, dtype=torch.float64)
    alone = lenet(norm="batch")
    Shards(net, 2).learn(pixels, torch.zeros(8, dtype=torch.int64), learn)
    alone(pixels[:4])
    for name, value in alone.named_buffers():
        torch.testing.assert_close(net.get_buffer(name), value)


def test_a_batch_smaller_than_the_threads() -> None:
    net = lenet()
    pixels = torch.randn(2, 1, 28, 28, dtype=torch.float64)
    assert len(Shards(net, 4).learn(pixels, torch.tensor([0, 1]), learn)) == 2


def test_an_error_in_a_thread_is_the_callers() -> None:
    with pytest.raises(IndexError):
        Shards(lenet(), 2).learn(
            torch.randn(4, 1, 28, 28, dtype=torch.float64), torch.full((4,), 10), learn
        )


def test_cores_are_shared_while_it_learns_only() -> None:
    threads = torch.get_num_threads()
    shards = Shards(lenet(), 2)
    with shards.sharing_cores():
        assert torch.get_num_threads() == max(1, threads // 2)
    assert torch.get_num_threads() == threads


def test_how_many_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert most_shards(lenet(), 4 * LEAST, CPU) == 4
    assert most_shards(lenet(), 2 * LEAST + 1, CPU) == 2
    assert most_shards(lenet(), 1, CPU) == 1
    assert most_shards(lenet(), 4 * LEAST, torch.device("cuda")) == 1
    assert most_shards(build("resnet18_d2l"), 4 * LEAST, CPU) == 1
    # one random state for all threads: their order would decide what is dropped
    assert most_shards(build("nin_cifar"), 4 * LEAST, CPU) == 1
    assert most_shards(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), 4 * LEAST, CPU) == 1


def test_an_engine_adds_up_its_shards_whatever_their_size() -> None:
    net, engine = lenet(), Engine("float32", "contiguous")
    pixels, labels = torch.randn(3, 1, 28, 28, dtype=torch.float64), torch.tensor([0, 1, 2])
    F.cross_entropy(net(pixels), labels, label_smoothing=0.1).backward()
    expected = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    net.zero_grad()
    parts = [
        engine.learn(net, pixels[part], labels[part], whole=3, smoothing=0.1)
        for part in (slice(2), slice(2, 3))
    ]
    # the loss is computed in float32, whose rounding is 6e-8 of it
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-8)
    assert sum(part.right for part in parts) == (net(pixels).argmax(1) == labels).sum()


@pytest.mark.parametrize("count", [1, 2])
def test_learned_in_parts_the_gradients_are_the_same(count: int) -> None:
    net, pixels = lenet(), torch.randn(10, 1, 28, 28, dtype=torch.float64)
    labels = torch.arange(10)
    Shards(net, 1).learn(pixels, labels, learn)
    expected = [parameter.grad for parameter in net.parameters()]
    losses = Shards(net, count).learn(pixels, labels, learn, parts=3)
    assert len(losses) == 3 * count
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-14)
    assert len(Shards(net, 1).learn(pixels[:2], labels[:2], learn, parts=3)) == 2
