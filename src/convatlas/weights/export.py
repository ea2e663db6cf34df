"""Weights out of a network, for the constructors of torchvision and timm."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from torch import Tensor, nn

from convatlas import files
from convatlas.errors import ConfigError, ModelError
from convatlas.nets.build import build
from convatlas.nets.googlenet import GoogLeNet
from convatlas.nets.parts import Net
from convatlas.weights.keymaps import Naming, keymap

Library = Literal["torchvision", "timm"]

_BOTH = (
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2"),
)
#: What each library calls the networks of the catalogue that it has.
CONSTRUCTORS: dict[Library, dict[str, str]] = {
    "torchvision": {
        **{name: name for name in _BOTH},
        "alexnet_owt": "alexnet",
        "googlenet_bn": "googlenet",
    },
    "timm": {name: name for name in _BOTH},
}
#: Options that constructors have, too, or that a trained network's answers do not depend on.
_FREE = ("num_classes", "in_channels", "aux", "dropout", "init")


def export_state(net: nn.Module, naming: Naming) -> dict[str, Tensor]:
    """The state dict of ``net`` under another's names; shares memory with ``net``.

    Raises:
        ConfigError: no such naming.
        ModelError: a family that the library does not have.
    """
    own = net.state_dict()
    places = keymap(net, naming)
    return {place.name: own[name].reshape(place.shape) for name, place in places.items()}


def constructor(net: nn.Module, library: Library) -> str:
    """The call that builds this very network in ``library``, to take `export_state`'s tensors.

    Raises:
        ModelError: the library has no such network, or not with these options.
    """
    name = getattr(net, "name", "")
    if not isinstance(net, Net) or name not in CONSTRUCTORS[library]:
        raise ModelError(
            f"{library} has no {name or type(net).__name__}: it has "
            f"{', '.join(CONSTRUCTORS[library])}"
        )
    _refuse_other_layers(net, library)
    theirs = CONSTRUCTORS[library][name]
    if library == "timm":
        options = f"num_classes={net.num_classes}, in_chans={net.in_channels}"
        return f'timm.create_model("{theirs}", {options})'
    if net.in_channels != 3:
        raise ModelError(
            f"torchvision's {theirs} takes 3 channels, and this network {net.in_channels}: "
            "timm's takes any number"
        )
    options = f"num_classes={net.num_classes}"
    if isinstance(net, GoogLeNet):
        options += f", aux_logits={bool(net.aux)}, init_weights=False"
    return f"torchvision.models.{theirs}({options})"


def save_state(net: nn.Module, path: str | Path, library: Library) -> Path:
    """Write `export_state` to a file of plain tensors, all at once or not at all.

    Args:
        path: ``.pth`` or ``.pt`` for ``torch.load(path, weights_only=True)``, or ``.safetensors``.

    Raises:
        ConfigError: another suffix.
        ModelError: a family that the library does not have.
        StorageError: the disk is full or may not be written.
    """
    path = Path(path)
    if path.suffix not in (".pth", ".pt", ".safetensors"):
        raise ConfigError(f"{path} must end in .pth, .pt or .safetensors")
    plain = {
        name: tensor.cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in export_state(net, library).items()
    }
    with files.replacing(path) as file:
        if path.suffix == ".safetensors":
            file.write(safetensors.torch.save(plain))
        else:
            torch.save(plain, file)
    return path


def _refuse_other_layers(net: Net, library: Library) -> None:
    """Tensors of the same names and shapes do not make the same network: a stride may differ."""
    options = {option: net.options[option] for option in _FREE if option in net.options}
    with torch.device("meta"):
        theirs = build(net.name, **options)
    if repr(theirs) == repr(net):
        return
    other = [f"{k}={v!r}" for k, v in net.options.items() if theirs.options.get(k) != v]
    raise ModelError(
        f"{library}'s {CONSTRUCTORS[library][net.name]} has other layers than this {net.name} "
        f"({', '.join(other) or 'changed after it was built'}), and would answer otherwise"
    )
