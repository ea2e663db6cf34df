"""GoogLeNet and BN-Inception against their papers' tables, and what auxiliary heads promise."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from convatlas.errors import ShapeError
from convatlas.nets.build import build
from convatlas.nets.googlenet import GoogLeNet, Outputs


def walk(name: str, **options: object) -> dict[str, tuple[int, int]]:
    """Channels and side after the stem and after each stage, for one picture of the net's size."""
    with torch.device("meta"):
        net = build(name, **options).eval()
        x = net.stem(torch.empty(1, net.in_channels, net.input_size, net.input_size))
        shapes = {"stem": (x.shape[1], x.shape[2])}
        for stage, module in net.stages.named_children():
            x = module(x)
            shapes[stage] = (x.shape[1], x.shape[2])
    return shapes


def parameters(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("name", "without", "with_aux"),
    [("googlenet", 6_998_552, 13_378_280), ("googlenet_bn", 6_624_904, 13_004_888)],
)
def test_parameters_with_and_without_auxiliary_heads(
    name: str, without: int, with_aux: int
) -> None:
    with torch.device("meta"):
        assert parameters(build(name)) == with_aux
        assert parameters(build(name, aux=False)) == without


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_shapes_of_table_1(name: str) -> None:
    assert walk(name) == {
        "stem": (192, 28),
        "3a": (256, 28),
        "3b": (480, 28),
        "pool3": (480, 14),
        "4a": (512, 14),
        "4b": (512, 14),
        "4c": (512, 14),
        "4d": (528, 14),
        "4e": (832, 14),
        "pool4": (832, 7),
        "5a": (832, 7),
        "5b": (1024, 7),
    }


def test_shapes_that_d2l_prints() -> None:
    shapes = walk("googlenet_d2l")
    with torch.device("meta"):
        net = build("googlenet_d2l")
        assert net.stem[:2](torch.empty(1, 1, 96, 96)).shape == (1, 64, 24, 24)
    assert [shapes[b] for b in ("stem", "pool3", "pool4", "5b")] == [
        (192, 12),
        (480, 6),
        (832, 3),
        (1024, 3),
    ]
    assert net.head.fc.weight.shape == (10, 1024)


def test_shapes_of_the_batch_normalisation_paper() -> None:
    assert walk("bn_inception") == {
        "stem": (192, 28),
        "3a": (256, 28),
        "3b": (320, 28),
        "3c": (576, 14),
        "4a": (576, 14),
        "4b": (576, 14),
        "4c": (576, 14),
        "4d": (576, 14),
        "4e": (1024, 7),
        "5a": (1024, 7),
        "5b": (1024, 7),
    }


def test_every_relu_of_bn_inception_follows_a_normalisation() -> None:
    with torch.device("meta"):
        leaves = [m for m in build("bn_inception").modules() if not list(m.children())]
    before = [type(a) for a, b in itertools.pairwise(leaves) if "ReLU" in str(b)]
    assert before
    assert set(before) == {torch.nn.BatchNorm2d}


def test_an_inception_module_is_its_four_paths_joined_over_channels() -> None:
    torch.manual_seed(0)
    module = build("googlenet", aux=False).stages[0].double()
    x = torch.randn(2, 192, 7, 7, dtype=torch.float64)
    w = dict(module.named_parameters())

    def conv(x: torch.Tensor, name: str, padding: int) -> torch.Tensor:
        return F.relu(F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=padding))

    expected = [
        conv(x, "1x1.conv", 0),
        conv(conv(x, "3x3.reduce.conv", 0), "3x3.conv.conv", 1),
        conv(conv(x, "5x5.reduce.conv", 0), "5x5.conv.conv", 2),
        conv(F.max_pool2d(x, 3, 1, 1), "pool.project.conv", 0),
    ]
    torch.testing.assert_close(module(x), torch.cat(expected, 1), rtol=1e-12, atol=1e-12)


@pytest.fixture
def small() -> GoogLeNet:
    """The paper's net for the smallest pictures that its auxiliary heads take."""
    torch.manual_seed(0)
    net = build("googlenet", num_classes=10, input_size=79)
    assert isinstance(net, GoogLeNet)
    return net


def test_training_names_its_outputs_and_each_head_sits_where_the_paper_has_it(
    small: GoogLeNet,
) -> None:
    maps: dict[str, torch.Tensor] = {}
    for name in ("4a", "4d"):
        small.stages.get_submodule(name).register_forward_hook(
            lambda _m, _x, y, name=name: maps.__setitem__(name, y)
        )
    for layer in small.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    outputs = small.train()(torch.randn(2, 3, 79, 79))
    assert isinstance(outputs, Outputs)
    assert torch.equal(outputs.aux1, small.aux["4a"](maps["4a"]))
    assert torch.equal(outputs.aux2, small.aux["4d"](maps["4d"]))
    assert outputs.logits.shape == (2, 10)


def test_the_gradient_reaches_every_parameter(small: GoogLeNet) -> None:
    outputs = small.train()(torch.randn(2, 3, 79, 79))
    (outputs.logits.sum() + small.aux_weight * (outputs.aux1 + outputs.aux2).sum()).backward()
    assert small.aux_weight == 0.3
    assert [name for name, p in small.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", ["googlenet_bn", "googlenet_d2l", "bn_inception"])
def test_the_gradient_reaches_every_parameter_of_the_others(name: str) -> None:
    torch.manual_seed(0)
    net = build(name, num_classes=10, in_channels=3, input_size=64).train()
    outputs = net(torch.randn(2, 3, 64, 64))
    sum(
        y.square().sum() for y in (outputs if isinstance(outputs, Outputs) else [outputs])
    ).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_saved_network_has_no_auxiliary_heads_and_answers_the_same(small: GoogLeNet) -> None:
    options, weights = small.deployed()
    saved = build("googlenet", **options).eval()
    saved.load_state_dict(weights)  # strict: nothing missing, nothing left over
    x = torch.randn(1, 3, 79, 79)
    assert parameters(saved) == parameters(build("googlenet", num_classes=10, aux=False))
    assert torch.equal(saved(x), small.eval()(x))


def test_pictures_too_small_for_the_auxiliary_heads_are_explained() -> None:
    with pytest.raises(ShapeError, match=r"at aux .*at least 79, or smaller with aux=False"):
        build("googlenet", input_size=78)
    assert build("googlenet", input_size=31, aux=False).eval()(torch.zeros(1, 3, 31, 31)).shape


def test_pictures_of_another_size_are_explained_in_training_and_fine_in_evaluation(
    small: GoogLeNet,
) -> None:
    x = torch.zeros(1, 3, 64, 64)
    assert small.eval()(x).shape == (1, 10)
    with pytest.raises(ShapeError, match=r"built for 79×79.*64×64: build it with input_size=64"):
        small.train()(x)


def test_torchvisions_heads_take_any_size_in_training() -> None:
    net = build("googlenet_bn", num_classes=10).train()
    assert net(torch.randn(2, 3, 40, 40)).aux2.shape == (2, 10)


@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "group", "none"])
@pytest.mark.parametrize("name", ["googlenet", "bn_inception"])
def test_every_normalisation_runs_on_one_channel(name: str, norm: str) -> None:
    net = build(name, norm=norm, num_classes=3, in_channels=1, input_size=96).eval()
    assert torch.isfinite(net(torch.randn(1, 1, 64, 64))).all()
    convolutions = [m for m in net.stages.modules() if isinstance(m, torch.nn.Conv2d)]
    assert {m.bias is not None for m in convolutions} == {norm == "none"}
