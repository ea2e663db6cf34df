"""Files in which people keep weights, and files that must not be opened."""

from __future__ import annotations

import argparse
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from convatlas.errors import ModelError
from convatlas.nets.build import build
from convatlas.weights.reading import SUFFIXES, read, state_dict

STATE = {"b.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.arange(3.0)}
OTHER = {name: tensor + 1 for name, tensor in STATE.items()}


def assert_state(found: dict[str, Tensor]) -> None:
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PTH", ".pth.tar"])
@pytest.mark.parametrize("legacy", [False, True])
def test_every_kind_of_file(suffix: str, legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=not legacy)
        assert list(read(path)) == list(STATE)  # in the order in which they were saved
    assert_state(read(path))


@pytest.mark.parametrize(
    "held",
    [
        STATE,
        {"state_dict": STATE, "best_prec1": 91.7, "epoch": 3},
        {"model": STATE, "optimizer": {"state": {}, "lr": [0.1]}, "best": torch.tensor(0.9)},
        {"net": STATE, "acc": 95.1},
        {"model_state_dict": STATE, "loss": 0.1},
        {"model": {"state_dict": STATE, "name": "x"}},
        {"state_dict": OTHER, "state_dict_ema": STATE},
        {"model": OTHER, "model_ema": STATE},
        {"ema": {"state_dict": STATE, "decay": 0.99}, "model": OTHER},
        {"state_dict": STATE, "ema": None, "model": "resnet20"},
        {"state_dict": STATE, "ema": {"decay": 0.99}},
        {"state_dict": STATE, "args": argparse.Namespace(lr=0.1, data="x")},
    ],
)
def test_the_state_dict_is_found_and_averaged_weights_go_first(held: Any, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "a.th")
    assert_state(read(tmp_path / "a.th"))
    assert_state(state_dict(held, "it"))


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"epoch": 3, "weights": STATE}, "but epoch, weights: save"),
        ([1, 2], "but list: save"),
        ({}, "but nothing: save"),
    ],
)
def test_where_there_is_none_what_there_is_gets_listed(
    held: Any, said: str, tmp_path: Path
) -> None:
    torch.save(held, tmp_path / "a.pt")
    with pytest.raises(ModelError, match=rf"a\.pt holds no state dict .*{said}"):
        read(tmp_path / "a.pt")


def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        torch.jit.save(torch.jit.trace(nn.Linear(2, 1), torch.zeros(1, 2)), tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"a\.pt wants to run code \(a TorchScript program\)"):
        read(tmp_path / "a.pt")


class Intruder:
    """Pickled, it opens a file when it is read: the mark of code that ran."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.mark), "w"))


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_a_pickle_that_wants_to_run_code_is_refused(
    writer: str, protocol: int, tmp_path: Path
) -> None:
    path, mark = tmp_path / "weights.pth", tmp_path / "mark"
    held = {"conv1.weight": Intruder(mark)}
    if writer == "torch":
        torch.save(held, path, pickle_protocol=protocol)
    else:
        path.write_bytes(pickle.dumps(held, protocol))
    # PyTorch's reader of plain tensors knows protocol 2; of another it can tell only that it is one
    said = r"wants to run code \((io\.)?open\)" if protocol == 2 else "holds more than tensors"
    with pytest.raises(ModelError, match=rf"weights\.pth .*{said}") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(build("lenet5"), tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"wants to run code \(convatlas\.nets\.lenet\.LeNet5\)"):
        read(tmp_path / "net.pt")


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.pt"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", "half"])
def test_a_damaged_file_is_named(name: str, content: bytes | str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content == "half":
        save = safetensors.torch.save_file if path.suffix == ".safetensors" else torch.save
        save(STATE, path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    assert isinstance(content, bytes)
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name} is damaged, or holds more than tensors"):
        read(path)


def test_a_file_that_is_not_there_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="resnet50-v1 is no file"):
        read(tmp_path / "resnet50-v1")
    (tmp_path / "weights.h5").touch()
    with pytest.raises(ModelError, match=r"none of \.safetensors, \.pth, .*\.tar"):
        read(tmp_path / "weights.h5")
