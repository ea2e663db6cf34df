"""Networks for other classes, channels and sizes, against the donors that they come from."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.classifier import Classifier
from convatlas.data import Preprocess
from convatlas.errors import ConfigError, ModelError, ShapeError
from convatlas.nets import sizes
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.weights.adapt import Adapted, adapt
from convatlas.weights.export import export_state

CLASSES = ("ant", "bee", "cat", "dog", "eel")
_ALEXNET = {"channels": (8, 8, 8, 8, 8), "hidden": 16, "init": "kaiming"}
_VGG = {"width": 0.1, "hidden": 16}
#: of each family, small; the size at which it learned, and its class layer
FAMILIES: dict[str, tuple[dict[str, Any], int, str]] = {
    "lenet5": ({}, 32, "head.output"),
    "lenet_d2l": ({}, 28, "head.output"),
    "alexnet": (_ALEXNET, 67, "head.fc8"),
    "alexnet_owt": (_ALEXNET, 64, "head.fc8"),
    "vgg11": (_VGG, 64, "head.fc8"),
    "vgg16_c_bn": (_VGG, 64, "head.fc8"),
    "vgg_fast": ({}, 32, "head.fc"),
    "nin_cifar": ({}, 32, "stages.mlpconv3.cccp2"),
    "googlenet": ({}, 80, "head.fc"),
    "googlenet_bn": ({}, 48, "head.fc"),
    "bn_inception": ({"separable": False}, 48, "head.fc"),
    "resnet18": ({"width": 8}, 48, "head.fc"),
    "resnet20": ({"depths": (1, 1, 1)}, 32, "head.fc"),
    "resnext50_32x4d": ({"depths": (1, 1), "width": 16, "group_width": 4}, 48, "head.fc"),
}
families = pytest.mark.parametrize("name", FAMILIES)


@cache
def donor(
    name: str, channels: int = 3, mean: tuple[float, ...] = (0.485, 0.456, 0.406), **more: Any
) -> Classifier:
    """A network that has seen something: its averages are not those of a fresh one."""
    options, size, _ = FAMILIES[name]
    torch.manual_seed(0)
    options = {"num_classes": 5, "in_channels": channels, "input_size": size, **options, **more}
    net = build(name, **options)
    with torch.no_grad():
        for tensor_name, tensor in net.state_dict().items():
            if tensor_name.endswith(("running_mean", "bias")):
                tensor.uniform_(-0.1, 0.1)
            elif tensor_name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
    std = (0.229, 0.224, 0.225)
    spec = Preprocess(size, round(size * 8 / 7), channels, mean[:channels], std[:channels])
    return Classifier(net.eval(), spec, CLASSES)


def pictures(channels: int, side: int) -> Tensor:
    """Noise over a bright left half, and over a dark one."""
    generator = torch.Generator().manual_seed(1)
    made = torch.randint(0, 128, (2, channels, side, side), generator=generator)
    made[0, ..., : side // 2] += 128
    return made.byte()


def answers(adapted: Adapted, pixels: Tensor) -> Tensor:
    return Classifier(adapted.net, adapted.preprocess, adapted.classes).logits(pixels)


def accounted_for(adapted: Adapted) -> bool:
    """Each tensor is reused, adapted or reset, and one of them alone."""
    listed = [*adapted.reused, *adapted.adapted, *adapted.reset]
    return sorted(listed) == sorted(adapted.net.state_dict())


def of_classes(name: str) -> set[str]:
    return {f"{FAMILIES[name][2]}.{tensor}" for tensor in ("weight", "bias")}


# ---------------------------------------------------------------------------------------- classes


@families
def test_other_classes_get_a_fresh_layer_and_all_else_is_the_donors(name: str) -> None:
    old = donor(name)
    before = {n: t.clone() for n, t in old.net.state_dict().items()}
    made = adapt(old, classes=("yes", "no"))
    own = made.net.state_dict()
    assert accounted_for(made)
    assert {n for n in made.reset if not n.startswith("aux.")} == of_classes(name)
    assert not made.adapted
    assert all(torch.equal(own[n], before[n]) for n in made.reused)
    assert {len(own[n]) for n in of_classes(name)} == {2}
    assert made.net.num_classes == made.net.options["num_classes"] == 2
    assert made.preprocess == old.preprocess
    assert made.net.training
    assert answers(made, pictures(3, made.preprocess.size)).shape == (2, 2)
    assert all(torch.equal(t, before[n]) for n, t in old.net.state_dict().items())


@families
def test_some_of_the_donors_classes_in_any_order_keep_their_rows(name: str) -> None:
    old = donor(name)
    made = adapt(old, classes=("dog", "ant", "cat"))
    pixels = pictures(3, made.preprocess.size)
    assert not made.reset
    assert of_classes(name) <= made.adapted.keys()
    torch.testing.assert_close(answers(made, pixels), old.logits(pixels)[:, [3, 0, 2]])


def test_the_same_classes_keep_everything() -> None:
    made = adapt(donor("resnet20"), classes=list(CLASSES))
    assert (made.adapted, made.reset, made.notes) == ({}, {}, ())
    assert made.classes == CLASSES
    assert str(made) == f"reused {len(made.net.state_dict())} tensors of resnet20"


@pytest.mark.parametrize(
    ("known", "wanted", "why"),
    [
        (CLASSES, ("a", "b", "c", "d", "e"), "5 other classes"),
        (CLASSES, ("ant", "bee", "fox"), "3 classes in place of 5"),
        ((), CLASSES, "its 5 classes have no names"),
        ((), ("ant",), "1 classes in place of 5"),
    ],
)
def test_a_reset_head_is_said_in_one_line(
    known: tuple[str, ...], wanted: tuple[str, ...], why: str
) -> None:
    made = adapt(replace(donor("resnet20"), classes=known), classes=wanted)
    assert made.reset == dict.fromkeys(["head.fc.weight", "head.fc.bias"], why)
    assert str(made) == (
        f"reused {len(made.reused)} tensors of resnet20; reset head.fc.weight, head.fc.bias: {why}"
    )


def test_layers_as_wide_as_there_are_classes_have_no_rows_to_pick() -> None:
    torch.manual_seed(0)
    net = build("nin_d2l", num_classes=5, in_channels=3, input_size=67)
    old = Classifier(net, Preprocess(67, 67, 3, (0.5,) * 3, (0.2,) * 3), CLASSES)
    made = adapt(old, classes=CLASSES[::-1])
    assert {n.rpartition(".")[0] for n in made.reset} == {
        f"stages.mlpconv4.{layer}" for layer in ("conv", "cccp1", "cccp2")
    }


def test_auxiliary_heads_come_along_where_the_donor_has_them() -> None:
    for aux in (True, False):
        made = adapt(donor("googlenet_bn", aux=aux), classes=("yes", "no"))
        assert bool(made.net.aux) is aux  # type: ignore[arg-type]
        fresh = {n for n in made.reset if n.startswith("aux.")}
        names = {f"aux.{at}.fc2.{t}" for at in ("4a", "4d") for t in ("weight", "bias")}
        assert fresh == (names if aux else set())


# --------------------------------------------------------------------------------------- channels


@families
@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3)])
def test_a_grey_picture_gets_the_donors_answer(name: str, before: int, after: int) -> None:
    """One mean for all channels: zeros around the picture mean the same to both, and it is exact.

    The deviations differ. float32 rounds: a thousandth of what the picture decides in the logits.
    """
    old = donor(name, before, mean=(0.45,) * before)
    made = adapt(old, in_channels=after)
    side = made.preprocess.size
    grey = pictures(1, side)
    mine = answers(made, grey.repeat(1, after, 1, 1))
    theirs = old.logits(grey.repeat(1, before, 1, 1))
    assert made.net.in_channels == made.preprocess.channels == after
    assert accounted_for(made)
    assert not made.reset
    assert (mine - theirs).abs().max() <= 1e-3 * (theirs[0] - theirs[1]).abs().max()


@pytest.mark.parametrize("name", ["alexnet", "lenet5"])
def test_without_padding_it_is_exact_with_a_mean_for_each_channel(name: str) -> None:
    """Behind it is a bias that takes off what the one mean is beside."""
    old = donor(name)
    made = adapt(old, in_channels=1)
    grey = pictures(1, made.preprocess.size)
    theirs = old.logits(grey.repeat(1, 3, 1, 1))
    error = (answers(made, grey) - theirs).abs().max()
    assert error <= 1e-3 * (theirs[0] - theirs[1]).abs().max()
    assert not made.notes


@pytest.mark.parametrize(
    ("name", "behind"),
    [("vgg11", "stages.block1.conv1_1.conv.bias"), ("resnet20", "stem.norm.running_mean")],
)
def test_with_padding_only_the_border_differs(name: str, behind: str) -> None:
    """Of the first layer's maps, normalised: what lies a pixel inside is the same to 2e-5."""
    old = donor(name)
    made = adapt(old, in_channels=1)
    side = made.preprocess.size
    grey = pictures(1, side)

    def maps(net: Net, spec: Preprocess, pixels: Tensor) -> Tensor:
        stem = net.stem if len(net.stem) else net.stages.block1.conv1_1  # type: ignore[arg-type]
        layers = list(stem.children())[:2]  # before the ReLU hides half of it
        return nn.Sequential(*layers[: 1 if name == "vgg11" else 2]).eval()(spec.normalise(pixels))

    mine = maps(made.net, made.preprocess, grey)
    theirs = maps(old.net, old.preprocess, grey.repeat(1, 3, 1, 1))
    torch.testing.assert_close(mine[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1], atol=2e-5, rtol=0)
    assert (mine - theirs).abs().max() > 1e-3
    assert behind in made.adapted
    assert len(made.notes) == 1
    assert "but for their border" in made.notes[0]


