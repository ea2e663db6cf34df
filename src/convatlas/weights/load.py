"""Weights into a network, under whatever names they come, with nothing passed over.

Either every tensor of the network finds its own in the source, in the right shape, or nothing is
copied and one line says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from convatlas.errors import ModelError, UnknownNameError
from convatlas.nets.googlenet import GoogLeNet
from convatlas.weights import loose, wording
from convatlas.weights.catalog import PRETRAINED
from convatlas.weights.fetch import fetch
from convatlas.weights.keymaps import Naming, Place, keymap
from convatlas.weights.reading import SUFFIXES, read, state_dict


@dataclass(frozen=True)
class Pair:
    """A tensor that was copied: its name and shape in the atlas, and its name in the source."""

    name: str
    source: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """What `load_weights` did.

    Attributes:
        source: the id of pretrained weights, the file, or "the state dict".
        naming: whose names the source has; ``"order"`` where they are unknown, and tensors were
            matched by order and shape: a person should read the `table` then.
        pairs: every tensor that was copied.
        ignored: names in the source that the network has no use for: auxiliary heads it does not
            have.
        kept: names in the network that the source lacks and that do not matter: counters of
            batches, which PyTorch did not write before 0.4.1.
    """

    source: str
    naming: Naming | Literal["order"]
    pairs: tuple[Pair, ...]
    ignored: tuple[str, ...]
    kept: tuple[str, ...]

    def __str__(self) -> str:
        said = f"{len(self.pairs)} tensors out of {self.source}, "
        if self.naming == "order":
            said += "by order and shape, since nobody knows its names: check the pairs"
        else:
            said += f"by {self.naming}'s names"
        if self.ignored:
            said += f"; ignored {wording.listed(self.ignored)}"
        if self.kept:
            said += f"; not in it, and kept: {wording.listed(self.kept)}"
        return said

    def table(self) -> str:
        """Every pair on a line of its own: name here, name in the source, shape."""
        here, there = (
            max((len(name) for name in names), default=0)
            for names in ((p.name for p in self.pairs), (p.source for p in self.pairs))
        )
        return "\n".join(
            f"{p.name:{here}}  {p.source:{there}}  {wording.times(p.shape)}" for p in self.pairs
        )


def load_weights(
    net: nn.Module,
    source: str | Path | Mapping[str, Tensor],
    *,
    accept_licence: bool = False,
) -> Report:
    """Copy weights into ``net``, under the atlas's names, torchvision's, timm's or akamaster's.

    A prefix that all names share is taken off (DataParallel's ``module.``, torch.compile's
    ``_orig_mod.``, a framework's ``model.``). Where most of the network's tensors are still not
    found, the source is matched by order and shape (`convatlas.weights.loose`), which a
    ``.safetensors`` file does not allow: it sorts its tensors by name.

    Args:
        net: a network of the atlas; any other module takes a source with its own names, or one in
            its own order.
        source: a file (``.safetensors``, ``.pth``, ``.pt``, ``.th``, ``.bin``, ``.pth.tar``), a
            run folder, the id of pretrained weights as ``convatlas weights`` lists them (a file
            of that name goes first), or a state dict. One that is nested in a checkpoint is found;
            averaged weights (EMA) go before the others.
        accept_licence: needed to download what may not be used commercially.

    Raises:
        UnknownNameError: neither a file nor the id of pretrained weights.
        ConfigError, DownloadError, StorageError: as `convatlas.weights.fetch.fetch`.
        ModelError: no such file, a damaged one or one that would run code; or a tensor that is
            missing, unexpected or of another shape. The network is then as it was.
    """
    said = "the state dict" if isinstance(source, Mapping) else str(source)
    if isinstance(source, Mapping):
        tensors, in_order = state_dict(source, said), True
    else:
        path = _file(source, accept_licence)
        tensors, in_order = read(path), path.is_file() and path.suffix != ".safetensors"

    naming, places = recognise(net, tensors)
    known = sum(place.name in tensors for place in places.values())
    if 2 * known >= len(places):
        return _by_name(net, said, tensors, naming, places)
    try:
        return _by_order(net, said, tensors, in_order)
    except ModelError as reason:
        if known:  # then what is missing says more
            return _by_name(net, said, tensors, naming, places)
        raise ModelError(wording.strange(net, said, str(reason), tensors)) from None


def _file(source: str | Path, accept_licence: bool) -> Path:
    path = Path(source).expanduser()
    if isinstance(source, str) and not path.exists():
        if source in PRETRAINED:
            return fetch(source, accept_licence=accept_licence)
        if path.suffix not in SUFFIXES:
            raise UnknownNameError("file or pretrained weights", source, PRETRAINED)
    return path


def recognise(net: nn.Module, tensors: Mapping[str, Tensor]) -> tuple[Naming, dict[str, Place]]:
    """Whose names the source has, and where each tensor of ``net`` stands among them.

    It is the naming under which the most tensors are found, with or without the prefix that all
    names of the source share; where none is known, the atlas's.
    """
    wrapper = _wrapper(tensors)
    found: list[tuple[Naming, dict[str, Place]]] = []
    for naming in get_args(Naming):
        try:
            places = keymap(net, naming)
        except ModelError:  # a family that this library does not have
            continue
        for prefix in dict.fromkeys(("", wrapper)):
            prefixed = {name: Place(prefix + p.name, p.shape) for name, p in places.items()}
            found.append((naming, prefixed))
    return max(found, key=lambda one: sum(place.name in tensors for place in one[1].values()))


def _wrapper(names: Iterable[str]) -> str:
    """The prefix that all names share, such as DataParallel's ``module.``."""
    first, *others = names
    prefix = ""
    for part in first.split(".")[:-1]:
        longer = f"{prefix}{part}."
        if not all(name.startswith(longer) for name in others):
            break
        prefix = longer
    return prefix


def _by_name(
    net: nn.Module,
    said: str,
    tensors: Mapping[str, Tensor],
    naming: Naming,
    places: Mapping[str, Place],
) -> Report:
    absent = [name for name, place in places.items() if place.name not in tensors]
    kept = [name for name in absent if name.endswith(".num_batches_tracked")]
    if missing := [places[name].name for name in absent if name not in kept]:
        raise ModelError(wording.missing(net, said, missing, tensors))
    expected = {place.name for place in places.values()}
    surplus = [name for name in tensors if name not in expected]
    ignored = [name for name in surplus if _of_an_absent_head(net, name)]
    if unexpected := [name for name in surplus if name not in ignored]:
        raise ModelError(wording.unexpected(net, said, unexpected, tensors))
    for name, place in places.items():
        if name not in kept and tensors[place.name].shape != place.shape:
            raise ModelError(wording.misshapen(net, said, name, place, tensors))
    pairs = {name: place.name for name, place in places.items() if name not in kept}
    return Report(said, naming, _copy(net, tensors, pairs), tuple(ignored), tuple(kept))


def _by_order(net: nn.Module, said: str, tensors: Mapping[str, Tensor], in_order: bool) -> Report:
    own, theirs = (
        {name: tuple(tensor.shape) for name, tensor in state.items()}
        for state in (net.state_dict(), tensors)
    )
    if not in_order:
        raise ModelError("a .safetensors file keeps no order: give a .pth file")
    pairs = loose.match(own, theirs)
    kept = tuple(name for name in own if name not in pairs)
    return Report(said, "order", _copy(net, tensors, pairs), (), kept)


@torch.no_grad()
def _copy(
    net: nn.Module, tensors: Mapping[str, Tensor], pairs: Mapping[str, str]
) -> tuple[Pair, ...]:
    own = net.state_dict()
    for name, source in pairs.items():
        own[name].copy_(tensors[source].reshape(own[name].shape))
    return tuple(Pair(name, source, tuple(own[name].shape)) for name, source in pairs.items())


def _of_an_absent_head(net: nn.Module, name: str) -> bool:
    """GoogLeNet's file at torchvision holds auxiliary heads, which only training needs."""
    return isinstance(net, GoogLeNet) and not net.aux and bool(re.search(r"(^|\.)aux[12.]", name))
