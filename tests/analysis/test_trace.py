"""The walk: which rows there are, what they say, and that the network is left as it was."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convatlas.nets.catalog as catalogue
from convatlas.analysis.trace import ReceptiveField, trace
from convatlas.errors import ShapeError
from convatlas.nets.build import build


def told(net: nn.Module, shape: tuple[int, ...]) -> list[tuple[object, ...]]:
    return [(r.layer, r.kind, r.shape, r.arithmetic) for r in trace(net, shape).rows]


class Functional(nn.Module):
    """Much that a composite module may call itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.kernel = nn.Parameter(torch.ones(4, 8, 3, 3))
        self.dense = nn.Parameter(torch.ones(5, 48))

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.conv(x))
        b = F.conv2d(a, self.kernel, stride=2, padding=1)
        c = F.max_pool2d(a, 3, 2, 1)
        d = torch.cat([b, c], dim=1)
        d = F.avg_pool2d(F.pad(d, (1, 1, 2, 0)), 2)
        d += 1
        d = F.dropout(d, training=self.training)
        return F.linear(torch.flatten(d[:, :, :2, :2], 1), self.dense)


def test_functions_have_rows_of_their_own() -> None:
    assert told(Functional(), (3, 9, 9)) == [
        ("conv", "Conv2d", (8, 9, 9), "⌊(9+2·1−3)/1⌋+1 = 9"),
        ("", "relu", (8, 9, 9), ""),
        ("", "conv2d", (4, 5, 5), "⌊(9+2·1−3)/2⌋+1 = 5"),
        ("", "max_pool2d", (8, 5, 5), "⌊(9+2·1−3)/2⌋+1 = 5"),
        ("", "cat", (12, 5, 5), "4+8 = 12"),
        ("", "pad", (12, 7, 7), "H: 5+2+0 = 7; W: 5+1+1 = 7"),
        ("", "avg_pool2d", (12, 3, 3), "⌊(7+2·0−2)/2⌋+1 = 3"),
        ("", "add", (12, 3, 3), ""),
        ("", "slice", (12, 2, 2), ""),
        ("", "flatten", (48,), "12·2·2 = 48"),
        ("", "linear", (5,), "48→5"),
    ]
    rows = {row.kind: row for row in trace(Functional(), (3, 9, 9)).rows}
    assert rows["conv2d"].params == 4 * 8 * 9
    assert rows["linear"].params == 5 * 48
    assert rows["add"].memory == 0, "in place"


def test_shapes_are_those_of_the_real_run() -> None:
    torch.manual_seed(0)
    net = build("resnet20", num_classes=3).eval()
    real: list[tuple[str, tuple[int, ...]]] = []
    for name, module in net.named_modules():
        if not list(module.children()):
            module.register_forward_hook(
                lambda _, __, out, name=name: real.append((name, tuple(out.shape[1:])))
            )
    net(torch.zeros(1, 3, 37, 41))
    ran = list(real)
    layers = [row for row in trace(net, (3, 37, 41)).rows if row.kind[0].isupper()]
    assert [(row.layer, row.shape) for row in layers] == ran


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "alexnet", "vgg16", "nin", "lenet5"])
def test_the_arithmetic_ends_in_the_size(name: str) -> None:
    if name not in catalogue.CATALOG:
        pytest.skip(f"{name} is not in the catalogue")
    with torch.device("meta"):
        net = build(name)
    explained = 0
    for row in trace(net, (net.in_channels, net.input_size, net.input_size)).rows:
        if row.kind in ("Conv2d", "MaxPool2d", "AvgPool2d"):
            assert row.arithmetic.endswith(f" = {row.shape[1]}")
            explained += 1
    assert explained >= 4


def test_a_residual_sum_stands_at_its_block() -> None:
    with torch.device("meta"):
        net = build("resnet18")
    rows = [row for row in trace(net, (3, 224, 224)).rows if row.kind == "add"]
    assert [row.layer for row in rows[:3]] == [
        "stages.conv2_x.0",
        "stages.conv2_x.1",
        "stages.conv3_x.0",
    ]
    assert rows[2].shape == (128, 28, 28)


