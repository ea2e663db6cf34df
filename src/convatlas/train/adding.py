"""Gradients of several threads are added while some of the threads are still at work.

Threads that begin together do not end together: the cores have other work as well. Who is done
first need not wait: backward begins at the last layers, whose gradients are whole by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

from torch import Tensor, nn


@contextmanager
def adding(
    nets: Sequence[nn.Module],
    backwards: int,
    submit: Callable[..., Future[None]],
    ready: Callable[[Any], None] | None = None,
) -> Iterator[None]:
    """Inside, the gradients of each weight are added as soon as all of them are there.

    When it ends the first network has the sums. Numbers are added in the order of the networks,
    whichever came last. Where nobody waits for sums they are made at the end: to hand each of them
    to a thread takes a small network longer than to add.

    Args:
        nets: a network and its shadows, without gradients yet.
        backwards: passes through all of them together.
        submit: hands work to the threads, which do it when they are free.
        ready: called by one of them with each of the first network's weights whose gradient is
            whole; None where nobody waits.
    """
    groups = list(zip(*(net.parameters() for net in nets), strict=True))
    missing = [backwards] * len(groups)
    lock, sums = Lock(), []

    def arrived(number: int, _: Tensor) -> None:
        with lock:
            missing[number] -= 1
            whole = not missing[number]
        if whole:
            sums.append(submit(finish, *groups[number]))

    def finish(own: nn.Parameter, *others: nn.Parameter) -> None:
        _add(own, *others)
        assert ready is not None
        ready(own)

    hooks = [
        weight.register_post_accumulate_grad_hook(partial(arrived, number))
        for number, group in enumerate(groups)
        for weight in group
        if ready is not None and weight.requires_grad
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    for each in sums:
        each.result()
    for group, lacking in zip(groups, missing, strict=True):
        if lacking:  # also what not every pass had a gradient for
            _add(*group)


def _add(own: nn.Parameter, *others: nn.Parameter) -> None:
    for other in others:
        if own.grad is not None and other.grad is not None:
            own.grad += other.grad
