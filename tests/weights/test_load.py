"""Sources that fit a network, and that nearly fit."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from convatlas.classifier import Classifier
from convatlas.data import Preprocess
from convatlas.errors import ConfigError, ModelError, UnknownNameError
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.weights.catalog import PRETRAINED
from convatlas.weights.export import export_state
from convatlas.weights.load import load_weights

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


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
@pytest.mark.parametrize("naming", ["atlas", "torchvision", "akamaster"])
def test_a_prefix_that_all_names_share_is_taken_off(naming: Any, prefix: str) -> None:
    """DataParallel's, torch.compile's, both, and Lightning's."""
    state = {f"{prefix}{n}": t for n, t in export_state(small(1), naming).items()}
    ours = small(2)
    report = load_weights(ours, {"epoch": 3, "state_dict": state})
    assert same(ours, small(1))
    assert report.naming == naming
    assert {pair.source for pair in report.pairs} == state.keys()


def test_averaged_weights_of_pytorch() -> None:
    """AveragedModel puts a prefix and counts how often it was updated."""
    ours = small(2)
    averaged = torch.optim.swa_utils.AveragedModel(small(1), use_buffers=True)
    load_weights(ours, {"model": small(3).state_dict(), "model_ema": averaged.state_dict()})
    assert same(ours, small(1))


def test_a_run_folder_means_its_model(tmp_path: Path) -> None:
    preprocess = Preprocess(32, 32, 3, (0.5,) * 3, (0.25,) * 3)
    classes = tuple("abcdefghij")
    Classifier(small(1), preprocess, classes).save(tmp_path / "model.safetensors")
    for path in (tmp_path, str(tmp_path / "model.safetensors")):
        ours = small(2)
        load_weights(ours, path)
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


def without(*names: str) -> Callable[[State], State]:
    return lambda state: {name: t for name, t in state.items() if name not in names}


def with_shape(name: str, *shape: int) -> Callable[[State], State]:
    return lambda state: {**state, name: torch.zeros(shape)}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without("fc.weight"), r"lacks tensors of resnet20 \(fc\.weight\): the rest fits resnet20"),
        (without("fc.weight", "fc.bias", "conv1.weight"), r"\(conv1\.weight, fc\.weight, fc\.bias"),
        (with_shape("layer9.weight", 1), r"has no place for \(layer9\.weight\)"),
        (with_shape("fc.weight", 7, 64), r"fc\.weight .* is 7×64, .* 10×64 .*num_classes=7"),
        (with_shape("conv1.weight", 16, 1, 3, 3), r"16×1×3×3, .* in_channels=1"),
        (with_shape("layer2.0.conv1.weight", 8, 1), r"is 8×1, and resnet20 takes 32×16×3×3"),
        (with_shape("bn1.num_batches_tracked", 2), r"is 2, and resnet20 takes one number"),
        (lambda state: {}, r"the state dict holds no state dict .* but nothing: save"),
        (lambda state: {"conv1.weight": "text"}, r"holds no state dict .* but conv1\.weight: save"),
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("built", "given", "said"),
    [
        (
            "resnet18",
            "resnet34",
            r"has no place for .*: its shapes fit resnet34 best \(97% of the kernels\): build that",
        ),
        ("resnet34", "resnet18", r"lacks tensors of resnet34 .*: its shapes fit resnet18 best"),
        ("resnet50", "wide_resnet50_2", r"takes 64×64×1×1 .*: its shapes fit wide_resnet50_2 best"),
        ("lenet5", "googlenet_bn", r"is one of lenet5's, nor .*; its shapes fit googlenet_bn best"),
    ],
)
def test_weights_of_another_network_say_which(built: str, given: str, said: str) -> None:
    with torch.device("meta"):
        ours, theirs = build(built), build(given, num_classes=7)
    with pytest.raises(ModelError, match=said):
        load_weights(ours, export_state(theirs, "torchvision"))


def test_weights_of_the_network_with_other_options_say_so() -> None:
    with torch.device("meta"):
        ours, theirs = build("resnet20", width=32), build("resnet20")
    with pytest.raises(ModelError, match="build resnet20 with the options that these weights"):
        load_weights(ours, theirs.state_dict())


