"""What a sweep is asked to do, and the file that says so: all that ``--resume`` needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import tomli_w

from convatlas import data as sources
from convatlas import files
from convatlas.data import Dataset
from convatlas.errors import ConfigError
from convatlas.train import settings_file
from convatlas.train.config import Config
from convatlas.train.patience import with_validation
from convatlas.train.start import Donated, Fresh, settings
from convatlas.train.sweep import space
from convatlas.weights.donor import read_donor

_FILE = "sweep.toml"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A search over settings.

    Attributes:
        net: a network of the catalogue.
        data, data_dir: as `convatlas.data.load` takes them.
        search: what is searched, as `space.parse` reads it.
        trials: how many, those that failed or were ended early included.
        config: all settings, in which those that are searched are replaced; its seed is also that
            of the trials' choice, and of what is held back for validation.
        weights, accept_licence: to begin with, as `read_donor` takes them.
        options: of the network's family.
        chosen: settings that a short trial made for all of them (number format and layout), so that
            they compare; what is searched goes before.
    """

    net: str
    data: str
    search: tuple[str, ...]
    trials: int
    config: Config
    weights: str | None = None
    accept_licence: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    data_dir: str | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ConfigError(f"trials is {self.trials}, but it must be at least 1")

    @cached_property
    def space(self) -> space.Space:
        """What is searched, by setting."""
        return space.parse(self.search)

    @cached_property
    def start(self) -> Fresh | Donated:
        """What each trial begins with."""
        if self.weights is None:
            return Fresh(self.net, self.options)
        return Donated(
            read_donor(
                self.weights, net=self.net, accept_licence=self.accept_licence, **self.options
            )
        )

    def settings(self, values: Mapping[str, Any]) -> Config:
        """The settings of a trial.

        Args:
            values: of what is searched.

        Raises:
            ConfigError: a value that cannot be.
        """
        return settings(self.config, values, self.weights, resumed=False)

    def pictures(self, config: Config) -> Dataset:
        """The data set for a trial's settings, always with the same validation pictures.

        Raises:
            ConfigError: shards without such a part.
            DataError, UnknownNameError, StorageError: as `convatlas.data.load`.
        """
        return _pictures(
            self.data,
            self.data_dir,
            self.start.side(config),
            config.crop == "resized",
            self.config.seed,
        )

    def write(self, folder: Path) -> None:
        """Write ``sweep.toml``.

        Raises:
            StorageError: it cannot be written.
        """
        said = {name: value for name, value in asdict(self).items() if value is not None}
        said |= {"config": settings_file.to_table(self.config)}
        files.write_text(folder / _FILE, tomli_w.dumps(said))


def begun(folder: Path) -> bool:
    """Whether a sweep was begun in a folder."""
    return (folder / _FILE).exists()


def read(folder: Path) -> Plan:
    """The plan of a sweep.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    path = folder / _FILE
    if not path.exists():
        raise ConfigError(f"there is no sweep to resume in {folder}, for it has no {_FILE}")
    said = settings_file.read(path)
    needed = {"net", "data", "search", "trials", "config"}
    if not needed <= said.keys() <= {one.name for one in fields(Plan)}:
        raise ConfigError(f"{path} does not describe a sweep: begin another one")
    config = settings_file.from_table(said["config"], path)
    return Plan(**said | {"config": config, "search": tuple(said["search"])})


@lru_cache(maxsize=1)
def _pictures(
    source: str, data_dir: str | None, side: int | None, full_size: bool, seed: int
) -> Dataset:
    found = sources.load(
        source,
        data_dir=None if data_dir is None else Path(data_dir),
        side=side,
        full_size=full_size,
    )
    if found.val is not None:
        return found
    return replace(with_validation(found, seed), origin=None)