@pytest.mark.parametrize(
    ("norm", "said"),
    [
        ("group", "nothing behind stem.conv makes up"),
        ("instance", "but for their border"),  # which subtracts each map's mean anyway
        ("none", "but for their border"),  # whose convolutions have biases
    ],
)
def test_how_near_grey_pictures_come_is_said(norm: str, said: str) -> None:
    net = build("resnet20", depths=(1, 1, 1), norm=norm)
    spec = Preprocess(32, 32, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    [note] = adapt(Classifier(net, spec, ()), in_channels=1).notes
    assert said in note


@pytest.mark.slow
@families
def test_a_fourth_channel_changes_nothing_at_first(name: str) -> None:
    old = donor(name)
    side = old.preprocess.size
    measured = Preprocess(side, side, 4, (0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8))
    made = adapt(old, in_channels=4, measured=measured)
    assert made.preprocess.mean == (*old.preprocess.mean, 0.4)
    assert made.preprocess.std == (*old.preprocess.std, 0.8)
    four = pictures(4, side)
    torch.testing.assert_close(answers(made, four), old.logits(four[:, :3]))


def test_a_rule_may_be_asked_for() -> None:
    old, measured = donor("resnet20"), Preprocess(32, 32, 4, (0.4,) * 4, (0.2,) * 4)
    made = adapt(old, in_channels=4, measured=measured, rule="repeat")
    kernel, before = made.net.state_dict()["stem.conv.weight"], old.net.state_dict()
    torch.testing.assert_close(kernel[:, 3], 0.75 * before["stem.conv.weight"][:, 0])
    assert made.adapted == {"stem.conv.weight": "3 channels become 4 (repeat)"}


@pytest.mark.parametrize(
    ("name", "other"),
    [("bn_inception", "stem.conv1.pointwise.weight"), ("vgg_sprint", "stem.norm.weight")],
)
def test_channels_that_more_than_the_first_kernel_depends_on_are_refused(
    name: str, other: str
) -> None:
    net = build(name, num_classes=5, in_channels=3, input_size=48)
    old = Classifier(net, Preprocess(48, 48, 3, (0.5,) * 3, (0.2,) * 3), CLASSES)
    with pytest.raises(ConfigError, match=rf"{other} does, too.* pictures of 3 channels"):
        adapt(old, in_channels=1)


# ------------------------------------------------------------------------------------------ sizes


@families
def test_other_sizes(name: str) -> None:
    old = donor(name)
    size = old.preprocess.size * 3 // 2
    made = adapt(old, input_size=size)
    assert accounted_for(made)
    assert made.preprocess.size == made.net.input_size == size
    assert made.preprocess.resize == pytest.approx(size * 8 / 7, abs=1.5)
    assert all(n.startswith("aux.") for n in made.reset)
    assert len(made.adapted) <= 1
    pixels = pictures(3, size)
    found = answers(made, pixels)
    if not made.adapted:  # the head averages over maps of any size
        with torch.no_grad():
            old_answers = old.net(made.preprocess(pixels))
        torch.testing.assert_close(found, old_answers, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [72, 100, 160])
@pytest.mark.parametrize("name", ["lenet5", "lenet_d2l", "alexnet", "alexnet_owt", "vgg11"])
def test_a_dense_head_at_another_size_sees_the_map_pooled_to_the_one_it_knows(
    name: str, size: int
) -> None:
    old = donor(name)
    made = adapt(old, input_size=size)
    x = made.preprocess.normalise(pictures(3, size))
    side = sizes.feature_shape(old.net.stages, 3, old.preprocess.size)[1]  # type: ignore[arg-type]
    with torch.no_grad():
        pooled = F.adaptive_avg_pool2d(old.net.features(x), side)  # type: ignore[operator]
        expected, found = old.net.head(pooled), made.net.eval()(x)  # type: ignore[operator]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_it_is_what_torchvision_does_at_another_size(torchvision_models: ModuleType) -> None:
    torch.manual_seed(0)
    net = build("alexnet_owt", num_classes=5).eval()
    theirs = torchvision_models.alexnet(num_classes=5).eval()
    theirs.load_state_dict(export_state(net, "torchvision"))
    spec = Preprocess(224, 256, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    made = adapt(Classifier(net, spec, CLASSES), input_size=96)
    assert list(made.adapted) == ["head.fc6.weight"]
    assert made.preprocess.resize == 110
    x = made.preprocess.normalise(pictures(3, 96))
    with torch.no_grad():
        torch.testing.assert_close(made.net.eval()(x), theirs(x), atol=1e-5, rtol=1e-4)


def test_auxiliary_heads_that_a_size_does_not_fit_start_afresh() -> None:
    made = adapt(donor("googlenet"), input_size=160)
    assert set(made.reset) == {"aux.4a.fc1.weight", "aux.4d.fc1.weight"}
    assert set(made.reset.values()) == {"80 pixels become 160"}


def test_all_three_at_once_on_a_dense_head() -> None:
    old = donor("vgg11")
    made = adapt(old, classes=("yes", "no"), in_channels=1, input_size=100)
    assert accounted_for(made)
    assert set(made.reset) == {"head.fc8.weight", "head.fc8.bias"}
    assert set(made.adapted) == {
        "stages.block1.conv1_1.conv.weight",
        "stages.block1.conv1_1.conv.bias",
        "head.fc6.weight",
    }
    assert answers(made, pictures(1, 100)).shape == (2, 2)
    assert str(made).count("; ") == 3


# ---------------------------------------------------------------------------------------- refusals


def test_a_network_of_ones_own_is_refused() -> None:
    spec = Preprocess(8, 8, 3, (0.5,) * 3, (0.2,) * 3)
    own = Classifier(nn.Conv2d(3, 2, 3), spec, ("a", "b"))
    with pytest.raises(ModelError, match="Conv2d is no network of the catalogue"):
        adapt(own, classes=("c", "d"))


def test_a_size_that_does_not_survive_says_the_smallest() -> None:
    with pytest.raises(ShapeError, match="must be at least 32"):
        adapt(donor("vgg11"), input_size=16)
