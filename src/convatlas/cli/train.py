"""``convatlas train NET DATA``: a run, or ``convatlas train --resume RUN``: the rest of one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from convatlas.cli.arguments import read_options
from convatlas.errors import ConfigError

if TYPE_CHECKING:
    from convatlas.train import Run

_TERMINATED = 128 + signal.SIGTERM  # what a shell reports of a program that SIGTERM ended


def train(
    net: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NET")] = None,
    data: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None,
    /,
    weights: Annotated[str | None, tyro.conf.arg(metavar="ID|FILE|RUN")] = None,
    accept_licence: bool = False,
    recipe: Annotated[str | None, tyro.conf.arg(metavar="RECIPE")] = None,
    config_file: Annotated[Path | None, tyro.conf.arg(name="config", metavar="FILE")] = None,
    strategy: Annotated[str | None, tyro.conf.arg(metavar="STRATEGY")] = None,
    epochs: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    batch_size: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    lr: Annotated[float | None, tyro.conf.arg(metavar="RATE")] = None,
    size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS")] = None,
    seed: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    with_: Annotated[tuple[str, ...], tyro.conf.arg(name="with", metavar="NAME=VALUE")] = (),
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),  # noqa: A002
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    resume: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None,
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    strict: bool = False,
    no_cache: bool = False,
    folds: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    show_augment: bool = False,
    find_lr: bool = False,
    show_config: bool = False,
    on_nan: Literal["stop", "back"] = "stop",
    track: Annotated[str | None, tyro.conf.arg(metavar="tensorboard")] = None,
    procs: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    max_restarts: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
) -> int | None:
    """Train a network on a data set and write a run folder; Ctrl-C keeps what was learned.

    Ctrl-C and SIGTERM end it after the step that is under way (a second one at once), with exit
    codes 0 and 143; --resume RUN goes on from there, or from the last checkpoint of a run that
    died, to the very result that it would have had.

    Args:
        net: a network of the catalogue (convatlas nets).
        data: fashion-mnist, mnist, cifar10, cifar100, digits, shapes; a folder with a folder of
            pictures for each class; a .csv of paths and labels; a .npz; a folder of IDX files; or
            shards.
        weights: pretrained ones to begin with: an id of convatlas weights, a file of weights, or
            the folder of a run.
        accept_licence: of weights that may not be used commercially.
        recipe: fast (minutes on a CPU; by default), sprint (a minute, for small networks), transfer
            (by default with --weights), course (the course's own plain loop), d2l (of its
            notebooks), paper (of the network's own paper), torchvision-v1 or torchvision-v2 (of
            its published weights).
        config_file: settings in place of a recipe's, as --show-config prints them; what the file
            leaves out is as by default.
        strategy: what trains, with --weights: head (the last layer, in seconds), finetune (all,
            slowly), gradual (stage by stage), or as the number of pictures has it.
        epochs: passes over the training pictures, in place of the recipe's.
        batch_size: pictures a step, in place of the recipe's.
        lr: learning rate, in place of the recipe's.
        size: side in pixels of the network's input, in place of the recipe's.
        seed: of weights, order and augmentation; 0 by default.
        with_: any setting of the recipe, crop=random, resize=256, mixup=0.2 or balance=weights
            say; may be repeated.
        set: an option of the network's family, norm=group say; may be repeated.
        out: the run folder; a new one under runs/ by default.
        resume: the folder of a run to go on with, as it was begun; nothing else need be given, and
            what is given must be what it was begun with.
        data_dir: where to look for the data first.
        strict: stop where pictures cannot be read, instead of leaving them out.
        no_cache: decode pictures each time, instead of once into the cache.
        folds: train so many networks, each without one part of the training pictures, and say what
            they come to on it and on the test pictures, mean ± sd.
        show_augment: draw what training would see of a few pictures into augment.png (in the run
            folder, if --out names one), and stop.
        find_lr: try learning rates on a copy, suggest one, draw the loss over them into
            lr_finder.png (in plots/ of the run folder, if --out names one), and stop.
        show_config: print all settings as TOML, settled for this network and these data, and stop;
            what a trial would choose is "auto".
        on_nan: when the loss is no number, or beyond all bounds: stop, or go back to the last
            checkpoint and on at half the learning rate, three times at most.
        track: by TensorBoard, whose events are in the run folder.
        procs: processes of this machine that train together, each with its share of every batch;
            on GPUs, one on each. For more machines there is torchrun (docs/scaling.md).
        max_restarts: how often they begin anew, from the last checkpoint, after one has died.
    """
    from convatlas import data as sources
    from convatlas.cli.screen import console
    from convatlas.train import fit, launch, settings_file
    from convatlas.train import recipe as find_recipe
    from convatlas.train import resume as resuming
    from convatlas.train.finder import find_rate
    from convatlas.train.folder import fresh_path
    from convatlas.train.folds import cross_validate
    from convatlas.train.prepare import prepare
    from convatlas.train.preview import preview
    from convatlas.train.start import Donated, Fresh, Resumed, settings
    from convatlas.weights.adapt import Adapted
    from convatlas.weights.donor import read_donor

    if procs is not None or launch.is_one_of_several():
        _one_process_only(
            folds=folds, find_lr=find_lr, show_augment=show_augment, show_config=show_config
        )
    if launch.wanted(procs, max_restarts):
        return launch.launch(sys.argv[1:], procs or 1, max_restarts or 0)
    say = console(quiet=not launch.is_first()).print
    asked: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "size": size}
    asked |= {"seed": seed, "strategy": strategy}
    changes = read_options(with_) | {n: value for n, value in asked.items() if value is not None}
    recorded: dict[str, Any] = {}
    if resume is not None:
        if weights or folds or find_lr or config_file:
            raise ConfigError("--resume goes on as the run was begun: leave out all but the run")
        recorded = resuming.read(resume)
        if ended := resuming.finished(recorded):
            say(f"{resume} is finished: {ended}")
            return None
    elif net is None or data is None:
        raise ConfigError("train needs NET and DATA: convatlas train lenet_bn digits, say")
    if config_file is not None:
        if recipe is not None:
            raise ConfigError(f"{config_file} has all settings: leave out --recipe {recipe}")
        begun = settings_file.load(config_file)
    elif recipe is None and resume is not None:
        begun = resuming.config(recorded)
    else:
        usual = "transfer" if weights else "fast"
        begun = find_recipe(recipe or usual, net or recorded["net"]["name"])
    config = settings(begun, changes, weights, resume is not None)
    options = read_options(set)
    start: Fresh | Donated | Resumed
    if weights is not None:
        start = Donated(read_donor(weights, net=net, accept_licence=accept_licence, **options))
    elif net is None or (recorded and net == recorded["net"]["name"]):
        start = Resumed(recorded, options)
    else:
        start = Fresh(net, options)
    if data is None:
        pictures = resuming.data(recorded, data_dir)
    else:
        pictures = sources.load(
            data,
            data_dir=data_dir,
            side=start.side(config),
            cache=not no_cache,
            full_size=config.crop == "resized",
            strict=strict,
        )
    built = start.make(pictures, config)
    network, prepared = (
        (built.net, built.preprocess) if isinstance(built, Adapted) else (built, None)
    )
    if show_config:
        print(settings_file.dumps(prepare(network, pictures, config, prepared).config), end="")
        return None
    if isinstance(built, Adapted):
        for line in (str(built), *built.notes):
            say(line)
    if show_augment:
        target = (out or Path()) / "augment.png"
        say(f"drawn in {preview(network, pictures, config, target, prepared)}")
        return None
    if find_lr:
        sweep = find_rate(prepare(network, pictures, config, prepared))
        drawn = sweep.draw((out / "plots" if out else Path()) / "lr_finder.png")
        say(f"{sweep}; drawn in {drawn}")
        return None
    if folds is not None:
        place = out or fresh_path(f"{net}-{Path(pictures.name).name}-folds")
        scores = cross_validate(
            pictures,
            folds,
            config.seed,
            place,
            lambda part, folder: fit(
                start.make(part, config), part, recipe=config, out=folder, on_nan=on_nan
            ),
        )
        say(f"{scores}; kept in {place}: folds.json, and a run for each")
        return None
    run = fit(built, pictures, recipe=config, out=out, resume=resume, on_nan=on_nan, track=track)
    for line in _told(run):
        say(line)
    return _TERMINATED if run.signal == signal.SIGTERM else None


def _one_process_only(**asked_for: object) -> None:
    """What one process does by itself, several have not been asked for."""
    for option, asked in asked_for.items():
        if asked:
            flag = "--" + option.replace("_", "-")
            raise ConfigError(f"{flag} is the work of one process: leave the others (--procs) out")


def _told(run: Run) -> Iterator[str]:
    """How a run went, and where it lies."""
    if run.report is not None:
        row = run.history[-1]
        yield (
            f"test accuracy {run.report.top1:.2%} after {row['seconds']:.1f} s of training at "
            f"{row['images_per_second']:,.0f} images/s, {row['waiting']:.1%} of it waiting for "
            f"data; {run.engine}"
        )
    yield f"kept in {run.folder}: model.safetensors, metrics.jsonl, run.json, plots/curves.png"