#: as published: Araujo et al. 2019, table 1, and for AlexNet the same arithmetic
PUBLISHED = [
    ("alexnet_owt", {}, 195, 32),
    ("vgg16", {}, 212, 32),
    ("bn_inception", {}, 699, 32),
    ("resnet50", {"stride_in": "1x1"}, 483, 32),
    ("resnet101", {"stride_in": "1x1"}, 1027, 32),
    ("resnet152", {"stride_in": "1x1"}, 1507, 32),
    ("resnet50", {}, 427, 32),  # torchvision's: a 3×3 before the stride sees half as far
]


@pytest.mark.parametrize(("name", "options", "size", "stride"), PUBLISHED)
def test_published_receptive_fields(
    name: str, options: dict[str, str], size: int, stride: int
) -> None:
    with torch.device("meta"):
        net = build(name, **options)
    found = trace(net, (3, net.input_size, net.input_size)).receptive_field
    assert found == ReceptiveField((size, size), (stride, stride))


def test_after_global_pooling_or_a_dense_layer_all_is_seen() -> None:
    pooled = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(2, 2, 1))
    fields = [row.receptive_field for row in trace(pooled, (1, 8, 9)).rows]
    assert fields == [
        ReceptiveField((3, 3), (1, 1)),
        ReceptiveField((8, 9), None),
        ReceptiveField((8, 9), None),
    ]
    dense = nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1), nn.Flatten(), nn.Linear(32, 2))
    fields = [row.receptive_field for row in trace(dense, (1, 8, 8)).rows]
    assert fields == [
        ReceptiveField((3, 3), (2, 2)),
        ReceptiveField((3, 3), (2, 2)),
        ReceptiveField((9, 9), None),  # one of padding and eight of picture
    ]
    assert trace(dense, (1, 8, 8)).receptive_field == ReceptiveField((3, 3), (2, 2))


def test_a_gate_of_the_whole_map_opens_it() -> None:
    class Gated(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.sigmoid(x.mean((2, 3), keepdim=True))

    field = trace(nn.Sequential(Gated()), (3, 8, 8)).rows[-1].receptive_field
    assert field == ReceptiveField((8, 8), None)


def test_layers_with_towers_keep_the_field() -> None:
    """Local response normalisation is made of reshapes and a 3-d pool over channels alone."""
    net = nn.Sequential(nn.Conv2d(3, 8, 5), nn.LocalResponseNorm(5), nn.InstanceNorm2d(8))
    assert [row.receptive_field for row in trace(net, (3, 16, 16), 2).rows] == [
        ReceptiveField((5, 5), (1, 1))
    ] * 3
    assert [row.arithmetic for row in trace(net, (3, 16, 16), 2).rows[1:]] == ["", ""]


def test_one_axis_and_none() -> None:
    sound = nn.Sequential(nn.Conv1d(2, 4, 5, 2), nn.MaxPool1d(3))
    assert told(sound, (2, 40)) == [
        ("0", "Conv1d", (4, 18), "⌊(40+2·0−5)/2⌋+1 = 18"),
        ("1", "MaxPool1d", (4, 6), "⌊(18+2·0−3)/3⌋+1 = 6"),
    ]
    assert trace(sound, (2, 40)).receptive_field == ReceptiveField((9,), (6,))
    assert trace(nn.Linear(4, 2), (4,)).receptive_field is None


def test_a_layer_alone_is_a_row() -> None:
    assert told(nn.Conv2d(1, 1, 3), (1, 5, 5)) == [("", "Conv2d", (1, 3, 3), "⌊(5+2·0−3)/1⌋+1 = 3")]


def test_the_network_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    shared = nn.Conv2d(4, 4, 3, padding=1)
    net = nn.Sequential(shared, nn.BatchNorm2d(4), nn.Dropout(), shared, nn.Sequential(shared))
    net[1].eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = torch.random.get_rng_state()
    found = trace(net, (4, 8, 8))
    assert len(found.rows) == 5
    assert found.params == 4 * 4 * 9 + 4 + 8
    assert torch.equal(torch.random.get_rng_state(), state)
    after = net.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert [m.training for m in net] == [True, False, True, True, True]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    net(torch.zeros(2, 4, 8, 8)).sum().backward()
    assert shared.weight.grad is not None


def test_also_after_an_error() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(7, 2))
    with pytest.raises(ShapeError, match=r"cannot be traced with 3×9×8: at 1 \(Linear\)"):
        trace(net, (3, 9, 8))
    assert net.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert net[0].weight.device.type == "cpu"


