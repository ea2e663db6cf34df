"""``convatlas sweep NET DATA``: a search over settings, or ``--resume SWEEP``: the rest of one."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from convatlas.cli.arguments import read_options
from convatlas.cli.screen import console, print_json
from convatlas.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from convatlas.train.sweep.report import Swept

_SHOWN = 5  # of the best trials
_TRIALS = 20
_TERMINATED = 128 + signal.SIGTERM  # what a shell reports of a program that SIGTERM ended


def sweep(
    net: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NET")] = None,
    data: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None,
    /,
    search: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUES")] = (),
    trials: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    procs: Annotated[int, tyro.conf.arg(metavar="N")] = 1,
    weights: Annotated[str | None, tyro.conf.arg(metavar="ID|FILE|RUN")] = None,
    accept_licence: bool = False,
    recipe: Annotated[str | None, tyro.conf.arg(metavar="RECIPE")] = None,
    config_file: Annotated[Path | None, tyro.conf.arg(name="config", metavar="FILE")] = None,
    epochs: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    seed: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    with_: Annotated[tuple[str, ...], tyro.conf.arg(name="with", metavar="NAME=VALUE")] = (),
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),  # noqa: A002
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    resume: Annotated[Path | None, tyro.conf.arg(metavar="SWEEP")] = None,
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    json: bool = False,
) -> int | None:
    """Search for the settings with the best accuracy on validation pictures.

    Each trial is a run, given up early where the others did better. The test pictures are looked
    at once, at the end, by the best of them. Ctrl-C keeps everything, and --resume SWEEP goes on,
    also after a crash.

    Args:
        net: a network of the catalogue (convatlas nets).
        data: as for convatlas train.
        search: what is searched, any setting of the recipe: lr=0.001..0.1:log (evenly on a
            logarithmic scale), weight_decay=0..1e-3, batch_size=32,64,128; may be repeated.
        trials: how many; 20 by default. With --resume, in place of as many as were planned.
        procs: processes of this machine that make trials at the same time.
        weights: pretrained ones to begin with, as for convatlas train.
        accept_licence: of weights that may not be used commercially.
        recipe: what is not searched, as for convatlas train.
        config_file: settings in place of a recipe's.
        epochs: passes over the training pictures, in place of the recipe's.
        seed: of the trials' settings, and of each run; 0 by default.
        with_: any setting of the recipe, for all trials; may be repeated.
        set: an option of the network's family; may be repeated.
        out: the folder of the sweep; a new one under runs/ by default.
        resume: the folder of a sweep to go on with; nothing else need be given.
        data_dir: where to look for the data first.
        json: print JSON.
    """
    from convatlas.data import SOURCES
    from convatlas.train import recipe as find_recipe
    from convatlas.train import settings_file
    from convatlas.train.folder import fresh_path
    from convatlas.train.start import settings
    from convatlas.train.sweep import plan as plans
    from convatlas.train.sweep import space
    from convatlas.train.sweep.begin import begin
    from convatlas.train.sweep.conduct import conduct

    if procs < 1:
        raise ConfigError(f"procs is {procs}, but it must be at least 1")
    asked: dict[str, Any] = {"epochs": epochs, "seed": seed}
    changes = read_options(with_) | {n: value for n, value in asked.items() if value is not None}
    say = console(quiet=json).print
    if resume is not None:
        given = (net, data, search, weights, recipe, config_file, out, data_dir, changes, set)
        if accept_licence or any(given):
            raise ConfigError(
                "--resume goes on as the sweep was begun: leave out all but the sweep, --trials, "
                "--procs and --json"
            )
        folder, plan = resume, plans.read(resume)
        if trials is not None:
            plan = replace(plan, trials=trials)
            plan.write(folder)
    elif net is None or data is None:
        raise ConfigError(
            "sweep needs NET and DATA: convatlas sweep lenet_bn digits --search lr=0.01..1:log, say"
        )
    else:
        for name in space.parse(search).keys() & changes.keys():
            raise ConfigError(
                f"{name} is searched, and is {changes[name]!r}: leave one of them out"
            )
        if config_file is None:
            begun = find_recipe(recipe or ("transfer" if weights else "fast"), net)
        elif recipe is None:
            begun = settings_file.load(config_file)
        else:
            raise ConfigError(f"{config_file} has all settings: leave out --recipe {recipe}")
        plan = plans.Plan(
            net=net,
            data=data if data in SOURCES else str(Path(data).expanduser().absolute()),
            data_dir=None if data_dir is None else str(data_dir.absolute()),
            search=search,
            trials=_TRIALS if trials is None else trials,
            config=settings(begun, changes, weights, resumed=False),
            weights=str(Path(weights).absolute())
            if weights and Path(weights).exists()
            else weights,
            accept_licence=accept_licence,
            options=read_options(set),
        )
        folder = out or fresh_path(f"{net}-{Path(data).name}-sweep")
        plan = begin(plan, folder)
    pictures = plan.pictures(plan.config)
    val = 0 if pictures.val is None else len(pictures.val)
    say(
        f"{plan.net} on {pictures.name}: {plan.trials} trials in {folder}, compared by {val:,} "
        "validation pictures"
    )
    for note in pictures.notes:
        say(f"  {note}")
    swept = conduct(plan, folder, procs, None if json else say)
    if json:
        print_json(swept.to_dict())
    else:
        _print(swept)
    return _TERMINATED if swept.signal == signal.SIGTERM else None


def _print(swept: Swept) -> None:
    from convatlas.train.sweep.report import settings

    say = console().print
    best = swept.best
    if best is not None:
        say(_table(swept))
    if not swept.complete:
        ended = sum(one.state != "unfinished" for one in swept.tried)
        say(
            f"stopped after {ended} of {swept.plan.trials} trials: convatlas sweep --resume "
            f"{swept.folder} goes on"
        )
    if best is not None:
        test = "" if swept.test_accuracy is None else f", test accuracy {swept.test_accuracy:.2%}"
        say(
            f"best: trial {best.number}, {settings(best.settings)}: val accuracy "
            f"{best.accuracy:.2%}{test}"
        )
    say(f"kept in {swept.folder}: sweep.json, sweep.png, sweep.db, and a run for each trial")
    if best is not None:
        say(f"train it again on all training pictures: {swept.command}")


def _table(swept: Swept) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from convatlas.train.sweep.report import ranked, value

    table = Table("trial", "val accuracy", *swept.plan.space, box=SIMPLE_HEAD)
    for one in ranked(swept.tried)[:_SHOWN]:
        values = (value(one.settings[name]) for name in swept.plan.space)
        table.add_row(str(one.number), f"{one.accuracy:.2%}", *values)
    return table
