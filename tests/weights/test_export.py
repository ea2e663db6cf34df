"""Files for torchvision's and timm's constructors, loaded by these very constructors."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
import safetensors.torch
import torch
from torch import nn

from convatlas.errors import ConfigError, ModelError
from convatlas.nets.build import build
from convatlas.nets.catalog import CATALOG
from convatlas.nets.parts import Net
from convatlas.weights.export import CONSTRUCTORS, Library, constructor, export_state, save_state

#: where the atlas has a name of its own for a network of torchvision's
RENAMED = {"alexnet": "alexnet_owt", "googlenet": "googlenet_bn"}


def on_meta(name: str, **options: Any) -> Net:
    with torch.device("meta"):
        return build(name, **options)


def called(call: str, torchvision_models: ModuleType, timm_models: ModuleType) -> nn.Module:
    """What the printed line builds."""

    class TorchVision:
        models = torchvision_models

    net = eval(call, {"torchvision": TorchVision, "timm": timm_models})
    assert isinstance(net, nn.Module)
    return net


def test_every_network_that_a_library_has_is_exported(
    torchvision_models: ModuleType, timm_models: ModuleType
) -> None:
    theirs = {
        "torchvision": {RENAMED.get(n, n) for n in torchvision_models.list_models()},
        "timm": set(timm_models.list_models()),
    }
    # torchvision's alexnet and googlenet are not the papers', which the atlas calls so
    for library in get_args(Library):
        assert set(CONSTRUCTORS[library]) == theirs[library] & CATALOG.keys()


@pytest.mark.slow
@pytest.mark.parametrize("library", get_args(Library))
def test_each_constructor_takes_the_names_and_shapes(
    library: Library, torchvision_models: ModuleType, timm_models: ModuleType
) -> None:
    for name in CONSTRUCTORS[library]:
        ours = on_meta(name, num_classes=7)
        with torch.device("meta"):
            theirs = called(constructor(ours, library), torchvision_models, timm_models)
        expected = {n: t.shape for n, t in theirs.state_dict().items()}
        assert {n: t.shape for n, t in export_state(ours, library).items()} == expected


@pytest.mark.parametrize(
    ("name", "library", "options", "suffix"),
    [
        ("resnet18", "torchvision", {"num_classes": 7}, ".pth"),
        ("resnet18", "timm", {"num_classes": 7, "in_channels": 1}, ".safetensors"),
        ("googlenet_bn", "torchvision", {"num_classes": 7, "aux": False, "dropout": 0.4}, ".pt"),
    ],
)
@torch.inference_mode()
def test_a_file_gives_the_same_logits_there(
    name: str,
    library: Library,
    options: dict[str, Any],
    suffix: str,
    torchvision_models: ModuleType,
    timm_models: ModuleType,
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    ours = build(name, **options).to(memory_format=torch.channels_last)
    x = torch.randn(2, ours.in_channels, 64, 64)
    ours.train()(x)  # running statistics that are not the first ones
    path = save_state(ours, tmp_path / f"weights{suffix}", library)
    read = safetensors.torch.load_file if suffix == ".safetensors" else torch.load
    theirs = called(constructor(ours, library), torchvision_models, timm_models)
    theirs.load_state_dict(read(path))
    expected = ours.eval()(x)
    # the same float32 sums, at most in another order for another memory layout
    assert (theirs.eval()(x) - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    ("name", "options", "library", "said"),
    [
        ("lenet5", {}, "torchvision", "torchvision has no lenet5: it has vgg11, "),
        ("resnet20", {}, "timm", "timm has no resnet20"),
        ("resnet50", {"stride_in": "1x1"}, "timm", r"other layers .* \(stride_in='1x1'\)"),
        ("resnet18", {"norm": "group"}, "torchvision", r"\(norm='group'\)"),
        ("vgg11", {"input_size": 64}, "torchvision", r"\(input_size=64\)"),
        ("resnet18", {"in_channels": 1}, "torchvision", "takes 3 channels, .* 1: timm's takes"),
    ],
)
def test_what_a_library_lacks_is_refused(
    name: str, options: dict[str, Any], library: Library, said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        constructor(on_meta(name, **options), library)


def test_a_network_that_was_changed_or_is_of_no_catalogue_is_refused() -> None:
    net = on_meta("resnet18")
    net.stages.conv3_x[0].residual.conv1.stride = (1, 1)
    with pytest.raises(ModelError, match="changed after it was built"):
        constructor(net, "timm")
    with pytest.raises(ModelError, match="timm has no Linear"):
        constructor(nn.Linear(2, 2), "timm")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.pth, \.pt or \.safetensors"):
        save_state(on_meta("resnet18"), tmp_path / "weights.onnx", "timm")
    assert list(tmp_path.iterdir()) == []
