"""Same weights, same logits: every network that torchvision or timm has too, in both directions."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.errors import ConfigError, ModelError
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.weights.catalog import PRETRAINED, Pretrained
from convatlas.weights.export import export_state
from convatlas.weights.keymaps import keymap
from convatlas.weights.load import load_weights

RESNETS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
)
VGGS = tuple(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn"))
#: torchvision's names, where they are not the atlas's
TORCHVISION = {"alexnet_owt": "alexnet", "googlenet_bn": "googlenet"}
DENSE = ("alexnet_owt", *VGGS)
#: One of each rule table; the deeper and wider ones take seconds.
QUICK = ("alexnet_owt", "vgg11_bn", "googlenet_bn", "resnet18", "resnext50_32x4d")

#: Both sides compute the same sums in the same float32 kernels; what differs is at most the order
#: of additions that a kernel picks for a memory layout. Relative to the largest logit.
TOLERANCE = 1e-5


IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def some_slow(*names: str) -> list[Any]:
    marks = {name: () if name in QUICK else pytest.mark.slow for name in names}
    return [pytest.param(name, marks=marks[name]) for name in names]


@torch.no_grad()
def filled(net: nn.Module) -> nn.Module:
    """A network built on the meta device, with cheap weights under which signals stay in range."""
    net.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in net.state_dict().items():
        if tensor.dim() > 1:
            bound = (6 / tensor[0].numel()) ** 0.5  # He's uniform distribution
            tensor.uniform_(-bound, bound, generator=generator)
        elif name.endswith(("running_var", "weight")):
            tensor.uniform_(0.8, 1.2, generator=generator)
        elif tensor.is_floating_point():
            tensor.uniform_(-0.1, 0.1, generator=generator)
        else:
            tensor.fill_(3)  # batches tracked
    return net


def empty(name: str, **options: object) -> Net:
    """A network of the atlas whose every number is NaN: what is not loaded shows."""
    with torch.device("meta"):
        net = build(name, **options)
    net.to_empty(device="cpu").eval()
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.fill_(torch.nan if tensor.is_floating_point() else -1)
    return net


@torch.inference_mode()
def assert_same(ours: Net, theirs: nn.Module, naming: str, side: int) -> None:
    """Their weights in our network give their logits; exported, they are theirs to the bit."""
    report = load_weights(ours, theirs.state_dict())
    assert len(report.pairs) == len(ours.state_dict())
    assert (report.ignored, report.kept) == ((), ())
    x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    expected, found = theirs(x), ours(x)
    assert expected.std() > 0
    assert (found - expected).abs().max() <= TOLERANCE * expected.abs().max()
    assert_exported(ours, theirs, naming)


def assert_exported(ours: Net, theirs: nn.Module, naming: str) -> None:
    exported = export_state(ours, naming)
    state: dict[str, Tensor] = theirs.state_dict()
    assert exported.keys() == state.keys()
    assert [name for name in state if not torch.equal(exported[name], state[name])] == []


@pytest.mark.parametrize("name", some_slow(*RESNETS, "googlenet_bn", *DENSE))
def test_same_weights_same_logits_as_torchvision(name: str, torchvision_models: ModuleType) -> None:
    options = {}
    if name == "googlenet_bn":
        options = {"aux_logits": True, "init_weights": False}
    elif name in VGGS:
        options = {"init_weights": False}
    with torch.device("meta"):
        theirs = getattr(torchvision_models, TORCHVISION.get(name, name))(**options)
    assert_same(empty(name), filled(theirs), "torchvision", 224 if name in DENSE else 64)


@pytest.mark.parametrize("name", some_slow(*RESNETS, *VGGS))
def test_same_weights_same_logits_as_timm(name: str, timm_models: ModuleType) -> None:
    with torch.device("meta"):
        theirs = timm_models.create_model(name)
    assert_same(empty(name), filled(theirs), "timm", 224 if name in DENSE else 64)


class AkamasterBlock(nn.Module):
    """``relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))``."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.stride, self.zeros = stride, (c_out - c_in) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:  # option A: every second pixel, and a quarter of zeros on either side
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.zeros, self.zeros), "constant", 0)
        return F.relu(y + x)


