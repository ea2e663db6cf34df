"""What matching by order may do, and above all what it may not: pair two tensors wrongly."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from torch import Tensor, nn

from convatlas.errors import ModelError
from convatlas.nets.build import build
from convatlas.weights.keymaps import Naming, keymap
from convatlas.weights.load import load_weights
from convatlas.weights.loose import match

Shapes = dict[str, tuple[int, ...]]


def both(name: str, naming: Naming = "torchvision") -> tuple[Shapes, Shapes, dict[str, str]]:
    """Shapes under our names and under others, and how they truly belong together."""
    with torch.device("meta"):
        net = build(name)
    places = keymap(net, naming)
    own = {n: tuple(t.shape) for n, t in net.state_dict().items()}
    return own, {p.name: p.shape for p in places.values()}, {n: p.name for n, p in places.items()}


@pytest.mark.parametrize("naming", ["torchvision", "akamaster"])
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet20"])
def test_the_same_order_gives_the_true_pairs(name: str, naming: Naming) -> None:
    own, theirs, true = both(name, naming)
    assert match(own, theirs) == true


@pytest.mark.parametrize("name", ["googlenet_bn", "vgg11", "alexnet_owt"])
def test_so_it_does_in_the_other_families(name: str) -> None:
    own, theirs, true = both(name)
    assert match(own, theirs) == true


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet20", "resnet50", "vgg16_bn"])
def test_two_tensors_that_change_places_are_refused_or_still_paired_right(name: str) -> None:
    """Every exchange of neighbours, and many of others: most have equal shapes."""
    own, theirs, true = both(name)
    names = list(theirs)
    choose = random.Random(0)
    exchanges = [*itertools.pairwise(range(len(names)))]
    exchanges += [tuple(choose.sample(range(len(names)), 2)) for _ in range(300)]
    refused = 0
    for i, j in exchanges:
        moved = names.copy()
        moved[i], moved[j] = moved[j], moved[i]
        try:
            assert match(own, {n: theirs[n] for n in moved}) == true
        except ModelError:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize("name", ["resnet20", "resnet50"])
def test_blocks_and_layers_that_change_places_are_refused_or_still_paired_right(name: str) -> None:
    """Stages, blocks, layers: shapes alone would let hundreds of these pass."""
    own, theirs, true = both(name)
    choose = random.Random(0)
    refused = 0
    for depth in (1, 2, 3):
        parts: dict[str, list[str]] = {}
        for n in theirs:
            parts.setdefault(".".join(n.split(".")[:depth]), []).append(n)
        every = list(itertools.combinations(range(len(parts)), 2))
        for i, j in choose.sample(every, min(len(every), 200)):
            moved = list(parts.values())
            moved[i], moved[j] = moved[j], moved[i]
            try:
                assert match(own, {n: theirs[n] for part in moved for n in part}) == true
            except ModelError:
                refused += 1
    assert refused > 300


def test_sorted_names_are_refused() -> None:
    """As .safetensors has them, layer3.10 before layer3.2; the shapes agree all the same."""
    own, theirs, _ = both("resnet101")
    blocks = {n: int(n.split(".")[1]) for n in theirs if n.startswith("layer3.")}
    middle = sorted((n for n in blocks if blocks[n] > 0), key=lambda n: str(blocks[n]))
    replaced = iter(middle)
    moved = [next(replaced) if blocks.get(n) else n for n in theirs]
    assert [theirs[n] for n in moved] == list(theirs.values())
    said = r"not in the order .*\(layer3\.2\.conv1 comes after layer3\.19\.bn3\)"
    with pytest.raises(ModelError, match=said):
        match(own, {n: theirs[n] for n in moved})


def test_a_shortcut_registered_before_the_last_convolution_is_refused() -> None:
    """In ResNet-50's first block the two have the same shape, and so have their norms."""
    own, theirs, _ = both("resnet50")
    names = [n.replace("layer", "stage") for n in theirs]
    last = [n for n in names if n.startswith(("stage1.0.conv3.", "stage1.0.bn3."))]
    shortcut = [n for n in names if n.startswith("stage1.0.downsample.")]
    at = names.index(last[0])
    names[at : at + len(last + shortcut)] = shortcut + last
    with pytest.raises(ModelError, match=r"downsample\.0\.weight stands in .*: one is a shortcut"):
        match(own, dict(zip(names, theirs.values(), strict=True)))


def test_parameters_before_buffers() -> None:
    """As ``dict(named_parameters()) | dict(named_buffers())`` has them."""
    own, theirs, true = both("resnet18")
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    first = {n: s for n, s in theirs.items() if not n.endswith(buffers)}
    assert match(own, first | theirs) == true


def test_names_without_any_structure() -> None:
    own, theirs, _ = both("resnet18")
    numbered = {f"t{i}": s for i, s in enumerate(theirs.values())}
    assert list(match(own, numbered).values()) == list(numbered)
    with pytest.raises(ModelError, match="not in the order"):
        match(own, dict(reversed(numbered.items())))


def test_what_is_left_over_is_named_on_both_sides() -> None:
    own, theirs, _ = both("resnet18")
    theirs["fc.weight"] = (7, 512)
    said = r"left over are fc\.weight \(7×512\) in the source and head\.fc\.weight \(1000×512\) in"
    with pytest.raises(ModelError, match=said):
        match(own, theirs)


def test_another_order_is_named_where_it_begins() -> None:
    own, theirs, _ = both("vgg11")
    moved = dict(reversed(theirs.items()))
    renamed = {f"part{i}.{n.rpartition('.')[2]}": s for i, (n, s) in enumerate(moved.items())}
    with pytest.raises(
        ModelError, match=r"another order, where part0\.bias \(1000\) stands in the"
    ):
        match(own, renamed)


class Residual(nn.Module):
    """The residual block of d2l (section 8.6): all convolutions, then the normalisations."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.conv3 = nn.Conv2d(c_in, c_out, 1, stride) if stride != 1 else None
        self.bn1, self.bn2 = nn.BatchNorm2d(c_out), nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.conv3 is None else self.conv3(x)))


def d2l_resnet18() -> nn.Sequential:
    stem = nn.Sequential(
        nn.Conv2d(1, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    )
    stages = [
        nn.Sequential(Residual(c_in, c, 1 if c_in == c else 2), Residual(c, c))
        for c_in, c in ((64, 64), (64, 128), (128, 256), (256, 512))
    ]
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    return nn.Sequential(stem, *stages, *head)


def test_d2ls_resnet_loads_though_its_blocks_are_registered_otherwise() -> None:
    torch.manual_seed(0)
    theirs, ours = d2l_resnet18(), build("resnet18_d2l")
    x = torch.randn(4, 1, 64, 64)
    theirs(x)  # running statistics that are not the first ones
    report = load_weights(ours, theirs.state_dict())
    assert report.naming == "order"
    with torch.inference_mode():
        expected, found = theirs.eval()(x), ours.eval()(x)
    # the same kernels on the same numbers; only the in-place ReLU differs
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