def foreign(state: State) -> State:
    """The same tensors in the same order under names that nobody knows."""
    layers = {name.rpartition(".")[0]: None for name in state}
    new = {layer: f"net.part{i}" for i, layer in enumerate(layers)}
    return {f"{new[n.rpartition('.')[0]]}.{n.rpartition('.')[2]}": t for n, t in state.items()}


@pytest.mark.parametrize("kind", ["dict", "file.pth", "model_best.pth.tar"])
def test_unknown_names_are_matched_by_order_and_the_report_says_so(
    kind: str, source: State, tmp_path: Path
) -> None:
    state, ours = foreign(source), small(2)
    torch.save({"epoch": 3, "net": state}, tmp_path / kind)
    report = load_weights(ours, state if kind == "dict" else tmp_path / kind)
    assert same(ours, small(1))
    assert report.naming == "order"
    assert "by order and shape, since nobody knows its names: check the pairs" in str(report)
    rows = [row.split() for row in report.table().splitlines()]
    assert rows[0] == ["stem.conv.weight", "net.part0.weight", "16×3×3×3"]
    assert [here for here, _, *_ in rows] == list(ours.state_dict())
    assert [there for _, there, *_ in rows] == list(state)


def test_a_few_names_that_happen_to_be_known_do_not_hinder(source: State) -> None:
    new, ours = dict(zip(source, foreign(source), strict=True)), small(2)
    state = {n if n.startswith("fc.") else new[n]: t for n, t in source.items()}
    assert load_weights(ours, state).naming == "order"
    assert same(ours, small(1))


def test_old_files_under_unknown_names_lack_counters(source: State) -> None:
    old = {n: t for n, t in foreign(source).items() if not n.endswith("num_batches_tracked")}
    ours = small(2)
    report = load_weights(ours, old)
    assert report.naming == "order"
    assert report.kept == tuple(n for n in ours.state_dict() if n.endswith("tracked"))
    assert len(report.pairs) == len(old)


def test_a_safetensors_file_has_no_order(source: State, tmp_path: Path) -> None:
    safetensors.torch.save_file(foreign(source), tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match=r"no name in .*a\.safetensors .*keeps no order"):
        load_weights(small(2), tmp_path / "a.safetensors")


def test_what_is_left_over_by_order_is_named(source: State) -> None:
    ours = small(2)
    with pytest.raises(ModelError, match=r"left over are extra \(3×5\) in the source;"):
        load_weights(ours, {**foreign(source), "extra": torch.zeros(3, 5)})
    assert same(ours, small(2))


@pytest.fixture
def published(host: Any, source: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of weights that a web server has, under a licence that forbids commercial use."""
    buffer = io.BytesIO()
    torch.save({"state_dict": source}, buffer)
    row = replace(
        PRETRAINED["resnet20.akamaster"],
        id="resnet20.test",
        url=f"{host.url}/small.th",
        sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
        size=None,
        non_commercial=True,
    )
    host.files["/small.th"] = buffer.getvalue()
    monkeypatch.setitem(PRETRAINED, row.id, row)
    monkeypatch.setenv("CONVATLAS_CACHE", str(tmp_path))
    return row.id


def test_an_id_means_its_file_which_is_fetched(published: str) -> None:
    ours = small(2)
    with pytest.raises(ConfigError, match=r"resnet20\.test is under .*--accept-licence"):
        load_weights(ours, published)
    report = load_weights(ours, published, accept_licence=True)
    assert (report.source, report.naming) == (published, "torchvision")
    assert same(ours, small(1))


def test_a_file_goes_before_an_id_of_the_same_name(
    published: str, host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Classifier(small(3), Preprocess(32, 32, 3, (0.5,) * 3, (0.25,) * 3), tuple("abcdefghij")).save(
        Path(published) / "model.safetensors"
    )
    ours = small(2)
    load_weights(ours, published)
    assert same(ours, small(3))
    assert host.asked == []


def test_neither_a_file_nor_an_id() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown file or pretrained weights 'resnet20\.aka"
    ):
        load_weights(small(2), "resnet20.akamasters")
    with pytest.raises(ModelError, match=r"akamaster\.pth is no file"):
        load_weights(small(2), "resnet20.akamaster.pth")
