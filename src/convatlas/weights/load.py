"""Weights into a network and out of it, under any of three namings, with nothing passed over.

Either every tensor of the network finds its own in the source, in the right shape, or nothing is
copied and one line says what is wrong.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from convatlas.errors import ModelError
from convatlas.nets.googlenet import GoogLeNet
from convatlas.weights.keymaps import Naming, Place, keymap


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
        source: the file, or "the state dict".
        naming: whose names the source has.
        pairs: every tensor that was copied.
        ignored: names in the source that the network has no use for: auxiliary heads it does not
            have.
        kept: names in the network that the source lacks and that do not matter: counters of
            batches, which PyTorch did not write before 0.4.1.
    """

    source: str
    naming: Naming
    pairs: tuple[Pair, ...]
    ignored: tuple[str, ...]
    kept: tuple[str, ...]

    def __str__(self) -> str:
        said = f"{len(self.pairs)} tensors out of {self.source}, by {self.naming}'s names"
        if self.ignored:
            said += f"; ignored {_list(self.ignored)}"
        if self.kept:
            said += f"; not in it, and kept: {_list(self.kept)}"
        return said


@torch.no_grad()
def load_weights(net: nn.Module, source: str | Path | Mapping[str, Tensor]) -> Report:
    """Copy weights into ``net``, whether the source has the atlas's, torchvision's or timm's names.

    Args:
        net: a network of the atlas; any other module takes a source with its own names.
        source: a ``.safetensors`` file, a ``.pth``, ``.pt`` or ``.bin`` file of PyTorch, or a state
            dict. A checkpoint that holds the state dict under ``state_dict`` or ``model`` is
            opened, and the ``module.`` that DataParallel puts before each name is taken off.

    Raises:
        ModelError: no such file, a damaged one or one that would run code; or a tensor that is
            missing, unexpected or of another shape. The network is then as it was.
    """
    said = "the state dict" if isinstance(source, Mapping) else str(source)
    tensors = _state_dict(source if isinstance(source, Mapping) else _read(Path(source)), said)
    naming, places = _recognise(net, tensors, said)
    own = net.state_dict()

    absent = [name for name, place in places.items() if place.name not in tensors]
    kept = [name for name in absent if name.endswith(".num_batches_tracked")]
    if missing := [places[name].name for name in absent if name not in kept]:
        raise ModelError(_missing(net, said, missing))
    expected = {place.name for place in places.values()}
    surplus = [name for name in tensors if name not in expected]
    ignored = [name for name in surplus if _of_an_absent_head(net, name)]
    if unexpected := [name for name in surplus if name not in ignored]:
        raise ModelError(
            f"{said} holds tensors that {_who(net)} has no place for ({_list(unexpected)}): "
            "build the network that these weights belong to"
        )
    pairs = []
    for name, place in places.items():
        if name in kept:
            continue
        if tuple(tensors[place.name].shape) != place.shape:
            raise ModelError(_misshapen(net, said, name, place, tensors[place.name]))
        pairs.append(Pair(name, place.name, tuple(own[name].shape)))
    for pair in pairs:
        own[pair.name].copy_(tensors[pair.source].reshape(pair.shape))
    return Report(said, naming, tuple(pairs), tuple(ignored), tuple(kept))


def export_state(net: nn.Module, naming: Naming) -> dict[str, Tensor]:
    """The state dict of ``net`` under torchvision's or timm's names; shares memory with ``net``.

    Raises:
        ConfigError: no such naming.
        ModelError: a family that torchvision or timm does not have.
    """
    own = net.state_dict()
    places = keymap(net, naming)
    return {place.name: own[name].reshape(place.shape) for name, place in places.items()}


def _read(path: Path) -> Any:
    """What the file holds; nothing in it is executed."""
    if not path.is_file():
        raise ModelError(f"{path} is no file: give the path of a .safetensors or .pth file")
    damaged = f"{path} is damaged, or holds more than tensors: fetch it again, or as a state dict"
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise ModelError(damaged) from error
    if path.suffix not in (".pth", ".pt", ".bin"):
        raise ModelError(f"{path} is neither .safetensors nor .pth, .pt or .bin: rename or convert")
    try:
        with warnings.catch_warnings():  # of what is refused in the next line
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        if code := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ModelError(
                f"{path} wants to run code ({code[1]}) as it is opened, and is refused: "
                "ask for plain tensors (a state dict, or .safetensors)"
            ) from None
        raise ModelError(damaged) from error


def _state_dict(held: Any, said: str) -> dict[str, Tensor]:
    for key in ("state_dict", "model"):
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    if not isinstance(held, Mapping) or not all(isinstance(v, Tensor) for v in held.values()):
        raise ModelError(f"{said} holds no state dict (names with tensors): save net.state_dict()")
    return {str(name).removeprefix("module."): tensor for name, tensor in held.items()}


def _recognise(
    net: nn.Module, tensors: Mapping[str, Tensor], said: str
) -> tuple[Naming, dict[str, Place]]:
    """The naming under which the most tensors of the network are in the source."""
    found: dict[Naming, dict[str, Place]] = {}
    for naming in get_args(Naming):
        try:
            found[naming] = keymap(net, naming)
        except ModelError:  # a family that this library does not have
            continue
    known = {
        naming: sum(place.name in tensors for place in places.values())
        for naming, places in found.items()
    }
    naming = max(known, key=lambda naming: known[naming])
    if not known[naming]:
        raise ModelError(
            f"nothing in {said} ({_list(tensors)}) is a tensor of {_who(net)} under the names of "
            f"{', '.join(found)}: build the network that these weights belong to"
        )
    return naming, found[naming]


def _of_an_absent_head(net: nn.Module, name: str) -> bool:
    """GoogLeNet's file at torchvision holds auxiliary heads, which only training needs."""
    return isinstance(net, GoogLeNet) and not net.aux and name.startswith("aux")


def _missing(net: nn.Module, said: str, names: list[str]) -> str:
    if isinstance(net, GoogLeNet) and all(name.startswith("aux") for name in names):
        what_to_do = "build the network with aux=False"
    else:
        what_to_do = "build the network that these weights belong to"
    return f"{said} lacks tensors of {_who(net)} ({_list(names)}): {what_to_do}"


def _misshapen(net: nn.Module, said: str, name: str, place: Place, found: Tensor) -> str:
    ours, theirs = place.shape, tuple(found.shape)
    first = next(n for n, tensor in net.state_dict().items() if tensor.dim() > 1)
    what_to_do = "build the network that these weights belong to"
    if name.startswith("head.") and ours[1:] == theirs[1:] and ours[0] == net.num_classes:
        what_to_do = f"build it with num_classes={theirs[0]}"
    elif name.startswith("head.") and ours[0] == theirs[0]:
        what_to_do = "build it with the input_size that these weights were trained at"
    elif name == first and (ours[0], *ours[2:]) == (theirs[0], *theirs[2:]):
        what_to_do = f"build it with in_channels={theirs[1]}"
    return (
        f"{place.name} in {said} is {_times(theirs)}, and {_who(net)} takes {_times(ours)} "
        f"({name}): {what_to_do}"
    )


def _who(net: nn.Module) -> str:
    return getattr(net, "name", "") or type(net).__name__


def _times(shape: Iterable[int]) -> str:
    return "×".join(map(str, shape)) or "one number"


def _list(names: Iterable[str]) -> str:
    first, *rest = names = list(names) or ["nothing"]
    if len(rest) < 3:
        return ", ".join(names)
    return f"{first}, {rest[0]} and {len(rest) - 1} more"
