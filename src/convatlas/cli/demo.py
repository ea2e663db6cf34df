"""``convatlas demo``: a classic network learns real data while you watch."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from convatlas.cli.screen import console
from convatlas.errors import DownloadError

if TYPE_CHECKING:
    from convatlas.data import Dataset
    from convatlas.train import Run

#: a VGG, because depth and small kernels are its only idea: nothing in it is there for speed but
#: its few channels, and 3×3 convolutions are what processors do best
DEMO_NET = "vgg_fast"
_FEW = 10_000  # training pictures; digits has 1,438
_LOOKED_AT = 1000  # test pictures that the contact sheet picks from
_SHOWN = 48  # pictures on it


def demo(
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    seed: int = 0,
) -> None:
    """Train a small VGG on Fashion-MNIST in about a minute, and show what it learned.

    Args:
        out: the run folder; a new one under runs/ by default.
        data_dir: where to look for Fashion-MNIST first.
        seed: of weights, order and augmentation.
    """
    say = console().print
    data = _fetch(data_dir)
    say(f"Training {DEMO_NET} takes about a minute on two CPU cores; Ctrl-C keeps what it has.")
    run = train_demo(data, out, seed=seed)
    if run.report is None:
        return
    sheet, program = _contact_sheet(run, data), _program()
    say(
        f"\n{run.report.top1:.2%} of {run.report.n:,} pictures that it never saw are named right, "
        f"after {run.history[-1]['seconds']:.0f} s of training.\n"
        f"  its course         {run.folder}/plots/curves.png\n"
        f"  right and wrong    {sheet}\n"
        f"Three things to try next:\n"
        f"  {program} evaluate {run.folder} {data.name}\n"
        f"  {program} show {DEMO_NET}\n"
        f"  {program} train lenet_bn {data.name}"
    )


def _program() -> str:
    """How to call ConvAtlas from the shell that asked for the demo."""
    if shutil.which("convatlas"):
        return "convatlas"
    here = Path(sys.executable).parent / "convatlas"
    return os.path.relpath(here) if here.is_relative_to(Path.cwd()) else str(here)


def _fetch(data_dir: Path | None) -> Dataset:
    """Fashion-MNIST; where it cannot be had, scikit-learn's digits, and say so."""
    from convatlas import data as sources

    say = console().print
    try:
        size = sources.download_size("fashion-mnist", data_dir)
        if size:
            say(f"Downloading Fashion-MNIST, {size / 1e6:.0f} MB, once, into the user's cache.")
        return sources.load("fashion-mnist", data_dir=data_dir)
    except DownloadError as error:
        say(f"{error}\nGoing on with scikit-learn's digits, which need no network.")
        return sources.load("digits")


def train_demo(data: Dataset, out: Path | None, *, seed: int = 0, quiet: bool = False) -> Run:
    """Train the demo's network with the recipe for it, as the demo does."""
    from dataclasses import replace

    import torch

    from convatlas.train import fit, recipe
    from convatlas.train.size import build_for

    config = replace(recipe("sprint"), seed=seed)
    if len(data.train) < _FEW:  # the recipe's two epochs suit tens of thousands
        config = replace(config, epochs=20, batch_size=64)
    torch.manual_seed(seed)
    return fit(build_for(DEMO_NET, data, config), data, recipe=config, out=out, quiet=quiet)


def _contact_sheet(run: Run, data: Dataset) -> Path:
    """Draw test pictures with the answers they got: as many wrong ones as right ones."""
    from convatlas import files, plots

    images = data.test.images[:_LOOKED_AT]
    answers = run.classifier.logits(images).argmax(dim=1)
    right = answers == data.test.labels[:_LOOKED_AT]
    half = _SHOWN // 2
    wrong = (~right).nonzero().flatten()[:half].tolist()
    shown = right.nonzero().flatten()[: _SHOWN - len(wrong)].tolist() + wrong
    names = data.test.classes
    captions = [
        names[answers[i]] if right[i] else f"{names[answers[i]]}\n(is {names[data.test.labels[i]]})"
        for i in shown
    ]
    sheet = run.folder / "plots" / "answers.png"
    with files.replacing(sheet) as png:
        plots.contact_sheet(
            png,
            images[shown].numpy(),
            captions,
            right[shown].tolist(),
            title=f"{len(wrong)} of the {int((~right).sum())} wrong answers among "
            f"{len(images):,} test pictures, and {len(shown) - len(wrong)} right ones",
        )
    return sheet
