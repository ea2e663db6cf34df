"""From a network and a data set to a run folder with a trained classifier in it."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, get_args

from torch import nn

from convatlas import data as sources
from convatlas.classifier import Classifier
from convatlas.data import Dataset, ImageSet, Preprocess
from convatlas.errors import ConfigError, TrainingError
from convatlas.nets.parts import Net, init_xavier
from convatlas.train import record, tracking
from convatlas.train import resume as resuming
from convatlas.train.config import Config, change
from convatlas.train.display import Display
from convatlas.train.distributed import here, joined
from convatlas.train.engine import Engine
from convatlas.train.folder import RunFolder
from convatlas.train.onlooker import Onlooker
from convatlas.train.patience import best_epoch
from convatlas.train.prepare import prepare
from convatlas.train.randomness import seed_all
from convatlas.train.recipes import recipe as find_recipe
from convatlas.train.run import Run
from convatlas.train.session import OnNan, Session
from convatlas.train.size import loaded_side
from convatlas.train.stopping import Stopping
from convatlas.weights.adapt import Adapted

_LOG_EVERY = 50  # steps between the rows of metrics.jsonl inside an epoch


@joined()
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
    quiet: bool = False,
    **changes: Any,
) -> Run:
    """Train a network and write a run folder.

    Ctrl-C and SIGTERM end the run after the step that is under way, and keep what was learned. From
    its last checkpoint a run goes on as if it had never ended: on a processor, to the last bit.

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
        quiet: print nothing.
        changes: settings in place of the recipe's (``epochs=3``, ``lr=0.05``, …).

    Raises:
        UnknownNameError, ConfigError: a setting that does not exist, or cannot be; a folder that
            holds a run already; a resumed run that is finished, or had another setting.
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
    start = None if isinstance(net, nn.Module) else net
    net = net if isinstance(net, nn.Module) else net.net
    if start is not None:
        preprocess = preprocess or start.preprocess
    elif recorded is not None and recorded.get("start"):
        preprocess = Preprocess.from_dict(recorded["preprocess"])
    name = (net.name if isinstance(net, Net) else "") or type(net).__name__
    config = find_recipe(recipe, name) if isinstance(recipe, str) else recipe
    config = change(config, **changes)
    if start is not None and config.init != "own":
        raise ConfigError(
            f"init is {config.init!r}, which draws all weights anew, and {start.source} is what to "
            "begin with: choose init=own"
        )
    if isinstance(data, str):
        wanted = loaded_side(config, net.input_size if isinstance(net, Net) else None)
        wanted = preprocess.resize if preprocess else wanted
        where = None if data_dir is None else Path(data_dir)
        full_size = config.crop == "resized"
        data = sources.load(data, data_dir=where, side=wanted, full_size=full_size)
    if recorded is not None and resume is not None:
        resuming.check_classes(Path(resume), recorded, data.train.classes)
    ready = prepare(net, data, config, preprocess)
    data, config, classifier = ready.data, ready.config, ready.classifier
    ranks = here()
    chosen = resume or out
    place = Path(
        ranks.lasting("folder", lambda: str(chosen or RunFolder.fresh(name, data.name).path))
    )
    if ranks.attempt and recorded is None:  # a process died, and all of them began anew
        recorded = ranks.agreed(resuming.begun(place))
        if recorded is not None and resuming.finished(recorded):  # as it ended
            trained = Classifier.load(place / "model.safetensors")
            return Run(place, trained, config, Engine(**recorded["engine"]))
    if not ranks.first:
        folder: RunFolder = Onlooker(place)
    else:
        folder = RunFolder(place) if recorded is not None else RunFolder.begin(place)

    seed_all(config.seed)
    if config.init == "xavier":
        net.apply(init_xavier)
    engine = ready.engine() if recorded is None else Engine(**recorded["engine"])
    loop = ready.loop(engine)
    if loop.average is not None:
        classifier.net = loop.average.module
    description = record.describe(name, net, data, classifier.preprocess, config, engine)
    description |= record.started_from(start)
    if recorded is not None:
        resuming.check(folder.path, recorded, description)

    run = Run(folder.path, classifier, config, engine)
    classifier.card = {"net": name, "data": data.name, "recipe": config.recipe}
    classifier.card |= record.credit(description | (recorded or {}))
    quiet = quiet or not ranks.first
    with Display(config.epochs, config.epochs * loop.steps_per_epoch, quiet) as display:
        display.introduce(name, data, classifier.preprocess, config, engine)
        session = Session(run, loop, folder, display, checkpoint_seconds, started, on_nan, track)
        if recorded is None:
            _begin(session, data, description)
        else:
            description = _go_on(session, recorded, description)
        try:
            with Stopping() as stopping:
                _learn(session, data, stopping)
        except KeyboardInterrupt:
            run.interrupted, run.signal = True, stopping.signal
            folder.keep(classifier)
            if not loop.stepping:
                session.save()
            display.say(
                f"stopped after {loop.number} steps; what was learned until then is kept; "
                f"train --resume {folder.path} goes on after step {session.kept}"
            )
        finally:
            session.tracking.end()
            if run.history:
                folder.draw_curves(run.history, _held_out(data)[0], f"{name} on {data.name}")
    folder.rescue(classifier)
    folder.describe(description | {"result": run.result()})
    return run


