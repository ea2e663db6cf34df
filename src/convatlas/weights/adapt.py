"""A network for new data, out of one that has learned from other data.

Features are carried over whole, or the adapting is refused: what starts afresh is the layer that
knows the classes, and what hangs on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from convatlas.classifier import Classifier
from convatlas.data import Preprocess
from convatlas.errors import ModelError
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.weights.channels import Rule
from convatlas.weights.donor import read_donor
from convatlas.weights.graft import Graft
from convatlas.weights.load import Report
from convatlas.weights.wording import listed, who


@dataclass(frozen=True)
class Adapted:
    """A network to train on, and what it owes to its donor.

    Attributes:
        net: for the new classes, channels and size.
        preprocess: the donor's, scaled to the new size.
        classes: names, in the order of the logits.
        reused: tensors that are the donor's as they were.
        adapted: tensors made of the donor's, and how.
        reset: tensors that start afresh, and why.
        notes: sentences that a person should read.
        source: what the donor was read from, or its name in the catalogue.
        report: the pairs of names by which it was read; None for a model of ours.
    """

    net: Net
    preprocess: Preprocess
    classes: tuple[str, ...]
    reused: tuple[str, ...]
    adapted: Mapping[str, str]
    reset: Mapping[str, str]
    notes: tuple[str, ...]
    source: str
    report: Report | None = None

    def __str__(self) -> str:
        said = [f"reused {len(self.reused)} tensors of {self.source}"]
        for what, tensors in (("adapted", self.adapted), ("reset", self.reset)):
            for why in dict.fromkeys(tensors.values()):
                names = [name for name, reason in tensors.items() if reason == why]
                said.append(f"{what} {listed(names)}: {why}")
        return "; ".join(said)


def start_from(
    weights: str | Path,
    *,
    net: str | None = None,
    preprocess: Preprocess | None = None,
    accept_licence: bool = False,
    classes: Sequence[str] | None = None,
    in_channels: int | None = None,
    input_size: int | None = None,
    rule: Rule | None = None,
    measured: Preprocess | None = None,
    **options: Any,
) -> Adapted:
    """`adapt` for weights on disk or in the catalogue: `donor.read_donor`, then `adapt`.

    Args:
        weights: an id of the catalogue of weights; a model or run folder of ours; or a file.
        net: its name in the catalogue of networks, which only a file from elsewhere needs.
        preprocess, accept_licence, options: as `donor.read_donor` takes them.
        classes, in_channels, input_size, rule, measured: as `adapt` takes them.

    Raises:
        ConvAtlasError: whatever those two raise.
    """
    donor = read_donor(
        weights, net=net, preprocess=preprocess, accept_licence=accept_licence, **options
    )
    adapted = adapt(
        donor.classifier,
        classes=classes,
        in_channels=in_channels,
        input_size=input_size,
        rule=rule,
        measured=measured,
    )
    notes = donor.notes + adapted.notes
    return replace(adapted, source=donor.source, report=donor.report, notes=notes)


def adapt(
    donor: Classifier,
    *,
    classes: Sequence[str] | None = None,
    in_channels: int | None = None,
    input_size: int | None = None,
    rule: Rule | None = None,
    measured: Preprocess | None = None,
) -> Adapted:
    """A network of the donor's kind for other classes, channels or sizes; the donor stays as it is.

    The head is the donor's where the classes are the same in the same order, and gets the donor's
    rows where they are some of the donor's, whatever their order; else it starts afresh (also for
    as many classes as the donor has but does not name). A dense head at another size is the
    donor's behind an adaptive average pool to the donor's map, folded into its first layer: what
    torchvision's AlexNet and VGG compute at that size. Auxiliary heads that do not fit start
    afresh.

    Args:
        donor: a network of the catalogue; where its classes are not known, with none.
        classes, in_channels, input_size: of the new data; the donor's where None.
        rule: what becomes of the first convolution for other channels, as `channels.carry` says;
            None for ``"sum"`` between grey and colour, ``"keep"`` else.
        measured: mean and deviation of the training pictures, for channels new to the donor.

    Raises:
        ModelError: a network that is not of the catalogue.
        ConfigError: channels that the first convolution or the preprocessing cannot be had for.
        ShapeError: an ``input_size`` that does not survive the pooling.
    """
    old = donor.net
    if not (isinstance(old, Net) and old.name):
        raise ModelError(
            f"{who(old)} is no network of the catalogue, and only those are adapted: "
            "change its head yourself, and pass it to fit"
        )
    size = donor.preprocess.size if input_size is None else input_size
    wanted = {
        "num_classes": old.num_classes if classes is None else len(classes),
        "in_channels": old.in_channels if in_channels is None else in_channels,
        "input_size": size,
    }
    new = build(old.name, **{**old.options, **wanted})
    tensors = {name: tensor.cpu() for name, tensor in old.state_dict().items()}
    graft = Graft(old, tensors, donor.preprocess)
    if classes is not None:
        graft.to_classes(donor.classes, tuple(classes))
    if new.in_channels != old.in_channels:
        graft.to_channels(new.in_channels, rule, measured)
    graft.to_shapes_of(new)
    own = new.state_dict()
    with torch.no_grad():
        for name, tensor in graft.carried.items():
            own[name].copy_(tensor)
    before = donor.preprocess
    return Adapted(
        new,
        replace(graft.preprocess, size=size, resize=round(before.resize * size / before.size)),
        donor.classes if classes is None else tuple(classes),
        tuple(n for n in own if n in graft.carried and n not in graft.adapted),
        graft.adapted,
        graft.reset,
        tuple(graft.notes),
        old.name,
    )
