"""From a network and a data set to a run folder with a trained classifier in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from torch import nn

from convatlas import data as sources
from convatlas.classifier import Classifier
from convatlas.data import Dataset, Preprocess
from convatlas.errors import ConfigError
from convatlas.nets.parts import Net, init_xavier
from convatlas.train import record, tracking
from convatlas.train import resume as resuming
from convatlas.train.allocator import keeping_freed_memory
from convatlas.train.begin import begin, go_on
from convatlas.train.config import Config, change
from convatlas.train.display import Display
from convatlas.train.distributed import here, joined
from convatlas.train.engine import Engine
from convatlas.train.epochs import held_out, learn
from convatlas.train.folder import RunFolder
from convatlas.train.loop import Loop
from convatlas.train.onlooker import Onlooker
from convatlas.train.prepare import Prepared, prepare
from convatlas.train.randomness import seed_all
from convatlas.train.recipes import recipe as find_recipe
from convatlas.train.run import Run
from convatlas.train.session import OnNan, Session
from convatlas.train.size import loaded_side
from convatlas.train.stopping import Stopping
from convatlas.weights.adapt import Adapted


@joined()
@keeping_freed_memory()
def fit(
    net: nn.Module | Adapted,
    data: str | Dataset,
    *,
    recipe: str | Config = "fast",
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    preprocess: Preprocess | None = None,
    resume: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    on_nan: OnNan = "stop",
    track: str | None = None,
    on_epoch: Callable[[Run], object] | None = None,
    quiet: bool = False,
    **changes: Any,
) -> Run:
    """Train a network and write a run folder.

    Ctrl-C and SIGTERM end the run after the step that is under way, and keep what was learned. From
    its last checkpoint a run goes on as if it had never ended: on a processor, to the last bit.
    Memory that a step frees stays with the process until the end (`allocator`).

    Of several processes that ``torchrun`` started each calls this alike, and they train one network
    (`distributed`); the first one writes, and all return the same.

    Args:
        net: a network of the atlas, or any module from ``(N, C, size, size)`` to ``(N, K)``; or one
            that begins with pretrained weights, as `weights.adapt.start_from` makes it, whose
            preprocessing goes with it.
        data: a data set, or the name of one (`convatlas.data.load`).
        recipe: the name of a recipe, or settings of your own.
        out: the run folder; by default a new one under ``runs``.
        data_dir: where to look for the data first.
        preprocess: what pretrained weights of your own expect of a picture; by default it is
            measured on the training pictures.
        resume: the folder of a run to go on with, in place of ``out``; network, data and settings
            are those that it was begun with.
        checkpoint_seconds: between two checkpoints inside an epoch, or more where writing them
            would take more than a hundredth of the time; 0 for one after each step.
        on_nan: what to do when the loss is no number, or beyond all bounds: ``"stop"``, or go
            ``"back"`` to the last checkpoint and on at half the learning rate, three times at most.
        track: ``"tensorboard"`` for events in the run's folder of that name.
        on_epoch: called with the run after each epoch, and when a resumed one has found its last
            epoch again. If it raises KeyboardInterrupt, the run ends there as by Ctrl-C.
        quiet: print nothing.
        changes: settings in place of the recipe's (``epochs=3``, ``lr=0.05``, …).

    Raises:
        UnknownNameError, ConfigError: a setting that does not exist, or cannot be; a folder that
            holds a run already, or that another process trains in; a resumed run that is finished,
            or had another setting.
        ModelError, ShapeError: a network whose classes or channels are not the data's; a resumed
            run that was of another network, or has no checkpoint that is whole.
        DataError: a resumed run learned from other data.
        TrainingError: the loss is no longer a number, or beyond all bounds; the last good model is
            kept.
        StorageError: the model could not be written; the message says where it is instead.
    """
    started = time.perf_counter()
    tracking.check(track)
    if on_nan not in get_args(OnNan):
        raise ConfigError(f"on_nan is {on_nan!r}, but it must be one of stop, back")
    if resume is not None and out is not None:
        raise ConfigError(f"a resumed run goes on in its own folder, {resume}: leave out {out}")
    recorded = None if resume is None else resuming.read(Path(resume))
    adapted = None if isinstance(net, nn.Module) else net
    net = net if isinstance(net, nn.Module) else net.net
    if adapted is not None:
        preprocess = preprocess or adapted.preprocess
    elif recorded is not None and recorded.get("start"):
        preprocess = Preprocess.from_dict(recorded["preprocess"])
    name = (net.name if isinstance(net, Net) else "") or type(net).__name__
    config = change(find_recipe(recipe, name) if isinstance(recipe, str) else recipe, **changes)
    if adapted is not None and config.init != "own":
        raise ConfigError(
            f"init is {config.init!r}, which draws all weights anew, and {adapted.source} is what "
            "to begin with: choose init=own"
        )
    if isinstance(data, str):
        data = _loaded(data, data_dir, net, config, preprocess)
    if recorded is not None and resume is not None:
        resuming.check_classes(Path(resume), recorded, data.train.classes)
    ready = prepare(net, data, config, preprocess)

    ranks = here()
    place = _place(resume or out, name, data)
    if ranks.attempt and recorded is None:  # a process died, and all of them began anew
        recorded = ranks.agreed(resuming.begun(place))
        if recorded is not None and resuming.finished(recorded):  # as it ended
            trained = Classifier.load(place / "model.safetensors")
            return Run(place, trained, ready.config, Engine(**recorded["engine"]))
    if not ranks.first:
        folder: RunFolder = Onlooker(place)
    else:
        folder = RunFolder(place) if recorded is not None else RunFolder.begin(place)

    run, loop = _first_step(ready, recorded, place)
    description = record.describe(name, net, ready.data, run) | record.started_from(adapted)
    if recorded is not None:
        resuming.check(place, recorded, description)
    run.classifier.card = {"net": name, "data": ready.data.name, "recipe": run.config.recipe}
    run.classifier.card |= record.credit(description | (recorded or {}))
    quiet = quiet or not ranks.first
    display = Display(run.config.epochs, run.config.epochs * loop.steps_per_epoch, quiet)
    with folder.held(), display:
        display.introduce(name, ready.data, run.classifier.preprocess, run.config, run.engine)
        session = Session(run, loop, folder, display, checkpoint_seconds, started, on_nan, track)
        if recorded is None:
            begin(session, ready.data, description)
        else:
            description = go_on(session, recorded, description)
        try:
            with Stopping() as stopping:
                learn(session, ready.data, stopping, on_epoch)
        except KeyboardInterrupt:
            run.interrupted, run.signal = True, stopping.signal
            folder.keep(run.classifier)
            if not loop.stepping:
                session.save()
            display.say(
                f"stopped after {loop.number} steps; what was learned until then is kept; "
                f"train --resume {folder.path} goes on after step {session.kept}"
            )
        finally:
            session.tracking.end()
            if run.history:
                held, _ = held_out(ready.data)
                folder.draw_curves(run.history, held, f"{name} on {ready.data.name}")
    folder.rescue(run.classifier)
    folder.describe(description | {"result": run.result()})
    return run


def _loaded(
    data: str,
    data_dir: str | Path | None,
    net: nn.Module,
    config: Config,
    preprocess: Preprocess | None,
) -> Dataset:
    """A data set by name, its pictures of the side that the run wants."""
    side = loaded_side(config, net.input_size if isinstance(net, Net) else None)
    return sources.load(
        data,
        data_dir=None if data_dir is None else Path(data_dir),
        side=preprocess.resize if preprocess else side,
        full_size=config.crop == "resized",
    )


def _place(chosen: str | Path | None, name: str, data: Dataset) -> Path:
    """The run's folder: the same for all processes, and for those that come after one has died."""

    def say() -> str:
        return str(chosen or RunFolder.fresh(name, data.name).path)

    return Path(here().lasting("folder", say))


def _first_step(
    ready: Prepared, recorded: Mapping[str, Any] | None, place: Path
) -> tuple[Run, Loop]:
    """A run that has made no step yet, and what is going to make them."""
    seed_all(ready.config.seed)
    if ready.config.init == "xavier":
        ready.classifier.net.apply(init_xavier)
    engine = ready.engine() if recorded is None else Engine(**recorded["engine"])
    loop = ready.loop(engine)
    if loop.average is not None:
        ready.classifier.net = loop.average.module
    return Run(place, ready.classifier, ready.config, engine), loop
