"""The learning rate at which a network learns fastest, found in one short run.

Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3: the rate grows
from step to step, and the loss shows where it begins to help and where it is too much.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import pstdev

import torch
from torch.optim.lr_scheduler import LambdaLR

from convatlas import files, plots
from convatlas.errors import TrainingError
from convatlas.train.loop import Loop
from convatlas.train.prepare import Prepared

LOW, HIGH, STEPS = 1e-6, 10.0, 100
_SMOOTH = 0.8  # share of the mean so far in the smoothed loss
_STILL = 20  # steps before the rate, below 3e-5, does anything
_EXPLODED = 4  # times the lowest loss
_BELOW = 10  # the suggestion is so many times smaller than the rate of the lowest loss


@dataclass(frozen=True)
class Sweep:
    """What a sweep saw.

    Attributes:
        rates: learning rate of each step made.
        losses: its loss in nats, as a mean that forgets: a single batch says little.
        exploded: whether the loss was far above its lowest at the end, so that the sweep stopped.
    """

    rates: list[float]
    losses: list[float]
    exploded: bool

    @property
    def lowest(self) -> float:
        """The largest rate at which the loss was as low as it gets: any larger one makes it worse.

        As low is what lies within two standard deviations of the first losses, before the rate
        does anything: of weights that are good already, the lowest loss of all is a lucky batch's.
        """
        noise = pstdev(self.losses[:_STILL])
        low = min(self.losses) + 2 * noise
        return max(r for r, loss in zip(self.rates, self.losses, strict=True) if loss <= low)

    @property
    def suggestion(self) -> float:
        """A tenth of `lowest`, to one digit.

        There the loss still falls steeply, and there is room for the curvature to grow while a
        network trains. The steepest place itself jumps from seed to seed with the noise of the
        batches.
        """
        return float(f"{self.lowest / _BELOW:.0e}")

    def __str__(self) -> str:
        return (
            f"learning rate {self.suggestion:g}: a tenth of {self.lowest:.2g}, beyond which the "
            f"loss {'explodes' if self.exploded else 'falls no further'}"
        )

    def draw(self, target: Path) -> Path:
        """Draw the loss over the rate.

        Raises:
            StorageError: the PNG cannot be written.
        """
        with files.replacing(target) as png:
            plots.learning_rates(png, self.rates, self.losses, self.suggestion)
        return target


def find_rate(ready: Prepared) -> Sweep:
    """Train a copy for a hundred steps while the rate grows from 1e-6 to 10, a factor a step.

    It ends early where the loss is no number, or four times its lowest. The network and the
    random state stay as they were.

    Args:
        ready: the run that the rate is for; all of its settings hold but the learning rate's.

    Raises:
        TrainingError: the loss is no number at the lowest rate already.
    """
    growth = (HIGH / LOW) ** (1 / (STEPS - 1))
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    with torch.random.fork_rng():
        torch.manual_seed(ready.config.seed)
        net = copy.deepcopy(ready.classifier.net)
        config = replace(ready.config, lr=LOW, schedule="constant")
        tried = replace(ready, classifier=replace(ready.classifier, net=net), config=config)
        loop = tried.loop(tried.engine())
        loop.schedule = LambdaLR(loop.optimizer, lambda step: growth**step)
        try:
            for made, (rate, loss) in enumerate(islice(_steps(loop), STEPS), 1):
                mean = _SMOOTH * mean + (1 - _SMOOTH) * loss
                rates.append(rate)
                losses.append(mean / (1 - _SMOOTH**made))
                if losses[-1] > _EXPLODED * min(losses):
                    return Sweep(rates, losses, exploded=True)
        except TrainingError:
            if not losses:
                raise
            return Sweep(rates, losses, exploded=True)
    return Sweep(rates, losses, exploded=False)


def _steps(loop: Loop) -> Iterator[tuple[float, float]]:
    """Learning rate and loss of step after step, epoch after epoch."""
    while True:
        rate, images, total = loop.lr, 0, 0.0
        for tally in loop.epoch():
            yield rate, (tally.loss - total) / (tally.images - images)
            rate, images, total = loop.lr, tally.images, tally.loss
