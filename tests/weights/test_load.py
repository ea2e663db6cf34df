"""Files and state dicts that fit, that nearly fit, and that must not be opened."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from convatlas.errors import ModelError
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.weights.load import export_state, load_weights

State = dict[str, Tensor]


def small(seed: int, **options: Any) -> Net:
    """A residual network of 78 thousand parameters: same rules, small files."""
    torch.manual_seed(seed)
    return build("resnet20", **{"depths": (1, 1, 1), "shortcut": "B", **options})


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def source() -> State:
    return export_state(small(1), "torchvision")


@pytest.mark.parametrize("naming", ["atlas", "torchvision"])
@pytest.mark.parametrize("kind", ["file.safetensors", "file.pth", "file.pt", "dict", "legacy.pth"])
def test_files_and_state_dicts_under_either_naming(naming: Any, kind: str, tmp_path: Path) -> None:
    theirs, ours = small(1), small(2)
    state = export_state(theirs, naming)
    path = tmp_path / kind
    if kind.endswith(".safetensors"):
        safetensors.torch.save_file(state, path)
    elif kind != "dict":
        torch.save(state, path, _use_new_zipfile_serialization=kind != "legacy.pth")
    report = load_weights(ours, state if kind == "dict" else path)
    assert same(ours, theirs)
    assert report.naming == naming
    assert {pair.name for pair in report.pairs} == ours.state_dict().keys()
    assert {pair.source for pair in report.pairs} == state.keys()
    assert all(pair.shape == tuple(ours.state_dict()[pair.name].shape) for pair in report.pairs)
    assert str(report).startswith(f"{len(state)} tensors out of ")


def test_a_pair_says_which_tensor_went_where(source: State) -> None:
    pairs = {pair.name: pair for pair in load_weights(small(2), source).pairs}
    pair = pairs["stages.conv3_x.0.shortcut.conv.weight"]
    assert (pair.source, pair.shape) == ("layer2.0.downsample.0.weight", (32, 16, 1, 1))


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_checkpoint_is_opened_and_data_parallels_prefix_taken_off(
    key: str, source: State
) -> None:
    ours = small(2)
    load_weights(ours, {"epoch": 3, key: {f"module.{n}": t for n, t in source.items()}})
    assert same(ours, small(1))


def test_counters_of_batches_may_be_missing(source: State) -> None:
    old = {name: t for name, t in source.items() if not name.endswith("num_batches_tracked")}
    ours = small(2)
    report = load_weights(ours, old)
    assert len(report.pairs) == len(old)
    assert set(report.kept) == {n for n in ours.state_dict() if n.endswith("num_batches_tracked")}
    assert "kept: " in str(report)


def test_any_module_takes_its_own_names() -> None:
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    load_weights(one, other.state_dict())
    assert same(one, other)


def renamed(state: State) -> State:
    return {f"backbone.{name}": tensor for name, tensor in state.items()}


def without(*names: str) -> Callable[[State], State]:
    return lambda state: {name: t for name, t in state.items() if name not in names}


def with_shape(name: str, *shape: int) -> Callable[[State], State]:
    return lambda state: {**state, name: torch.zeros(shape)}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without("fc.weight"), r"lacks tensors of resnet20 \(fc\.weight\): build the network"),
        (without("fc.weight", "fc.bias", "conv1.weight"), r"\(conv1\.weight, fc\.weight, fc\.bias"),
        (with_shape("layer9.weight", 1), r"has no place for \(layer9\.weight\)"),
        (with_shape("fc.weight", 7, 64), r"fc\.weight .* is 7×64, .* 10×64 .*num_classes=7"),
        (with_shape("conv1.weight", 16, 1, 3, 3), r"16×1×3×3, .* in_channels=1"),
        (with_shape("layer2.0.conv1.weight", 8, 1), r"is 8×1, and resnet20 takes 32×16×3×3"),
        (with_shape("bn1.num_batches_tracked", 2), r"is 2, and resnet20 takes one number"),
        (renamed, r"nothing in .* \(backbone\.conv1\.weight, .* and \d+ more\) is a tensor"),
        (lambda state: {}, r"nothing in the state dict \(nothing\)"),
        (lambda state: {"conv1.weight": "text"}, r"holds no state dict"),
    ],
)
def test_a_source_that_does_not_fit_is_explained_and_nothing_is_copied(
    spoil: Callable[[State], Any], said: str, source: State
) -> None:
    ours = small(2)
    with pytest.raises(ModelError, match=said) as caught:
        load_weights(ours, spoil(source))
    assert "\n" not in str(caught.value)
    assert same(ours, small(2))


def test_a_deployed_network_lacks_auxiliary_heads_and_says_what_to_do() -> None:
    net = build("googlenet", num_classes=3, input_size=79)
    _, weights = net.deployed()
    with pytest.raises(ModelError, match=r"lacks tensors of googlenet .*aux=False"):
        load_weights(net, weights)


def test_weights_of_a_dense_head_for_another_size_say_so() -> None:
    with torch.device("meta"):
        small_head, large_head = build("alexnet_owt", input_size=64), build("alexnet_owt")
    with pytest.raises(ModelError, match=r"classifier\.1\.weight .* input_size"):
        load_weights(small_head, export_state(large_head, "torchvision"))


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
        load_weights(small(2), path)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(small(1), tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"wants to run code \(convatlas\.nets\.resnet\.ResNet\)"):
        load_weights(small(2), tmp_path / "net.pt")


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.pt"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", "half"])
def test_a_damaged_file_is_named(
    name: str, content: bytes | str, tmp_path: Path, source: State
) -> None:
    path = tmp_path / name
    if content == "half":
        save = safetensors.torch.save_file if path.suffix == ".safetensors" else torch.save
        save(source, path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    assert isinstance(content, bytes)
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name} is damaged, or holds more than tensors"):
        load_weights(small(2), path)


def test_a_file_that_is_not_there_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="resnet50-v1 is no file"):
        load_weights(small(2), tmp_path / "resnet50-v1")
    (tmp_path / "weights.h5").touch()
    with pytest.raises(ModelError, match=r"neither \.safetensors nor \.pth"):
        load_weights(small(2), tmp_path / "weights.h5")
