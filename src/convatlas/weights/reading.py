"""State dicts out of the files that people keep weights in; nothing in a file is executed."""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from convatlas.errors import ModelError

#: PyTorch's own files; ``.tar`` for the many that are called ``model_best.pth.tar``
PYTORCH = (".pth", ".pt", ".th", ".bin", ".tar")
SUFFIXES = (".safetensors", *PYTORCH)

#: Where training programs put the state dict among what else they save. Weights averaged over the
#: training (EMA) go first, as in timm: they are the ones whose accuracy was published.
KEYS = ("state_dict_ema", "model_ema", "ema", "state_dict", "model_state_dict", "model", "net")


def read(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, on the CPU, in the file's order and under its names.

    Args:
        path: a file with one of `SUFFIXES`, or a run folder, whose model is meant.

    Raises:
        ModelError: no such file, a damaged one, one that would run code as it is opened, or one
            without a state dict.
    """
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise ModelError(f"{path} is no file: give the path of a .safetensors or .pth file")
    match path.suffix.lower():
        case ".safetensors":
            try:
                return safetensors.torch.load_file(path)
            except (safetensors.SafetensorError, OSError) as error:
                raise ModelError(_damaged(path)) from error
        case suffix if suffix in PYTORCH:
            return state_dict(_load(path), str(path))
    known = ", ".join(SUFFIXES[:-1])
    raise ModelError(f"{path} is none of {known} or {SUFFIXES[-1]}: rename or convert it")


def state_dict(held: Any, said: str) -> dict[str, Tensor]:
    """The state dict in what a training program saved: all of it, or an entry of `KEYS`.

    Args:
        held: a mapping; what it holds beside the state dict (epoch, optimiser) is passed over.
        said: what errors call it.

    Raises:
        ModelError: there is none.
    """
    found = _find(held)
    if found is None:
        entries = ", ".join(map(str, held)) if isinstance(held, Mapping) else type(held).__name__
        raise ModelError(
            f"{said} holds no state dict (names with tensors), but {entries or 'nothing'}: "
            "save net.state_dict()"
        )
    # what torch.optim.swa_utils.AveragedModel counts beside the network it wraps
    return {str(name): tensor for name, tensor in found.items() if name != "n_averaged"}


def _find(held: Any) -> Mapping[Any, Tensor] | None:
    if not isinstance(held, Mapping) or not held:
        return None
    if all(isinstance(value, Tensor) for value in held.values()):
        return held
    nested = (_find(held.get(key)) for key in KEYS)
    return next((found for found in nested if found is not None), None)


def _load(path: Path) -> Any:
    try:
        # a Namespace holds the arguments of timm's and torchvision's training, and does nothing
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # of what is refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        if "TorchScript" in str(error):
            code = "a TorchScript program"
        elif wanted := re.search(r"GLOBAL ([\w.]+)", str(error)):
            code = wanted[1]
        else:
            raise ModelError(_damaged(path)) from error
        raise ModelError(
            f"{path} wants to run code ({code}) as it is opened, and is refused: "
            "ask for plain tensors (a state dict, or .safetensors)"
        ) from None


def _damaged(path: Path) -> str:
    return f"{path} is damaged, or holds more than tensors: fetch it again, or as a state dict"
