"""d2l's plain training loop: what a reader of the book runs today.

Zhang, Lipton, Li and Smola, "Dive into Deep Learning", sections 4.2 (loading Fashion-MNIST) and
7.6 (``train_ch6``). Written anew from what those sections do: each picture goes through PIL on
its own, worker processes collect batches, and the network, which is the benchmark's to choose,
runs in float32 in the default memory layout under plain SGD. torchvision's ``Resize`` and
``ToTensor`` are spelt out, step for step, so that the peer needs no torchvision.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Pictures(Dataset[tuple[Tensor, int]]):
    """Grey pictures, transformed one by one each time they are asked for.

    Args:
        images: uint8 ``(N, 1, H, W)``.
        labels: int64 ``(N,)``.
        size: side to resize to.
    """

    def __init__(self, images: Tensor, labels: Tensor, size: int) -> None:
        self.images, self.labels, self.size = images[:, 0], labels, size

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[index].numpy())
        if picture.size != (self.size, self.size):
            picture = picture.resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(picture))[:, :, None]
        return pixels.permute(2, 0, 1).contiguous().float().div(255), int(self.labels[index])


def train(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    size: int,
    batch: int,
    lr: float,
    batches: int,
    workers: int = 4,
) -> float:
    """Train as the book does, and measure the pace.

    The clock starts once the loader's queue is as full or as empty as it stays: after as many
    batches as the queue holds or three seconds, whichever is sooner. Waiting for data counts.

    Args:
        net: any classifier of pictures ``(N, 1, size, size)``; initialised by Xavier's rule here.
        images, labels: uint8 ``(N, 1, H, W)`` and int64 ``(N,)``.
        size, batch, lr: side that pictures are resized to, pictures a step, learning rate.
        batches: steps that are timed.
        workers: processes that load; the book takes four on any machine.

    Returns:
        Images a second.

    Raises:
        ValueError: the loss is not a number, so what was measured is no training.
    """
    net.apply(init_xavier)
    net.train()
    optimiser = torch.optim.SGD(net.parameters(), lr=lr)
    loader = DataLoader(Pictures(images, labels, size), batch, shuffle=True, num_workers=workers)
    stream = forever(loader)

    started, warm = time.perf_counter(), 0
    while warm == 0 or (warm < 2 * workers and time.perf_counter() - started < 3):
        step(net, optimiser, *next(stream))
        warm += 1

    loss_sum = correct = seen = 0.0
    started = time.perf_counter()
    for _ in range(batches):
        x, y = next(stream)
        loss, logits = step(net, optimiser, x, y)
        with torch.no_grad():  # the book keeps its running figures at every step
            loss_sum += float(loss * len(x))
            correct += float((logits.argmax(dim=1).type(y.dtype) == y).type(y.dtype).sum())
            seen += len(x)
        mean_loss, accuracy = loss_sum / seen, correct / seen
    seconds = time.perf_counter() - started
    if not math.isfinite(mean_loss):
        raise ValueError(
            f"at lr {lr} the loss is {mean_loss} and the accuracy {accuracy:.3f}: lower the rate"
        )
    return seen / seconds


def step(
    net: nn.Module, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor]:
    """One update; the loss and the logits ``(N, num_classes)`` before it."""
    optimiser.zero_grad()
    logits = net(x)
    loss = F.cross_entropy(logits, y)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss, logits


def forever(loader: DataLoader[Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """Epoch after epoch, with fresh worker processes for each, as the book has them."""
    while True:
        yield from loader


def init_xavier(module: nn.Module) -> None:
    """The book's initialisation, of convolutions and dense layers; biases keep PyTorch's."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
