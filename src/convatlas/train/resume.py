"""Whether a run can go on: what it was begun with, and what differs now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convatlas import data as sources
from convatlas.data import Dataset
from convatlas.errors import ConfigError, DataError, ModelError
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.train.config import Config, change

_PARTS = {"train": "training", "val": "validation", "test": "test"}


def read(run: Path) -> dict[str, Any]:
    """What ``run.json`` says of a run, as `record.describe` wrote it.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    path = run / "run.json"
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelError(
            f"there is no run to resume in {run}, for it has no run.json: begin one with --out"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}): begin another run") from None
    if not (isinstance(found, dict) and {"net", "data", "config", "engine"} <= found.keys()):
        raise ModelError(f"{path} does not describe a run: begin another one")
    return found


def begun(run: Path) -> dict[str, Any] | None:
    """As `read`, or None where no run was begun."""
    return read(run) if (run / "run.json").exists() else None


def finished(recorded: Mapping[str, Any]) -> str | None:
    """How a run ended that came to its end, in words."""
    result = recorded.get("result")
    if result is None or result["interrupted"]:
        return None
    return f"{result['epochs']} epochs, test accuracy {result['test_accuracy']:.2%}"


def config(recorded: Mapping[str, Any]) -> Config:
    """The settings that a run was begun with.

    Raises:
        UnknownNameError, ConfigError: another version wrote them.
    """
    return change(Config(), **recorded["config"])


def data(recorded: Mapping[str, Any], data_dir: Path | None = None) -> Dataset:
    """The data that a run was begun with, loaded as it was then.

    Args:
        recorded: what its ``run.json`` says.
        data_dir: where to look first, in place of where it was then.

    Raises:
        ConfigError: it did not come from a source that has a name.
        DataError, StorageError: as `convatlas.data.load`.
    """
    load = recorded["data"].get("load")
    if load is None:
        raise ConfigError("this run learned from data that were made in Python: name them (DATA)")
    looked = data_dir or (load["data_dir"] and Path(load["data_dir"]))
    return sources.load(**load | {"data_dir": looked})


def net(recorded: Mapping[str, Any], options: Mapping[str, Any]) -> Net:
    """The network that a run was begun with, its weights drawn anew.

    Args:
        recorded: what its ``run.json`` says.
        options: of the network's family, in place of its own.

    Raises:
        ModelError: it is not of the catalogue.
        UnknownNameError, ConfigError, ShapeError: as `build`.
    """
    name = recorded["net"]["name"]
    if not recorded["net"]["options"]:
        raise ModelError(
            f"this run trains a network of your own ({name}): resume it from Python, "
            "fit(net, data, resume=RUN)"
        )
    return build(name, **recorded["net"]["options"] | options)


def check_classes(run: Path, recorded: Mapping[str, Any], classes: Sequence[str]) -> None:
    """See that a run would go on with its own classes, before a network is fitted to others.

    Raises:
        DataError: it would not.
    """
    then = recorded["data"]["classes"]
    if then != list(classes):
        raise DataError(
            f"{run} learns {len(then)} classes ({_some(then)}), and here are {len(classes)} "
            f"({_some(classes)}): give its own data"
        )


def check(run: Path, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """See that a run would go on as it was begun.

    Args:
        run: its folder.
        recorded: what its ``run.json`` says.
        now: what it would say if the run began now.

    Raises:
        ConfigError: it is finished, or a setting differs.
        ModelError: another network.
        DataError: other pictures or labels.
    """
    if ended := finished(recorded):
        raise ConfigError(f"{run} is finished ({ended}): there is nothing to resume")
    now = json.loads(json.dumps(now))
    then_net, net = recorded["net"], now["net"]
    if then_net["name"] != net["name"]:
        raise ModelError(
            f"{run} trains {then_net['name']}, and this is {net['name']}: leave the network out, "
            "or begin another run"
        )
    begun = Config().to_dict() | recorded["config"]  # a setting that has come since had its default
    for kind, then, here in (
        ("", begun | {"recipe": ""}, now["config"] | {"recipe": ""}),
        ("network option ", then_net["options"], net["options"]),
    ):
        if differing := _differing(then, here):
            raise ConfigError(
                f"{run} was begun with {kind}{_said(then, differing)}, and this is "
                f"{_said(here, differing)}: leave that out, or begin another run"
            )
    _check_data(run, recorded["data"], now["data"])
    if differing := _differing(recorded["preprocess"], now["preprocess"]):
        raise DataError(
            f"the pictures of {run} were prepared with "
            f"{_said(recorded['preprocess'], differing)}, and here it would be "
            f"{_said(now['preprocess'], differing)}: begin another run"
        )


def _check_data(run: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for part, word in _PARTS.items():
        if then.get(part) != now.get(part):
            count = [f"{side[part]['n']:,}" if part in side else "none" for side in (then, now)]
            raise DataError(
                f"the {word} pictures are not those that {run} was begun with ({count[0]} then, "
                f"{count[1]} here): give its own data, unchanged, or begin another run"
            )


def drift(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """What touches the last bits and is not as it was when the run began, in a line."""
    changed = []
    touching = ("processor", "capability", "threads", "processes")
    for group, names in (("versions", None), ("machine", touching)):
        then, here = recorded[group], now[group]
        for name in names or here:
            if then.get(name) != here[name]:
                changed.append(f"{name} {then.get(name)} → {here[name]}")
    if recorded.get("device") != now["device"]:
        changed.append(f"device {recorded.get('device')} → {now['device']}")
    if not changed:
        return None
    return f"since the run began: {', '.join(changed)}; the last bits may come out otherwise"


def _differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([*then, *now])
    return [name for name in names if then.get(name) != now.get(name)]


def _said(values: Mapping[str, Any], names: Iterable[str]) -> str:
    return ", ".join(f"{name}={values.get(name)}" for name in names)


def _some(classes: Sequence[str]) -> str:
    return ", ".join(classes[:3]) + (", …" if len(classes) > 3 else "")
