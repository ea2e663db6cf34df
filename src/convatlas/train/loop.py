"""The training loop, flat: a run is epochs, an epoch is steps, a step is six lines."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from convatlas.data import ImageSet, Preprocess, Stream
from convatlas.errors import TrainingError
from convatlas.train.augmentation import Augmentation
from convatlas.train.config import Config
from convatlas.train.engine import Engine
from convatlas.train.optim import make_optimizer, make_schedule, settle
from convatlas.train.shards import Shards
from convatlas.train.size import early_side
from convatlas.train.streaming import feed_of


@dataclass
class Tally:
    """Sums over the steps of an epoch: pictures, loss, right answers, and where the time went."""

    images: int = 0
    loss: float = 0.0
    right: int = 0
    waiting: float = 0.0
    computing: float = 0.0

    def row(self) -> dict[str, float]:
        """Means a picture, pictures a second, and the share of time spent waiting for data."""
        seconds = self.waiting + self.computing
        return {
            "train_loss": self.loss / self.images,
            "train_accuracy": self.right / self.images,
            "images_per_second": self.images / seconds,
            "waiting": self.waiting / seconds,
        }


class Loop:
    """Everything that moves while a network trains.

    Args:
        net: the network, on its device and in the engine's layout.
        images: the training pictures.
        preprocess: from pictures to the network's input.
        config, engine: settings, and how the numbers are held.
    """

    def __init__(
        self,
        net: nn.Module,
        images: ImageSet | Stream,
        preprocess: Preprocess,
        config: Config,
        engine: Engine,
    ) -> None:
        config = settle(net, config)
        self.optimizer = make_optimizer(net, config)
        self.shards = Shards(net, engine.shards)
        device = next(net.parameters()).device
        self.net, self.config, self.engine = net, config, engine
        # what the feed has cut to the network's side is not resized again
        cut = config.crop != "centre"
        self.preprocess = replace(preprocess, resize=preprocess.size) if cut else preprocess
        self.feed = feed_of(images, config, device, preprocess)
        self.augment = Augmentation(config, images, device)
        self.steps_per_epoch = self.feed.steps
        self.schedule = make_schedule(self.optimizer, config, config.epochs * self.steps_per_epoch)
        self.number = 0  # of steps made
        self.memory: Tensor | None = None  # of the network's input, the same for all steps
        small = early_side(net, preprocess.channels, preprocess.size, config)
        self.early = replace(preprocess, size=small, resize=small)
        self.early_steps = round(config.early_share * config.epochs * self.steps_per_epoch)

    def epoch(self) -> Iterator[Tally]:
        """One pass over the pictures in a new order; yields the tally so far after each step."""
        self.shards.train()
        tally, batches = Tally(), self.feed.epoch()
        for _ in range(self.steps_per_epoch):
            with self.shards.sharing_cores():
                started = time.perf_counter()
                inputs, labels = self.inputs(*next(batches))
                tally.waiting += time.perf_counter() - started
                self.step(inputs, labels, tally)
            yield tally

    def step(self, pixels: Tensor, labels: Tensor, tally: Tally) -> None:
        """Learn from one batch, as `inputs` gives it.

        Raises:
            TrainingError: the loss is not a number; nothing was learned from this step.
        """
        started = time.perf_counter()
        learn = partial(self.engine.learn, whole=len(labels), smoothing=self.config.label_smoothing)
        learned = self.shards.learn(pixels, labels, learn)
        loss = sum(part.loss for part in learned) / len(labels)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at step {self.number + 1} with learning rate "
                f"{self.lr:.3g}: try a smaller --lr than {self.config.lr:g}"
            )
        self.optimizer.step()
        self.schedule.step()

        tally.images += len(labels)
        tally.loss += loss * len(labels)
        tally.right += sum(part.right for part in learned)
        tally.computing += time.perf_counter() - started
        self.number += 1

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.schedule.get_last_lr()[0])

    def inputs(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """What the network sees of a batch, and what its loss is made of.

        Args:
            pixels: uint8 ``(N, C, H, W)``; they become ``(N, C, size, size)``.
            labels: ``(N,)``; they may become ``(N, K)``, as `Augmentation` says.

        Returns:
            Both; the pictures lie where those of the step before were.
        """
        preprocess = self.early if self.number < self.early_steps else self.preprocess
        pixels, labels = self.augment(pixels, labels)
        pixels = preprocess.fit(pixels)
        if self.memory is None or self.memory.shape != pixels.shape:
            self.memory = self.engine.place(torch.empty(pixels.shape, device=pixels.device))
        return preprocess.normalise(pixels, out=self.memory), labels
