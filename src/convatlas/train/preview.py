"""What the augmentation of a recipe makes of pictures, to be looked at before training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from convatlas import files, plots
from convatlas.data import Dataset, ImageSet, Preprocess
from convatlas.train.augmentation import Augmentation
from convatlas.train.config import Config
from convatlas.train.feed import Feed
from convatlas.train.size import input_side, resized_side

_PICTURES, _DRAWS = 6, 8


def preview(
    net: nn.Module,
    data: Dataset,
    config: Config,
    target: Path,
    preprocess: Preprocess | None = None,
) -> Path:
    """Draw a few training pictures, one a row, each as several epochs would see it.

    Args:
        net: the network that is to be trained, for its side.
        data, config: as `fit` takes them.
        target: the PNG.
        preprocess: of pretrained weights, whose sides are taken.

    Raises:
        StorageError: it cannot be written.
    """
    channels, height, width = data.train.shape
    if preprocess is not None:
        side, resize = preprocess.size, preprocess.resize
    else:
        side = input_side(net, channels, min(height, width), config)
        resize = resized_side(side, min(height, width), config)
    preprocess = Preprocess(side, resize, channels, (0.0,) * channels, (1.0,) * channels)
    cut = replace(preprocess, resize=side) if config.crop != "centre" else preprocess
    train = data.train
    if not isinstance(train, ImageSet):  # a stream has no pictures by number
        train = ImageSet(train.name, *train.sample(_PICTURES), train.classes)
    feed = Feed(train, config, torch.device("cpu"), preprocess)
    augmentation = Augmentation(config, train, torch.device("cpu"))
    count = min(_PICTURES, len(train))
    chosen = (torch.arange(count) * len(train) // count) * feed.repeats
    columns = []
    for draw in range(_DRAWS):
        pixels, labels = feed.batch(chosen + draw % feed.repeats)
        columns.append(cut.fit(augmentation(pixels, labels)[0]))
    rows = torch.stack(columns, dim=1).flatten(0, 1)
    names = [data.train.classes[label] for label in labels.tolist() for _ in range(_DRAWS)]
    with files.replacing(target) as png:
        plots.contact_sheet(
            png, rows.numpy(), names, title=f"{data.name}, as training sees it", columns=_DRAWS
        )
    return target
