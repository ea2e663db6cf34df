from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convatlas.nets.lenet import LeNet
from convatlas.train.adding import adding
from convatlas.train.shards import Shards, shadow

PIXELS, LABELS = torch.randn(9, 1, 28, 28), torch.arange(9)
_PATIENCE = 20  # seconds until a thread no longer waits for what should have come


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def nets(count: int) -> list[nn.Module]:
    torch.manual_seed(0)
    net = LeNet()
    return [net, *(shadow(net) for _ in range(count - 1))]


def backward(net: nn.Module, pixels: Tensor, labels: Tensor) -> None:
    F.cross_entropy(net(pixels), labels).backward()


@pytest.mark.parametrize("ready", [None, lambda weight: None], ids=["at the end", "at once"])
def test_sums_are_made_in_the_order_of_the_networks(
    pool: ThreadPoolExecutor, ready: Callable[[nn.Parameter], None] | None
) -> None:
    """To the last bit, although the last network is the first to be done."""
    whole = nets(3)
    gradients = [
        torch.autograd.grad(F.cross_entropy(net(x), y), list(net.parameters()))
        for net, x, y in zip(whole, PIXELS.split(3), LABELS.split(3), strict=True)
    ]
    with adding(whole, 3, pool.submit, ready):
        for i in (2, 1, 0):
            backward(whole[i], PIXELS[3 * i : 3 * i + 3], LABELS[3 * i : 3 * i + 3])
    for weight, a, b, c in zip(whole[0].parameters(), *gradients, strict=True):
        assert weight.grad is not None
        assert torch.equal(weight.grad, a + b + c)


def test_a_thread_that_is_done_does_not_wait_for_the_others() -> None:
    """The second shard stops at a convolution until the last layer's sum has been made."""
    torch.manual_seed(0)
    net = LeNet()
    shards = Shards(net, 2)
    last = list(net.parameters())[-1]
    made, in_time = threading.Event(), []
    *_, conv = (layer for layer in shards.nets[1].modules() if isinstance(layer, nn.Conv2d))
    conv.register_full_backward_pre_hook(lambda *_: in_time.append(made.wait(_PATIENCE)))

    def ready(weight: nn.Parameter) -> None:
        if weight is last:
            made.set()

    shards.learn(PIXELS, LABELS, backward, ready=ready)
    assert in_time == [True]


@pytest.mark.parametrize("parts", [1, 2])
def test_each_weight_is_ready_once_and_whole(parts: int) -> None:
    torch.manual_seed(0)
    net = LeNet()
    next(iter(net.parameters())).requires_grad_(False)
    seen: dict[str, Tensor] = {}
    names = {weight: name for name, weight in net.named_parameters()}

    def ready(weight: nn.Parameter) -> None:
        assert weight.grad is not None
        assert names[weight] not in seen
        seen[names[weight]] = weight.grad.clone()

    Shards(net, 2).learn(PIXELS, LABELS, backward, parts, ready)
    for weight, name in names.items():
        assert (name in seen) == weight.requires_grad
        if weight.grad is not None:
            assert torch.equal(seen[name], weight.grad)


def test_what_one_pass_has_no_gradient_for_is_never_ready(pool: ThreadPoolExecutor) -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    whole, x, ready = [net, shadow(net)], torch.randn(4, 2), []
    with adding(whole, 2, pool.submit, ready.append):
        net(x).sum().backward()
        whole[1].get_submodule("0")(x).sum().backward()
    assert {id(weight) for weight in ready} == {id(weight) for weight in net[0].parameters()}
    alone = torch.autograd.grad(net(x).sum(), list(net[1].parameters()))
    for weight, gradient in zip(net[1].parameters(), alone, strict=True):
        assert torch.equal(weight.grad, gradient)


def test_afterwards_backward_is_the_callers_own(pool: ThreadPoolExecutor) -> None:
    whole, ready = nets(2), []
    with pytest.raises(IndexError), adding(whole, 1, pool.submit, ready.append):
        backward(whole[0], PIXELS, LABELS + 9)  # no such classes
    for net in whole:
        backward(net, PIXELS, LABELS)
    assert not ready


def test_an_error_in_a_sum_is_the_callers() -> None:
    def ready(weight: nn.Parameter) -> None:
        raise ValueError("no such weight")

    with pytest.raises(ValueError, match="no such weight"):
        Shards(nets(1)[0], 2).learn(PIXELS, LABELS, backward, ready=ready)