class AkamasterResNet(nn.Module):
    """The network of akamaster/pytorch_resnet_cifar10 as its README and its files describe it."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self.stage(blocks, 16, 16, 1)
        self.layer2 = self.stage(blocks, 16, 32, 2)
        self.layer3 = self.stage(blocks, 32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def stage(self, blocks: int, c_in: int, c_out: int, stride: int) -> nn.Sequential:
        others = [AkamasterBlock(c_out, c_out, 1) for _ in range(blocks - 1)]
        return nn.Sequential(AkamasterBlock(c_in, c_out, stride), *others)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        y = F.avg_pool2d(y, y.size()[3])
        return self.linear(y.view(y.size(0), -1))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(("name", "blocks"), [("resnet20", 3), ("resnet56", 9)])
@torch.inference_mode()
def test_akamasters_checkpoints_load_as_they_are(
    name: str, blocks: int, zipped: bool, tmp_path: Path
) -> None:
    """`resnet20-12fca82f.th` and its like: trained under DataParallel, saved with their score."""
    theirs = filled(AkamasterResNet(blocks))
    state = nn.DataParallel(theirs).state_dict()
    assert {"module.layer1.0.conv1.weight", "module.linear.weight"} <= state.keys()
    path = tmp_path / f"{name}.th"
    held = {"state_dict": state, "best_prec1": 91.73}
    torch.save(held, path, _use_new_zipfile_serialization=zipped)

    ours = empty(name)
    report = load_weights(ours, path)
    assert (report.naming, len(report.pairs)) == ("akamaster", len(ours.state_dict()))
    pixels = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    x = (pixels - mean) / deviation
    expected = theirs(x)
    assert expected.std() > 0
    assert (ours(x) - expected).abs().max() <= TOLERANCE * expected.abs().max()
    assert_exported(ours, theirs, "akamaster")


def published_by(row: Pretrained) -> str:
    tag = row.id.partition(".")[2]
    if tag == "akamaster":
        return tag
    return "torchvision" if tag in ("tv_v1", "tv_v2") else "timm"


#: One row of each network and publisher, for its files differ in nothing but numbers.
PUBLISHED = {(row.net, published_by(row)): row for row in PRETRAINED.values()}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "library"), PUBLISHED)
def test_every_network_of_the_catalogue_of_weights_takes_its_publishers_tensors(
    name: str, library: str, torchvision_models: ModuleType, timm_models: ModuleType
) -> None:
    """By shapes alone: those of the publisher's own network, aux heads of GoogLeNet included."""
    row = PUBLISHED[name, library]
    with torch.device("meta"):
        ours = build(row.net, num_classes=row.num_classes, **row.options)
        if library == "akamaster":
            theirs: nn.Module = AkamasterResNet((int(name.removeprefix("resnet")) - 2) // 6)
        elif library == "timm":
            theirs = timm_models.create_model(name)
        else:
            quick = {"init_weights": False} if name.startswith(("vgg", "goog")) else {}
            theirs = getattr(torchvision_models, TORCHVISION.get(name, name))(**quick)
    report = load_weights(ours, theirs.state_dict())
    assert len(report.pairs) == len(ours.state_dict())
    assert report.kept == ()
    assert all(tensor.startswith("aux") for tensor in report.ignored)


def test_auxiliary_outputs_are_torchvisions_by_name(torchvision_models: ModuleType) -> None:
    """torchvision lists aux_logits2 before aux_logits1: only names tell which is which."""
    with torch.device("meta"):
        theirs = torchvision_models.googlenet(aux_logits=True, init_weights=False, dropout_aux=0.0)
    theirs = filled(theirs).train()
    ours = empty("googlenet_bn")
    load_weights(ours, theirs.state_dict())
    for net in (ours.train(), theirs):
        for layer in net.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
    with torch.no_grad():
        x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        expected, found = theirs(x), ours(x)
    for here, there in (("logits", "logits"), ("aux1", "aux_logits1"), ("aux2", "aux_logits2")):
        a, b = getattr(found, here), getattr(expected, there)
        assert (a - b).abs().max() <= TOLERANCE * b.abs().max()
    assert (found.aux1 - found.aux2).abs().max() > 0.01 * found.aux1.abs().max()


def test_auxiliary_heads_of_a_file_are_ignored_where_the_network_has_none(
    torchvision_models: ModuleType,
) -> None:
    with torch.device("meta"):
        theirs = torchvision_models.googlenet(aux_logits=True, init_weights=False)
        without = torchvision_models.googlenet(aux_logits=False, init_weights=False)
    ours = empty("googlenet_bn", aux=False)
    report = load_weights(ours, filled(theirs).state_dict())
    assert {name.split(".")[0] for name in report.ignored} == {"aux1", "aux2"}
    assert not any(torch.isnan(t).any() for t in ours.state_dict().values())
    assert export_state(ours, "torchvision").keys() == without.state_dict().keys()


def test_a_family_that_a_library_lacks_is_named() -> None:
    with torch.device("meta"):
        lenet, googlenet = build("lenet5"), build("googlenet_bn")
    with pytest.raises(ModelError, match="torchvision has no LeNet"):
        keymap(lenet, "torchvision")
    with pytest.raises(ModelError, match="timm has no GoogLeNet"):
        export_state(googlenet, "timm")
    with pytest.raises(ConfigError, match="naming is 'keras'"):
        keymap(lenet, "keras")  # type: ignore[arg-type]