@pytest.mark.parametrize(
    ("net", "shape", "said"),
    [
        (
            nn.Sequential(nn.Conv2d(1, 1, 9)),
            (1, 5, 5),
            r"at 0 \(Conv2d\).*smallest that works is 9",
        ),
        (nn.Sequential(nn.Conv2d(1, 1, 3)), (3, 5, 5), r"at 0 \(Conv2d\)"),
        (nn.Conv2d(1, 1, 3), (1, 0, 5), "at least 1"),
        (nn.Bilinear(2, 2, 2), (2,), "cannot be traced"),
    ],
)
def test_errors_are_one_line_and_name_the_layer(
    net: nn.Module, shape: tuple[int, ...], said: str
) -> None:
    with pytest.raises(ShapeError, match=said) as caught:
        trace(net, shape)
    assert "\n" not in str(caught.value)


def test_a_network_of_the_catalogue_explains_itself() -> None:
    with pytest.raises(ShapeError, match="in_channels=3"):
        trace(build("resnet20"), (1, 32, 32))


def test_as_json_and_as_text() -> None:
    found = trace(build("resnet20"), (3, 32, 32))
    read = json.loads(json.dumps(found.to_dict()))
    assert read["name"] == "resnet20"
    assert read["rows"][0] == {
        "layer": "stem.conv",
        "kind": "Conv2d",
        "shape": [16, 32, 32],
        "arithmetic": "⌊(32+2·1−3)/1⌋+1 = 32",
        "params": 432,
        "macs": 442_368,
        "memory": 65_536,
        "receptive_field": {"size": [3, 3], "stride": [1, 1]},
    }
    assert read["totals"] == {
        "params": 269_722,
        "macs": 40_551_040,
        "memory": found.memory,
        "receptive_field": {"size": [81, 81], "stride": [4, 4]},
    }
    assert "⌊(32+2·1−3)/1⌋+1 = 32" in str(found)


def test_modules_that_do_not_run_one_after_the_other() -> None:
    """Attention, a recurrent layer and a U: whatever PyTorch runs can be traced."""

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.Conv2d(3, 8, 3, 2, 1)
            self.up = nn.ConvTranspose2d(8, 3, 2, 2)
            self.attention = nn.MultiheadAttention(3, 1, batch_first=True)
            self.recurrent = nn.LSTM(3, 5, batch_first=True)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            u = x + self.up(self.down(x))
            tokens = u.flatten(2).transpose(1, 2)
            mixed, _ = self.attention(tokens, tokens, tokens)
            return {"u": u, "last": self.recurrent(mixed)[0][:, -1]}

    net = Mixed()
    found = trace(net, (3, 8, 8))
    kinds = [row.kind for row in found.rows]
    assert kinds[:5] == ["Conv2d", "ConvTranspose2d", "add", "flatten", "transpose"]
    assert "LSTM" in kinds
    assert found.params == sum(p.numel() for p in net.parameters())
    assert found.rows[2].receptive_field == ReceptiveField((3, 3), (1, 1))
    assert found.rows[-1].receptive_field == ReceptiveField((9, 9), None)
