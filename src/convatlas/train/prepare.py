"""All that is decided and checked before a network's first step."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import torch
from torch import nn

from convatlas.classifier import Classifier
from convatlas.data import Dataset, Preprocess
from convatlas.errors import ConfigError
from convatlas.evaluate import place_classes
from convatlas.train.compiling import check_compiler
from convatlas.train.config import Config
from convatlas.train.distributed import here
from convatlas.train.engine import Engine
from convatlas.train.features import HEAD_ENGINE, cacheable, make_loop
from convatlas.train.loop import Loop
from convatlas.train.optim import best_device, settle
from convatlas.train.patience import with_validation
from convatlas.train.size import measured, resized_side
from convatlas.train.strategy import settled
from convatlas.train.streaming import feed_of
from convatlas.train.trial import choose


@dataclass(frozen=True)
class Prepared:
    """A run that can begin.

    Attributes:
        classifier: the network, on its device, with preprocessing and classes.
        data: with a validation part, where the settings need one.
        config: with everything that was open settled.
    """

    classifier: Classifier
    data: Dataset
    config: Config

    def engine(self) -> Engine:
        """How its numbers are to be held, by a trial where there is something to try."""
        net, images = self.classifier.net, self.data.train
        if cacheable(net, images, self.config):
            return HEAD_ENGINE
        share = here().share(self.config.batch_size)
        pixels, labels = (part.to(best_device()) for part in images.sample(share))
        chosen = choose(net, self.classifier.preprocess(pixels), labels, self.config)
        return Engine(**here().agreed(asdict(chosen)))

    def loop(self, engine: Engine) -> Loop:
        """Its loop."""
        if self.config.sync_norm:  # not before the trial, whose steps each process counts by itself
            nn.SyncBatchNorm.convert_sync_batchnorm(self.classifier.net)  # type: ignore[no-untyped-call]
        net, preprocess = engine.place(self.classifier.net), self.classifier.preprocess
        return make_loop(net, self.data.train, preprocess, self.config, engine)


def prepare(
    net: nn.Module, data: Dataset, config: Config, preprocess: Preprocess | None = None
) -> Prepared:
    """Settle what is open, and refuse here, not after an epoch, what does not fit.

    Args:
        net: what is to be trained; it moves to the best device.
        data, config: on what, and how.
        preprocess: of pretrained weights; measured on the training pictures where None.

    Raises:
        ConfigError, ModelError, ShapeError, DataError: as `fit` says.
    """
    here().share(config.batch_size)
    if config.patience is not None:
        data = with_validation(data, config.seed)
    config = settle(net, settled(net, config, data.train))
    if preprocess is None:
        preprocess = measured(net, data, config)
    elif config.resize or config.crop in ("random", "ten"):
        resize = resized_side(preprocess.size, preprocess.resize, config)
        preprocess = replace(preprocess, resize=resize)
    if config.steps is not None:
        feed = feed_of(data.train, config, torch.device("cpu"), preprocess)
        config = replace(config, epochs=max(1, round(config.steps / feed.steps)))
    device = best_device()
    if config.sync_norm and device.type == "cpu":
        raise ConfigError(
            "sync_norm is True, but it is for processes on GPUs, and here is none: leave it out"
        )
    if config.compiled:
        check_compiler(device)
    classifier = Classifier(net.to(device), preprocess, data.train.classes)
    pixels, _ = data.train.sample(config.batch_size)
    classifier.logits(pixels[:2])
    place_classes(data.test.classes, data.train.classes)
    return Prepared(classifier, data, config)
