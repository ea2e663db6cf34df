"""``convatlas train NET DATA``: a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from convatlas.cli.arguments import read_options


def train(
    net: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NET")],
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")],
    /,
    recipe: str = "fast",
    epochs: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    batch_size: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    lr: Annotated[float | None, tyro.conf.arg(metavar="RATE")] = None,
    size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS")] = None,
    seed: int = 0,
    with_: Annotated[tuple[str, ...], tyro.conf.arg(name="with", metavar="NAME=VALUE")] = (),
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),  # noqa: A002
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    strict: bool = False,
    no_cache: bool = False,
    show_augment: bool = False,
) -> None:
    """Train a network on a data set and write a run folder; Ctrl-C keeps what was learned.

    Args:
        net: a network of the catalogue (convatlas nets).
        data: fashion-mnist, mnist, cifar10, cifar100, digits, shapes; a folder with a folder of
            pictures for each class; a .csv of paths and labels; a .npz; a folder of IDX files; or
            shards.
        recipe: fast (minutes on a CPU) or course (the course's own plain loop).
        epochs: passes over the training pictures, in place of the recipe's.
        batch_size: pictures a step, in place of the recipe's.
        lr: learning rate, in place of the recipe's.
        size: side in pixels of the network's input, in place of the recipe's.
        seed: of weights, order and augmentation.
        with_: any setting of the recipe, crop=random, resize=256, mixup=0.2 or balance=weights
            say; may be repeated.
        set: an option of the network's family, norm=group say; may be repeated.
        out: the run folder; a new one under runs/ by default.
        data_dir: where to look for the data first.
        strict: stop where pictures cannot be read, instead of leaving them out.
        no_cache: decode pictures each time, instead of once into the cache.
        show_augment: draw what training would see of a few pictures into augment.png (in the run
            folder, if --out names one), and stop.
    """
    import torch

    from convatlas import data as sources
    from convatlas.cli.screen import console
    from convatlas.nets.catalog import find
    from convatlas.train import fit
    from convatlas.train import recipe as find_recipe
    from convatlas.train.config import change
    from convatlas.train.preview import preview
    from convatlas.train.size import build_for, loaded_side

    asked: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "size": size}
    changes = {name: value for name, value in asked.items() if value is not None}
    config = change(find_recipe(recipe), seed=seed, **read_options(with_) | changes)
    pictures = sources.load(
        data,
        data_dir=data_dir,
        side=loaded_side(config, find(net).input_size),
        cache=not no_cache,
        full_size=config.crop == "resized",
        strict=strict,
    )
    torch.manual_seed(seed)
    built = build_for(net, pictures, config, **read_options(set))
    if show_augment:
        drawn = preview(built, pictures, config, (out or Path()) / "augment.png")
        console().print(f"drawn in {drawn}")
        return
    run = fit(built, pictures, recipe=config, out=out)
    say = console().print
    if run.report is not None:
        row = run.history[-1]
        say(
            f"test accuracy {run.report.top1:.2%} after {row['seconds']:.1f} s of training at "
            f"{row['images_per_second']:,.0f} images/s, {row['waiting']:.1%} of it waiting for "
            f"data; {run.engine}"
        )
    say(f"kept in {run.folder}: model.safetensors, metrics.jsonl, run.json, plots/curves.png")
