"""The training loop, flat: a run is epochs, an epoch is steps, a step is six lines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn

from convatlas.classifier import Classifier
from convatlas.data import ImageSet, Preprocess, Stream
from convatlas.errors import ConfigError, ModelError, TrainingError
from convatlas.evaluate import Report, evaluate, place_classes, score
from convatlas.train.ahead import one_ahead
from convatlas.train.augmentation import Augmentation
from convatlas.train.average import average_of
from convatlas.train.config import Config
from convatlas.train.distributed import here
from convatlas.train.engine import Engine
from convatlas.train.memory import load_optimizer_state, optimizer_state
from convatlas.train.optim import make_optimizer, make_schedule, settle
from convatlas.train.optimizers import Muon
from convatlas.train.replica import Replica
from convatlas.train.shards import Shards
from convatlas.train.size import early_side
from convatlas.train.starting_point import StartingPoint
from convatlas.train.strategy import Thaw
from convatlas.train.streaming import feed_of
from convatlas.train.tally import Tally

_EXPLODED = 1e5  # nats: a right answer's probability of e^−100,000 is no accident of a batch


class Loop:
    """Everything that moves while a network trains.

    Its state (`state_dict`) between two steps is all that the steps to come depend on, beside the
    random states of the process, if it is the only one. Of several (`distributed`) each makes the
    same steps with its share of the batches, and all have the same numbers to report.

    Args:
        net: the network, on its device and in the engine's layout.
        images: the training pictures.
        preprocess: from pictures to the network's input.
        config, engine: settings, and how the numbers are held.

    Attributes:
        average: of the network over its last steps, where the settings want one: its ``module``
            is what is to be evaluated and kept.
        number: of steps made.
        tally: of the steps of the last epoch that was begun.
        stepping: whether a step is under way, and the state none to keep.
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
        self.ranks = here()
        if self.ranks.world > 1:
            self.shards: Shards = Replica(net, config.compiled)
        else:
            self.shards = Shards(net, engine.shards, config.compiled)
        self.optimizer = make_optimizer(net, config, self.shards.map)
        # a step may begin with a gradient that nothing changes before it
        kept = not config.clip and not config.l2_sp
        self.ready = self.optimizer.prepare if kept and isinstance(self.optimizer, Muon) else None
        device = self.device = next(net.parameters()).device
        self.net, self.config, self.engine = net, config, engine
        # what the feed has cut to the network's side is not resized again
        cut = config.crop != "centre"
        self.preprocess = replace(preprocess, resize=preprocess.size) if cut else preprocess
        self.feed = feed_of(images, config, device, preprocess)
        self.augment = Augmentation(config, images, device)
        self.steps_per_epoch = self.feed.steps
        self.easiest = self.feed.easiest
        steps = config.epochs * self.steps_per_epoch
        self.schedule = make_schedule(self.optimizer, config, steps)
        self.thaw = Thaw(self.shards.nets, config, steps)
        self.start = StartingPoint(net, config)
        self.average = average_of(net, config.ema) if config.ema else None
        self.number, self.tally, self.stepping = 0, Tally(), False
        self.position = self._position()  # in the data, after the last batch that was learned from
        # of the network's input: one step learns from it while the next one's is filled
        self.memory: list[Tensor | None] = [None, None]
        small = early_side(net, preprocess.channels, preprocess.size, config)
        self.early = replace(preprocess, size=small, resize=small)
        self.early_steps = round(config.early_share * steps)

    def epoch(self) -> Iterator[Tally]:
        """What is left of a pass over the pictures; yields the tally so far after each step."""
        self.thaw.train(self.number)
        made = self.number % self.steps_per_epoch
        if made == 0:
            self.tally = Tally()
            if self.easiest is not None:
                self.easiest.begin(self.number // self.steps_per_epoch)
        with closing(one_ahead(self._batches())) as batches:
            for _ in range(made, self.steps_per_epoch):
                self.stepping = True
                self.thaw.advance(self.number)
                started = time.perf_counter()
                inputs, labels, self.position = next(batches)
                self.tally.waiting += time.perf_counter() - started
                with self.shards.sharing_cores():
                    self.step(inputs, labels, self.tally)
                self.stepping = False
                yield self.tally

    def step(self, pixels: Tensor, labels: Tensor, tally: Tally) -> None:
        """Learn from one batch, as `inputs` gives it.

        Raises:
            TrainingError: the loss is not a number, or beyond all bounds; nothing was learned from
                this step.
        """
        started = time.perf_counter()
        self.ranks.seed(self.config.seed, self.number)
        learn = partial(self.engine.learn, whole=len(labels), smoothing=self.config.label_smoothing)
        learned = self.shards.learn(pixels, labels, learn, self.config.accumulate, self.ready)
        total, right = self.ranks.totals(
            sum(part.loss for part in learned), sum(part.right for part in learned)
        )
        images = self.ranks.world * len(labels)
        loss = total / images
        if not loss < _EXPLODED:
            raise TrainingError(
                f"the loss is {loss:.3g} at step {self.number + 1} with learning rate "
                f"{self.lr:.3g}: try a smaller --lr than {self.config.lr:g}"
            )
        if self.easiest is not None:
            losses = self.ranks.gathered(torch.cat([part.losses for part in learned]))
            self.easiest.see(self.number % self.steps_per_epoch, losses)
        self.start.pull()
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.net)

        tally.images += images
        tally.loss += loss * images
        tally.right += int(right)
        tally.computing += time.perf_counter() - started
        self.number += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything that moves: nested mappings of tensors and plain JSON."""
        return {
            "net": self.net.state_dict(),
            "optimizer": optimizer_state(self.net, self.optimizer),
            "schedule": self.schedule.state_dict(),
            "start": self.start.state_dict(),
            "average": self.average.state_dict() if self.average else {},
            "easiest": self.easiest.state_dict() if self.easiest else {},
            "number": self.number,
            "world": self.ranks.world,
            "tally": asdict(self.tally),
            "position": self.position,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken: the same steps from there.

        Raises:
            ModelError: it is of another network.
            ConfigError: it is of other shards of data, of another order, or from inside an epoch
                that other processes share.
        """
        inside, begun_by, now = state["number"] % self.steps_per_epoch, state["world"], self.ranks
        if inside and begun_by != now.world:
            raise ConfigError(
                f"the checkpoint is {inside} steps into an epoch that {begun_by} processes share, "
                f"and here are {now.world}: go on with {begun_by} (--procs {begun_by}) until an "
                "epoch ends"
            )
        try:
            self.net.load_state_dict(state["net"])
        except RuntimeError as error:
            reason = shorten(str(error), 300, placeholder=" …")
            raise ModelError(f"the checkpoint is of another network: {reason}") from None
        self.shards.copy_buffers()
        load_optimizer_state(self.net, self.optimizer, state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.start.load_state_dict(state["start"])
        if self.easiest is not None:
            self.easiest.load_state_dict(state["easiest"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.number, self.tally = state["number"], Tally(**state["tally"])
        self.stepping = False
        self.position = state["position"]
        self._seek()

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def sound(self) -> bool:
        """Whether all weights are numbers."""
        return all(bool(weight.isfinite().all()) for weight in self.net.parameters())

    def slow(self, factor: float) -> None:
        """From the next step on, learn at so many times the rate that the schedule says."""
        self.schedule.base_lrs = [rate * factor for rate in self.schedule.base_lrs]
        for group in self.optimizer.param_groups:
            group["lr"] *= factor

    def score(self, classifier: Classifier, images: ImageSet) -> Report:
        """How good the network is by now, as `evaluate` has it; each process looks at a part."""
        if self.ranks.world == 1:
            return evaluate(classifier, images)
        self.ranks.even(classifier.net)
        place = torch.tensor(place_classes(images.classes, classifier.classes))
        mine, pictures = self.ranks.stretch(len(images)), images.images
        if isinstance(pictures, Tensor):
            part = classifier.logits(pictures[mine])
        else:
            part = classifier.logits(pictures.subset(torch.arange(len(images))[mine]))
        return score(self.ranks.gathered(part), place[images.labels], classifier.classes)

    def inputs(self, pixels: Tensor, labels: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """What the network sees of a batch, and what its loss is made of.

        Args:
            pixels: uint8 ``(N, C, H, W)``; they become ``(N, C, size, size)``.
            labels: ``(N,)``; they may become ``(N, K)``, as `Augmentation` says.
            number: of the step that they are for, from 0.

        Returns:
            Both; the pictures lie where those of the step before the last were.
        """
        preprocess = self.early if number < self.early_steps else self.preprocess
        pixels, labels = self.augment(pixels, labels)
        pixels = preprocess.fit(pixels)
        memory = self.memory[number % 2]
        if memory is None or memory.shape != pixels.shape:
            memory = self.engine.place(torch.empty(pixels.shape, device=pixels.device))
            self.memory[number % 2] = memory
        return preprocess.normalise(pixels, out=memory), labels

    def _batches(self) -> Iterator[tuple[Tensor, Tensor, dict[str, Any]]]:
        """What is left of an epoch: `inputs`, each with the position after it."""
        self._seek()  # an epoch that was left may have prepared a batch that nobody learned from
        for number, batch in enumerate(self.feed.epoch(), start=self.number):
            yield *self.inputs(*batch, number), self._position()

    def _position(self) -> dict[str, Any]:
        return {"feed": self.feed.state_dict(), "augment": self.augment.state_dict()}

    def _seek(self) -> None:
        self.feed.load_state_dict(self.position["feed"])
        self.augment.load_state_dict(self.position["augment"])
