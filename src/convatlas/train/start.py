"""What a run begins with: a new network, or pretrained weights adapted to the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from convatlas.data import Dataset, Preprocess
from convatlas.errors import ConfigError
from convatlas.nets.catalog import find
from convatlas.nets.parts import Net
from convatlas.train import resume
from convatlas.train.config import Config, change
from convatlas.train.size import build_for, loaded_side
from convatlas.weights.adapt import Adapted, adapt
from convatlas.weights.donor import Donor

_MEASURED = 1000  # pictures, for channels that the weights do not know


def settings(
    config: Config, asked: Mapping[str, Any], weights: str | None, resumed: bool
) -> Config:
    """A recipe's settings with those that were asked for, as they go with pretrained weights.

    Args:
        config: the recipe's.
        asked: in their place.
        weights: where there are any, the size of the data decides what trains, unless the recipe or
            the person does.
        resumed: the weights are in the run's checkpoint.

    Raises:
        UnknownNameError, ConfigError: as `change`; or a strategy that does not go with the weights.
    """
    config = change(config, **asked)
    if weights is None:
        if config.strategy != "scratch" and not resumed:
            raise ConfigError(
                f"strategy is {config.strategy!r}, which builds on what a network knows: give it "
                "--weights ID (convatlas weights lists them), or choose scratch"
            )
        return config
    if asked.get("strategy") == "scratch":
        raise ConfigError(
            f"strategy is 'scratch', which begins with nothing: leave out --weights {weights}, or "
            "choose another"
        )
    return replace(config, strategy="auto") if config.strategy == "scratch" else config


@dataclass(frozen=True)
class Fresh:
    """A network with new weights.

    Attributes:
        name: in the catalogue.
        options: of its family.
    """

    name: str
    options: Mapping[str, Any]

    def side(self, config: Config) -> int | None:
        """What the short side of the pictures is loaded at."""
        return loaded_side(config, find(self.name).input_size)

    def make(self, data: Dataset, config: Config) -> Net:
        """The network for a data set, the same one each time."""
        torch.manual_seed(config.seed)
        return build_for(self.name, data, config, **self.options)


@dataclass(frozen=True)
class Donated:
    """A network with somebody's weights."""

    donor: Donor

    def side(self, config: Config) -> int | None:
        """What the short side of the pictures is loaded at."""
        known = self.donor.classifier.preprocess
        size = config.size if isinstance(config.size, int) else known.size
        return config.resize or round(known.resize * size / known.size)

    def make(self, data: Dataset, config: Config) -> Adapted:
        """The network for a data set, the same one each time."""
        torch.manual_seed(config.seed)
        channels, known = data.train.shape[0], self.donor.classifier.preprocess
        pixels, _ = data.train.sample(_MEASURED)
        adapted = adapt(
            self.donor.classifier,
            classes=data.train.classes,
            in_channels=channels,
            input_size=config.size if isinstance(config.size, int) else None,
            measured=Preprocess.measure(pixels, 1) if channels > known.channels else None,
        )
        notes = self.donor.notes + adapted.notes
        return replace(adapted, source=self.donor.source, report=self.donor.report, notes=notes)


@dataclass(frozen=True)
class Resumed:
    """A network whose weights come from a run's checkpoint.

    Attributes:
        recorded: the run's description.
        options: of the network's family, in place of its own.
    """

    recorded: Mapping[str, Any]
    options: Mapping[str, Any]

    def side(self, config: Config) -> int | None:
        """What the short side of the pictures is loaded at."""
        if self.recorded.get("start"):
            return int(self.recorded["preprocess"]["resize"])
        return Fresh(self.recorded["net"]["name"], {}).side(config)

    def make(self, data: Dataset, config: Config) -> Net:
        """The network that the run was begun with."""
        return resume.net(self.recorded, self.options)
