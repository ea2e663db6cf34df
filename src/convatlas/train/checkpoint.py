"""Checkpoints on disk: each whole or absent, each with its checksum, the last three kept.

A checkpoint is one safetensors file: the tensors of a state by name, and the rest of it as JSON in
the header. Nothing in it is ever executed. Its name is ``NUMBER-CHECKSUM.safetensors``, so that
content and checksum appear in one step; the highest number is the latest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from convatlas import files
from convatlas.errors import ModelError

_KEPT = 3
_FORMAT = "1"  # a reader refuses what it does not know
_DIGITS = 32  # of the SHA-256, in the file's name
_TENSOR = "$tensor"  # marks the place of one in the JSON


class Found(NamedTuple):
    """A state that was read, and a line for each damaged checkpoint that was passed over."""

    state: dict[str, Any]
    damaged: tuple[str, ...]


class Checkpoints:
    """The checkpoints of a run, in a folder of their own that only one process writes to.

    Args:
        folder: it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, state: Mapping[str, Any]) -> Path:
        """Write a state, and remove what is older than the last three.

        Args:
            state: nested mappings with words for keys, of tensors and of what JSON can hold.

        Returns:
            The file.

        Raises:
            StorageError: the disk is full or may not be written; the older ones stay.
        """
        tensors: dict[str, Tensor] = {}
        rest = _set_apart(state, "", tensors)
        header = {"format": _FORMAT, "state": json.dumps(rest)}
        content = safetensors.torch.save(tensors, header)
        older = self._all()
        number = _number(older[-1]) + 1 if older else 1
        checksum = hashlib.sha256(content).hexdigest()[:_DIGITS]
        path = self.folder / f"{number:06d}-{checksum}.safetensors"
        files.write_bytes(path, content)
        with files.storing(self.folder):
            for old in older[: 1 - _KEPT]:
                old.unlink()
        return path

    def any(self) -> bool:
        """Whether there is one, damaged or not."""
        return bool(self._all())

    def latest(self) -> Found:
        """The last state that was written and is undamaged, on the CPU.

        Raises:
            ModelError: there is none, or another version wrote it.
        """
        damaged: list[str] = []
        for path in reversed(self._all()):
            try:
                content = path.read_bytes()
            except OSError as error:
                damaged.append(f"{path} cannot be read ({error.strerror}); the one before is used")
                continue
            if hashlib.sha256(content).hexdigest()[:_DIGITS] == path.stem.partition("-")[2]:
                return Found(_state(path, content), tuple(damaged))
            damaged.append(f"{path} is damaged; the one before is used")
        if damaged:
            raise ModelError(
                f"none of the {len(damaged)} checkpoints in {self.folder} is whole: begin another "
                "run"
            )
        raise ModelError(f"there is no checkpoint in {self.folder}: begin another run")

    def clear(self) -> None:
        """Remove all of them.

        Raises:
            StorageError: the disk does not let them go.
        """
        with files.storing(self.folder):
            for path in self._all():
                path.unlink()

    def _all(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.folder.glob("[0-9]*-*.safetensors"), key=_number)


def _number(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _set_apart(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """What JSON can hold of a state; its tensors go into ``tensors``, by their path.

    They are copied, because safetensors takes neither other layouts nor weights that two layers
    share.
    """
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        return {k: _set_apart(v, f"{name}/{k}".lstrip("/"), tensors) for k, v in value.items()}
    return value


def _put_back(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    return {key: _put_back(inner, tensors) for key, inner in value.items()}


def _state(path: Path, content: bytes) -> dict[str, Any]:
    with safetensors.safe_open(path, framework="pt") as opened:
        header = opened.metadata() or {}
    if header.get("format") != _FORMAT:
        raise ModelError(
            f"{path} has format {header.get('format')}, and this version reads {_FORMAT}: go on "
            "with the version that wrote it"
        )
    state: dict[str, Any] = _put_back(json.loads(header["state"]), safetensors.torch.load(content))
    return state
