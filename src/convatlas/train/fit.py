"""From a network and a data set to a run folder with a trained classifier in it."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convatlas import data as sources
from convatlas.classifier import Classifier
from convatlas.data import Dataset, ImageSet, Preprocess
from convatlas.errors import StorageError, TrainingError
from convatlas.evaluate import Report, evaluate, place_classes
from convatlas.nets.parts import Net, init_xavier
from convatlas.train import record
from convatlas.train.config import Config, change
from convatlas.train.display import Display
from convatlas.train.engine import Engine, choose
from convatlas.train.folder import RunFolder
from convatlas.train.loop import Loop
from convatlas.train.optim import best_device, settle
from convatlas.train.recipes import recipe as find_recipe
from convatlas.train.size import input_side, loaded_side, resized_side

_LOG_EVERY = 50  # steps between the rows of metrics.jsonl inside an epoch
_MEASURED = 400_000_000  # pixels that mean and deviation are measured on, evenly spread


@dataclass
class Run:
    """What `fit` returns.

    Attributes:
        folder: where the run was written.
        classifier: the trained network with its preprocessing and class names.
        config, engine: the settings, and the number format and layout they were trained in.
        history: a row an epoch: epoch, seconds (all training time so far, the trial and the
            evaluations included), losses and accuracies (of the validation pictures where the
            data has such a part, else of the test pictures), images a second, share of time
            waiting.
        report: the scores on the test pictures after the last epoch.
        interrupted: Ctrl-C ended it early.
    """

    folder: Path
    classifier: Classifier
    config: Config
    engine: Engine
    history: list[dict[str, Any]] = field(default_factory=list)
    report: Report | None = None
    interrupted: bool = False

    def result(self) -> dict[str, Any]:
        """How it ended, as ``run.json`` says it."""
        report = self.report
        return {
            "interrupted": self.interrupted,
            "epochs": len(self.history),
            "seconds": self.history[-1]["seconds"] if self.history else None,
            "test_accuracy": None if report is None else report.top1,
            "test_loss": None if report is None else report.loss,
        }


def fit(
    net: nn.Module,
    data: str | Dataset,
    *,
    recipe: str | Config = "fast",
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    quiet: bool = False,
    **changes: Any,
) -> Run:
    """Train a network and write a run folder.

    Ctrl-C ends the run and keeps what was learned.

    Args:
        net: a network of the atlas, or any module from ``(N, C, size, size)`` to ``(N, K)``.
        data: a data set, or the name of one (`convatlas.data.load`).
        recipe: the name of a recipe, or settings of your own.
        out: the run folder; by default a new one under ``runs``.
        data_dir: where to look for the data first.
        quiet: print nothing.
        changes: settings in place of the recipe's (``epochs=3``, ``lr=0.05``, …).

    Raises:
        UnknownNameError, ConfigError: a setting that does not exist, or cannot be.
        ModelError, ShapeError: a network whose classes or channels are not the data's.
        TrainingError: the loss is no longer a number; the last good model is kept.
        StorageError: the model could not be written; the message says where it is instead.
    """
    started = time.perf_counter()
    config = find_recipe(recipe) if isinstance(recipe, str) else recipe
    config = settle(net, change(config, **changes))
    if isinstance(data, str):
        wanted = loaded_side(config, net.input_size if isinstance(net, Net) else None)
        where = None if data_dir is None else Path(data_dir)
        full_size = config.crop == "resized"
        data = sources.load(data, data_dir=where, side=wanted, full_size=full_size)
    channels, height, width = data.train.shape
    side = input_side(net, channels, min(height, width), config)
    measured, _ = data.train.sample(max(_MEASURED // (channels * height * width), 1))
    resize = resized_side(side, min(height, width), config)
    preprocess = Preprocess.measure(measured, side, resize)
    device = best_device()
    classifier = Classifier(net.to(device), preprocess, data.train.classes)
    # what does not fit is refused here, and not after an epoch
    pixels, labels = data.train.sample(config.batch_size)
    classifier.logits(pixels[:2])
    place_classes(data.test.classes, data.train.classes)
    name = (net.name if isinstance(net, Net) else "") or type(net).__name__
    folder = RunFolder(Path(out)) if out is not None else RunFolder.fresh(name, data.name)

    torch.manual_seed(config.seed)
    if config.init == "xavier":
        net.apply(init_xavier)
    engine = choose(net, preprocess(pixels.to(device)), labels.to(device), config)
    loop = Loop(engine.place(net), data.train, preprocess, config, engine)

    run = Run(folder.path, classifier, config, engine)
    classifier.card = {"net": name, "data": data.name, "recipe": config.recipe}
    description = record.describe(name, net, data, preprocess, config, engine)
    folder.describe(description)
    folder.start_metrics()
    if data.listing is not None:
        folder.list_files(data.listing)
    with Display(config.epochs, config.epochs * loop.steps_per_epoch, quiet) as display:
        display.introduce(name, data, preprocess, config, engine)
        try:
            _learn(run, loop, data, folder, display, started)
        except KeyboardInterrupt:
            run.interrupted = True
            folder.keep(classifier)
            display.say(f"stopped after {loop.number} steps; what was learned until then is kept")
        finally:
            if run.history:
                folder.draw_curves(run.history, _held_out(data)[0], f"{name} on {data.name}")
    _store(folder, classifier)
    folder.describe(description | {"result": run.result()})
    return run


def _learn(
    run: Run, loop: Loop, data: Dataset, folder: RunFolder, display: Display, started: float
) -> None:
    """Epochs of training, each with its row, its evaluation and its model on disk."""
    held, watched = _held_out(data)
    for epoch in range(1, run.config.epochs + 1):
        try:
            for tally in loop.epoch():
                display.step(epoch, tally)
                if loop.number % _LOG_EVERY == 0:
                    row = {"kind": "step", "epoch": epoch, "step": loop.number, "lr": loop.lr}
                    folder.log(row | tally.row() | {"seconds": time.perf_counter() - started})
            report = evaluate(run.classifier, watched)
            if not math.isfinite(report.loss):
                raise TrainingError(f"the {held} loss is {report.loss} after epoch {epoch}")
        except TrainingError as error:
            kept = f"the model of epoch {epoch - 1} is kept in {folder.model}"
            raise TrainingError(
                f"{error}; {kept if epoch > 1 else 'no epoch was finished'}"
            ) from None
        row = {"kind": "epoch", "epoch": epoch, "step": loop.number} | tally.row()
        row |= {f"{held}_loss": report.loss, f"{held}_accuracy": report.top1}
        row["seconds"] = time.perf_counter() - started
        run.history.append(row)
        folder.log(row)
        display.epoch(row)
        run.classifier.card |= {"epochs": epoch, f"{held}_accuracy": report.top1}
        if data.val is None:
            run.report = report
        elif epoch == run.config.epochs:  # the test pictures are looked at once, at the very end
            run.report = evaluate(run.classifier, data.test)
            run.classifier.card["test_accuracy"] = run.report.top1
        folder.keep(run.classifier)


def _held_out(data: Dataset) -> tuple[str, ImageSet]:
    """What is watched while learning, and how its numbers are called."""
    return ("test", data.test) if data.val is None else ("val", data.val)


def _store(folder: RunFolder, classifier: Classifier) -> None:
    """See that the model is on a disk, if need be on another one.

    Raises:
        StorageError: it is not where it belongs; the message says where it is.
    """
    if folder.unwritten is None:
        return
    folder.keep(classifier)
    if folder.unwritten is not None:
        elsewhere = Path(tempfile.mkdtemp(prefix="convatlas-")) / "model.safetensors"
        classifier.save(elsewhere)
        raise StorageError(f"{folder.unwritten}. The trained model is in {elsewhere}")
