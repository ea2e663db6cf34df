"""A network exactly as it was published: weights from wherever they are, with their preprocessing.

What a file says of itself is believed; what it does not say is read off its shapes; and what
shapes cannot tell is assumed aloud.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convatlas.classifier import Classifier, holds_classifier
from convatlas.data import Preprocess
from convatlas.errors import ConfigError
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.weights.catalog import PRETRAINED, Pretrained, find
from convatlas.weights.load import Report, load_weights
from convatlas.weights.nearest import nearest
from convatlas.weights.reading import SUFFIXES, read
from convatlas.weights.shapes import options_of
from convatlas.weights.wording import who

#: Mean and deviation of ImageNet's pictures, with which nearly everybody has normalised since.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: What the logits of published weights are called, by the data that they were trained on.
CLASSES = {
    "CIFAR-10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
}


@dataclass(frozen=True)
class Donor:
    """Weights in the network that they were trained in.

    Attributes:
        source: the id in the catalogue, or the file.
        classifier: with no classes where nobody names them.
        report: which tensor went where; None for a model of ours.
        notes: what was assumed, in sentences.
    """

    source: str
    classifier: Classifier
    report: Report | None = None
    notes: tuple[str, ...] = ()


def read_donor(
    weights: str | Path,
    *,
    net: str | None = None,
    preprocess: Preprocess | None = None,
    accept_licence: bool = False,
    **options: Any,
) -> Donor:
    """The network that ``weights`` are of, with them in it, in evaluation mode.

    Args:
        weights: a model or run folder of ours, which says all of itself; a file of tensors, as
            `load_weights` takes them; or an id of the catalogue of weights, where there is no file
            of that name (fetched, if need be).
        net: the network's name in the catalogue, which a file of tensors does not say.
        preprocess: how the pictures were normalised, which a file of tensors does not say; None
            for as the first weights of the catalogue for that network and size, or ImageNet's.
        accept_licence: for weights that may not be used commercially.
        options: of the network, where a file of tensors was trained with others than the
            catalogue's. Classes, channels, the size of a dense head, and whether there are
            auxiliary heads, are read off the shapes.

    Raises:
        UnknownNameError: neither a file nor an id.
        ConfigError: no ``net``, or another than the weights are of; no ``preprocess`` for other
            channels than three; ``preprocess`` or options for weights that say them themselves.
        ModelError: a file that cannot be read, or that does not fit.
        DownloadError, StorageError: it cannot be fetched.
    """
    path = Path(weights).expanduser()
    if not path.exists() and (str(weights) in PRETRAINED or path.suffix not in SUFFIXES):
        row = find(str(weights))
        _refuse_another(row.id, row.net, net)
        _refuse_hearsay(row.id, preprocess, options)
        return _published(row, accept_licence)
    if path.is_dir() or holds_classifier(path):
        classifier = Classifier.load(path)
        _refuse_another(str(path), who(classifier.net), net)
        _refuse_hearsay(str(path), preprocess, options)
        return Donor(str(path), classifier)
    return _loose(path, net, preprocess, options)


def _published(row: Pretrained, accept_licence: bool) -> Donor:
    net = build(row.net, num_classes=row.num_classes, input_size=row.crop, **row.options)
    report = load_weights(net, row.id, accept_licence=accept_licence)
    classifier = Classifier(net.eval(), _preprocess_of(row), CLASSES.get(row.data, ()))
    return Donor(row.id, classifier, report, (row.caveat,) if row.caveat else ())


def _loose(
    path: Path, name: str | None, preprocess: Preprocess | None, options: dict[str, Any]
) -> Donor:
    tensors = read(path)
    if name is None:
        name, share = nearest(tensors)
        raise ConfigError(
            f"{path} does not say what network it is of: name it (its shapes fit {name} best, "
            f"{share:.0%} of the kernels)"
        )
    net = build(name, **options_of(name, tensors, **options))
    report = load_weights(net, path)
    notes: tuple[str, ...] = ()
    if preprocess is None:
        preprocess, note = _assumed(path, net)
        notes = (note,)
    if preprocess.channels != net.in_channels:
        raise ConfigError(
            f"{path} takes {net.in_channels} channels, and the preprocessing for it has "
            f"{preprocess.channels}"
        )
    return Donor(str(path), Classifier(net.eval(), preprocess, ()), report, notes)


def _assumed(path: Path, net: Net) -> tuple[Preprocess, str]:
    if net.in_channels != 3:
        raise ConfigError(
            f"{path} does not say how its pictures were normalised, and only for RGB is there a "
            f"usual way, not for in_channels={net.in_channels}: pass preprocess"
        )
    size, unsaid = net.input_size, f"{path} does not say how its pictures were normalised"
    for row in PRETRAINED.values():
        if (row.net, row.crop) == (net.name, size):
            return _preprocess_of(row), f"{unsaid}: taken to be as for {row.id}"
    imagenet = Preprocess(size, size, 3, IMAGENET_MEAN, IMAGENET_STD)
    return imagenet, f"{unsaid}: taken to be with ImageNet's mean and deviation"


def _preprocess_of(row: Pretrained) -> Preprocess:
    return Preprocess(row.crop, max(row.resize, row.crop), 3, row.mean, row.std)


def _refuse_another(source: str, found: str, wanted: str | None) -> None:
    if wanted not in (None, found):
        raise ConfigError(
            f"{source} holds weights of {found}, and not of {wanted}: train {found}, or take "
            f"weights of {wanted}"
        )


def _refuse_hearsay(source: str, preprocess: Preprocess | None, options: dict[str, Any]) -> None:
    told = [*options] if preprocess is None else ["preprocess", *options]
    if told:
        raise ConfigError(
            f"{source} says itself how it was trained: leave out {', '.join(told)}, which only a "
            "file of tensors needs"
        )
