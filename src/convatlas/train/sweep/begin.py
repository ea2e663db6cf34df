"""What is seen to before a sweep's first trial, so that it does not fail in its tenth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from convatlas import files
from convatlas.errors import ConfigError
from convatlas.train.prepare import prepare
from convatlas.train.sweep import space
from convatlas.train.sweep.plan import Plan, begun
from convatlas.weights.adapt import Adapted


def begin(plan: Plan, folder: Path) -> Plan:
    """Try what can be tried without training, choose the number format, and write the plan down.

    Args:
        plan: as it was asked for.
        folder: of the sweep; it need not be there.

    Returns:
        The plan, with what was ``chosen``.

    Raises:
        ConfigError: the folder holds a sweep already; a value that cannot be; shards without a
            validation part.
        UnknownNameError, DataError, ModelError, ShapeError: as `fit` would say.
        StorageError: the folder cannot be written.
    """
    if begun(folder):
        raise ConfigError(
            f"{folder} already holds a sweep: go on with it (--resume {folder}), or choose another "
            "folder"
        )
    space.check(plan.space, plan.settings)
    data = plan.pictures(plan.config)
    built = plan.start.make(data, plan.config)
    net, preprocess = (built.net, built.preprocess) if isinstance(built, Adapted) else (built, None)
    engine = prepare(net, data, plan.config, preprocess).engine()
    plan = replace(plan, chosen={"precision": engine.precision, "layout": engine.layout})
    with files.storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    plan.write(folder)
    return plan
