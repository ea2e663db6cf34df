"""Each module computes what PyTorch's does, from the same weights, in training and afterwards."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convatlas as ca
from convatlas import ops
from convatlas.ops.modules import FACES

#: how each layer is made, what it is given, by its class's name
LAYERS: dict[str, list[tuple[dict[str, Any], tuple[int, ...]]]] = {
    "Conv{n}d": [
        ({"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "groups": 2}, (2, 4)),
        ({"in_channels": 4, "out_channels": 2, "kernel_size": 3, "padding": "same"}, (2, 4)),
        (
            {
                "in_channels": 4,
                "out_channels": 2,
                "kernel_size": 3,
                "padding": 1,
                "padding_mode": "circular",
                "bias": False,
            },
            (2, 4),
        ),
    ],
    "ConvTranspose{n}d": [
        (
            {
                "in_channels": 4,
                "out_channels": 6,
                "kernel_size": 3,
                "stride": 2,
                "padding": 1,
                "output_padding": 1,
                "groups": 2,
            },
            (2, 4),
        )
    ],
    "MaxPool{n}d": [
        ({"kernel_size": 2, "stride": 1, "padding": 1, "ceil_mode": True}, (2, 3)),
        ({"kernel_size": 2, "return_indices": True}, (2, 3)),
    ],
    "AvgPool{n}d": [
        ({"kernel_size": 2, "padding": 1, "count_include_pad": False, "ceil_mode": True}, (2, 3))
    ],
    "AdaptiveAvgPool{n}d": [({"output_size": 3}, (2, 3))],
    "BatchNorm{n}d": [
        ({"num_features": 3}, (4, 3)),
        ({"num_features": 3, "momentum": None}, (4, 3)),
        ({"num_features": 3, "affine": False, "track_running_stats": False}, (4, 3)),
    ],
    "InstanceNorm{n}d": [
        ({"num_features": 3}, (2, 3)),
        ({"num_features": 3, "affine": True, "track_running_stats": True}, (2, 3)),
    ],
}
FLAT: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "LayerNorm": ({"normalized_shape": (3, 5)}, (2, 3, 5)),
    "GroupNorm": ({"num_groups": 2, "num_channels": 4}, (2, 4, 5)),
    "LocalResponseNorm": ({"size": 3, "alpha": 0.1}, (2, 4, 5, 5)),
    "Linear": ({"in_features": 5, "out_features": 3}, (2, 5)),
    "Dropout": ({"p": 0.4}, (20, 5)),
    "Sigmoid": ({}, (2, 5)),
    "Tanh": ({}, (2, 5)),
    "ReLU": ({}, (2, 5)),
    "LeakyReLU": ({"negative_slope": 0.2}, (2, 5)),
    "PReLU": ({"num_parameters": 3}, (2, 3, 5)),
    "RReLU": ({"lower": 0.25, "upper": 0.25}, (20, 5)),  # nothing to draw
    "Softmax": ({"dim": 1}, (2, 5)),
}
CASES = [
    pytest.param(name.format(n=n), options, (*shape, *(6, 5, 7)[:n]), id=f"{name.format(n=n)}-{i}")
    for name, made in LAYERS.items()
    for n in (1, 2, 3)
    for i, (options, shape) in enumerate(made)
] + [pytest.param(name, options, shape, id=name) for name, (options, shape) in FLAT.items()]


@pytest.fixture(autouse=True)
def _double() -> Any:
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def answers(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Values, gradients and buffers of two steps of training and one afterwards."""
    found: list[Tensor] = []
    for training in (True, True, False):
        torch.manual_seed(7)  # of the layers that draw
        layer.train(training)
        given = x.clone().requires_grad_()
        y = layer(given)
        values = y[0] if isinstance(y, tuple) else y
        found += [*y] if isinstance(y, tuple) else [y]
        wanted = [given, *layer.parameters()]
        weight = torch.linspace(0.5, 1.5, values.numel()).view_as(values)
        found += torch.autograd.grad((values * weight).sum(), wanted)
        found += [buffer.clone() for buffer in layer.buffers()]
    return found


@pytest.mark.parametrize(("name", "options", "shape"), CASES)
def test_a_module_computes_what_pytorchs_does(
    name: str, options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    theirs, ours = getattr(nn, name)(**options), getattr(ops, name)(**options)
    assert type(ours) is FACES[type(theirs)]
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn_like(parameter))
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    assert repr(ours) == repr(theirs)
    x = torch.randn(shape)
    for mine, its in zip(answers(ours, x), answers(theirs, x), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpooling_undoes_pooling_of_the_largest(n: int) -> None:
    pool = getattr(ops, f"MaxPool{n}d")(2, return_indices=True)
    ours, theirs = (getattr(place, f"MaxUnpool{n}d")(2) for place in (ops, nn))
    for sides, given in (((6, 4, 8), False), ((7, 6, 5), True)):
        x = torch.randn(2, 3, *sides[:n])
        values, indices = pool(x)
        size = x.shape if given else None
        assert torch.equal(ours(values, indices, size), theirs(values, indices, size))


def test_a_transposed_convolution_takes_its_size() -> None:
    theirs = nn.ConvTranspose2d(2, 3, 3, stride=2)
    ours = ops.written_out(theirs)
    x = torch.randn(1, 2, 4, 4)
    for size in ([9, 9], [10, 10]):
        torch.testing.assert_close(ours(x, output_size=size), theirs(x, output_size=size))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label_smoothing": 0.1, "ignore_index": 2},
        {"weight": torch.tensor([1.0, 2.0, 0.5]), "reduction": "sum"},
    ],
)
def test_the_loss(options: dict[str, Any]) -> None:
    if "weight" in options:
        options = options | {"weight": options["weight"].double()}
    logits, target = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    ours, theirs = ops.CrossEntropyLoss(**options), nn.CrossEntropyLoss(**options)
    torch.testing.assert_close(ours(logits, target), theirs(logits, target))