def _begin(session: Session, data: Dataset, description: dict[str, Any]) -> None:
    """All that is on disk before the first step; ``run.json``, which promises the rest, is last."""
    session.folder.sweep()
    if here().first:
        session.checkpoints.clear()
    session.folder.start_metrics()
    session.tracking.begin(0)
    if data.listing is not None:
        session.folder.list_files(data.listing)
    session.save()
    session.folder.describe(description)


def _go_on(
    session: Session, recorded: dict[str, Any], description: dict[str, Any]
) -> dict[str, Any]:
    """Take up the last checkpoint, and note in ``run.json`` with what; returns its content."""
    found = session.checkpoints.latest()
    session.load_state_dict(found.state)
    loop, folder, say = session.loop, session.folder, session.display.say
    folder.sweep()
    folder.cut_metrics(loop.number, len(session.run.history))
    for line in found.damaged:
        say(line)
    if drifted := resuming.drift(recorded, description):
        say(drifted)
    say(f"resumed after step {loop.number} of {loop.steps_per_epoch * session.run.config.epochs}")
    session.display.begin_at(loop.number)
    now = {name: description[name] for name in ("versions", "git", "machine", "device")}
    resumed = [*recorded.get("resumed", []), {"step": loop.number} | now]
    recorded = {name: value for name, value in recorded.items() if name != "result"}
    folder.describe(recorded | {"resumed": resumed})
    return recorded | {"resumed": resumed}


def _learn(session: Session, data: Dataset, stopping: Stopping) -> None:
    """Epochs of training, each with its row, its evaluation and its model on disk."""
    run, loop, folder, display = session.run, session.loop, session.folder, session.display
    held, watched = _held_out(data)
    if run.history:
        _credit(run, held)
    while len(run.history) < run.config.epochs and not session.patience.ended(run.history):
        epoch = len(run.history) + 1
        try:
            # of an epoch that was left as its last step was made, only the evaluation is to come
            for tally in loop.epoch() if loop.number < epoch * loop.steps_per_epoch else ():
                display.step(epoch, tally)
                if loop.number % _LOG_EVERY == 0:
                    row = {"kind": "step", "epoch": epoch, "step": loop.number, "lr": loop.lr}
                    session.log(row | tally.row() | {"seconds": session.seconds})
                stopping.check()
                session.save_if_due()
            with stopping.at_once():
                report = loop.score(run.classifier, watched)
            if not math.isfinite(report.loss):
                raise TrainingError(f"the {held} loss is {report.loss} after epoch {epoch}")
        except TrainingError as error:
            if session.retreat(str(error).partition(":")[0]):
                continue
            kept = f"the model of epoch {epoch - 1} is kept in {folder.model}"
            raise TrainingError(
                f"{error}; {kept if epoch > 1 else 'no epoch was finished'}"
            ) from None
        row = {"kind": "epoch", "epoch": epoch, "step": loop.number} | loop.tally.row()
        row |= {f"{held}_loss": report.loss, f"{held}_accuracy": report.top1}
        row["seconds"] = session.seconds
        run.history.append(row)
        session.log(row)
        display.epoch(row)
        session.patience.see(run.history, run.classifier.net)
        _credit(run, held)
        if data.val is None:
            run.report = report
            folder.keep(run.classifier)
        session.save_if_due(edge=True)
    if session.patience.weights:
        run.classifier.net.load_state_dict(session.patience.weights)
        run.best_epoch = best_epoch(run.history)
        _credit(run, held)
        display.say(f"the model of epoch {run.best_epoch}, the best of {len(run.history)}, is kept")
    if run.report is None:  # the test pictures are looked at once, at the very end
        with stopping.at_once():
            run.report = loop.score(run.classifier, data.test)
        run.classifier.card["test_accuracy"] = run.report.top1
        folder.keep(run.classifier)


def _credit(run: Run, held: str) -> None:
    """Say in the model's card what its epoch came to."""
    row = run.history[(run.best_epoch or len(run.history)) - 1]
    run.classifier.card |= {"epochs": row["epoch"], f"{held}_accuracy": row[f"{held}_accuracy"]}


def _held_out(data: Dataset) -> tuple[str, ImageSet]:
    """What is watched while learning, and how its numbers are called."""
    return ("test", data.test) if data.val is None else ("val", data.val)