# ----------------------------------------------------------------------------------- whole networks


def functions_called(net: nn.Module, x: Tensor) -> set[str]:
    """The functions of ``torch.nn.functional`` that a network's forward pass goes through."""

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(
            self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            called.add(getattr(function, "__name__", ""))
            return function(*args, **(kwargs or {}))

    called: set[str] = set()
    with Watch(), torch.no_grad():
        net(x)
    return called


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("lenet5", 32),
        ("lenet_d2l", 28),
        ("lenet_bn", 28),
        ("alexnet", 67),
        ("alexnet_d2l", 95),
        ("vgg_fast", 28),
        ("nin_cifar", 32),
        ("googlenet", 96),
        ("resnet20", 16),
        ("resnext50_32x4d", 33),
    ],
)
def test_a_network_of_the_atlas_written_out_gives_the_same_logits(name: str, side: int) -> None:
    if name not in ca.CATALOG:
        pytest.fail(f"{name} is not in the catalogue")
    row = ca.CATALOG[name]
    net = ca.build(name, num_classes=5, input_size=side).eval()
    ours = ops.written_out(net)
    assert ours.state_dict().keys() == net.state_dict().keys()
    assert type(net.stages[0]) is type(ours.stages[0])
    assert not any(type(module) in FACES for module in ours.modules())
    x = torch.randn(2, row.in_channels, side, side)
    torch.testing.assert_close(ours(x), net(x), rtol=1e-9, atol=1e-9)
    library = {"conv2d", "linear", "batch_norm", "max_pool2d", "avg_pool2d", "relu", "sigmoid"}
    assert not functions_called(ours, x) & library
    assert functions_called(net, x) & library


def lenet() -> nn.Sequential:
    """LeNet with batch normalisation, wholly from this package."""
    return nn.Sequential(
        ops.Conv2d(1, 6, 5, padding=2),
        ops.BatchNorm2d(6),
        ops.Sigmoid(),
        ops.AvgPool2d(2),
        ops.Conv2d(6, 16, 5),
        ops.BatchNorm2d(16),
        ops.Sigmoid(),
        ops.MaxPool2d(2),
        nn.Flatten(),
        ops.Linear(400, 32),
        ops.BatchNorm1d(32),
        ops.Sigmoid(),
        ops.Dropout(0.1),
        ops.Linear(32, 10),
    )


def test_a_lenet_built_from_these_trains_step_for_step_as_pytorchs() -> None:
    ours = lenet()
    theirs = copy.deepcopy(ours)
    faces = {face: layer for layer, face in FACES.items()}
    for module in theirs.modules():
        module.__class__ = faces.get(type(module), type(module))
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 10, (32,), generator=generator)
    pictures = torch.randn(10, 1, 28, 28, generator=generator)[labels]
    pictures += 0.5 * torch.randn(pictures.shape, generator=generator)
    losses: list[list[float]] = []
    for net, loss in ((ours, ops.CrossEntropyLoss()), (theirs, nn.CrossEntropyLoss())):
        torch.manual_seed(2)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
        curve = []
        for _ in range(20):
            optimizer.zero_grad()
            value = loss(net(pictures), labels)
            value.backward()
            optimizer.step()
            curve.append(value.item())
        losses.append(curve)
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    assert losses[0][-1] < 0.2 * losses[0][0]
    x = torch.randn(3, 1, 28, 28)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-9, atol=1e-9)


def test_what_is_written_out_is_a_copy() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU(inplace=True)).train(False)
    ours = ops.written_out(net)
    assert [type(module) for module in net] == [nn.Linear, nn.ReLU]
    assert not ours.training
    with torch.no_grad():
        ours[0].weight.zero_()
    assert net[0].weight.abs().sum() > 0
    x = torch.tensor([[-1.0, 2.0]])
    assert torch.equal(ours[1](x), F.relu(torch.tensor([[-1.0, 2.0]])))
    assert torch.equal(x, torch.tensor([[0.0, 2.0]]))  # in place, as its layer was


def test_a_written_out_network_can_be_traced() -> None:
    net = ca.build("lenet_d2l")
    mine, its = (ca.trace(n, (1, 28, 28)) for n in (ops.written_out(net), net))
    assert mine.params == its.params
    assert [row.shape for row in mine.rows][-1] == [row.shape for row in its.rows][-1]
