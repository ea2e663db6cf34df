from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convatlas as ca
from convatlas.data import Dataset, ImageSet, Preprocess
from convatlas.errors import ConfigError
from convatlas.nets.parts import Net
from convatlas.train import Config
from convatlas.train.config import Strategy
from convatlas.train.engine import Engine
from convatlas.train.loop import Loop
from convatlas.train.optim import make_optimizer
from convatlas.train.recipes import transfer
from convatlas.train.strategy import Thaw, described, floors, halves, settled

Make = Callable[[], nn.Sequential]
ENGINE = Engine("float32", "contiguous", shards=2)
RESNET = ["head.fc", "stages.conv4_x", "stages.conv3_x", "stages.conv2_x", "stem"]


def resnet() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ca.build("resnet20", width=4, num_classes=3, in_channels=1)


def loop_of(net: nn.Module, data: Dataset, config: Config) -> Loop:
    return Loop(net, data.train, Preprocess.measure(data.train.images, 8), config, ENGINE)


def state(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def changed(before: dict[str, Tensor], net: nn.Module) -> set[str]:
    return {
        name for name, value in net.state_dict().items() if not torch.equal(value, before[name])
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet20", ["fc", "conv4_x", "conv3_x", "conv2_x", "stem"]),
        ("lenet5", ["output", "F6", "C5", "S4", "C3", "S2", "C1"]),
        ("lenet_bn", ["output", "F6", "C5", "C3", "C1"]),
        ("alexnet", ["fc8", "fc7", "fc6", "conv5", "conv4", "conv3", "conv2", "conv1"]),
        ("nin", ["mlpconv4", "mlpconv3", "mlpconv2", "mlpconv1"]),
        ("googlenet", ["fc", "5b", "5a", "4e", "4d", "4c", "4b", "4a", "3b", "3a", "stem"]),
    ],
)
def test_the_floors_of_the_families(name: str, expected: list[str]) -> None:
    with torch.device("meta"):
        net = ca.build(name)
    found = floors(net)
    assert [floor.name.split(".")[-1] for floor in found] == expected
    on_floors = [id(p) for floor in found for p in floor.parameters]
    assert sorted(on_floors) == sorted(map(id, net.parameters()))


def test_dropout_stands_where_it_is_of_use() -> None:
    """Before the layer that it trains, and so in evaluation mode below a new last layer only."""
    with torch.device("meta"):
        net = ca.build("alexnet")
    layers = {floor.name: [type(layer) for layer in floor.layers] for floor in floors(net)}
    assert layers["head.fc8"] == [nn.Dropout, nn.Linear]
    assert layers["head.fc6"] == [nn.Linear, nn.ReLU]


@pytest.mark.parametrize("name", ["resnet20", "nin", "googlenet", "alexnet", "lenet_bn"])
def test_the_halves_make_the_whole(name: str) -> None:
    net = ca.build(name, num_classes=3, input_size=99).eval()
    pictures = torch.randn(2, net.in_channels, 99, 99)
    body, head = halves(net)
    assert torch.equal(head(body(pictures)), net(pictures))
    answering = [layer for layer in head.modules() if isinstance(layer, nn.Linear)]
    assert len(answering) == (name != "nin")  # of several dense layers the last one alone


@pytest.mark.parametrize("strategy", ["head", "gradual"])
def test_what_is_frozen_stays_to_the_last_bit(strategy: Strategy, data: Dataset) -> None:
    """Weights, and the moving averages of batch normalisation; of what trains, both move."""
    net = resnet()
    loop = loop_of(net, data, Config(strategy=strategy, epochs=5, batch_size=32, lr=0.01))
    before = state(net)
    for tally in loop.epoch():
        assert tally.images
    assert changed(before, net) == {"head.fc.weight", "head.fc.bias"}
    modes = {name: layer.training for name, layer in net.named_modules() if name}
    assert {name for name, training in modes.items() if training} == {"head.fc", "head", "stages"}


def test_the_strategy_that_freezes_nothing(data: Dataset) -> None:
    net = resnet()
    loop = loop_of(net.eval(), data, Config(strategy="finetune", batch_size=32, weight_decay=0.1))
    before = state(net)
    for _ in loop.epoch():
        assert all(layer.training for copy in loop.shards.nets for layer in copy.modules())
    assert changed(before, net) == set(before)


def test_floors_thaw_from_the_head_in_equal_shares(data: Dataset) -> None:
    """Five floors, and five epochs of three steps: one more with each epoch."""
    net = resnet()
    loop = loop_of(net, data, Config(strategy="gradual", epochs=5, batch_size=32, lr=0.01))
    for epoch in range(5):
        before = state(net)
        for _ in loop.epoch():
            open_ = [all(p.requires_grad for p in floor.parameters) for floor in floors(net)]
            assert open_ == [depth <= epoch for depth in range(5)]
        moved = changed(before, net)
        for depth, name in enumerate(RESNET):
            of_floor = {key for key in before if key.startswith(name)}
            assert of_floor <= moved if depth <= epoch else not of_floor & moved
    remembered = [len(loop.optimizer.state[p]) > 0 for p in net.parameters()]
    assert all(remembered)


def test_floors_freeze_from_the_stem_upwards(data: Dataset) -> None:
    """Of twelve steps the stem has three, the stage above it six; they go on normalising."""
    net = resnet()
    config = Config(epochs=4, batch_size=32, lr=0.01, weight_decay=0.1, freeze_at=(0.25, 0.5))
    loop, weights = loop_of(net, data, config), {name for name, _ in net.named_parameters()}
    for frozen in ((), ("stem",), ("stem", "stages.conv2_x"), ("stem", "stages.conv2_x")):
        before = state(net)
        for _ in loop.epoch():
            for copy in loop.shards.nets:
                assert all(layer.training for layer in copy.modules())
                still = {name for name, p in copy.named_parameters() if not p.requires_grad}
                assert still == {name for name in weights if name.startswith(frozen)}
        assert weights - changed(before, net) == still


def test_a_stem_frozen_at_0_stays_as_it_began(data: Dataset) -> None:
    net = resnet()
    loop, before = loop_of(net, data, Config(batch_size=32, freeze_at=(0.0,))), state(net)
    for _ in loop.epoch():
        pass
    weights = {name for name, _ in net.named_parameters()}
    assert weights - changed(before, net) == {name for name in weights if name.startswith("stem")}


def test_one_floor_is_left_to_learn(data: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"freeze_at has 5 shares, .* network's 5 floors"):
        loop_of(resnet(), data, Config(freeze_at=(0.5,) * 5))


@pytest.mark.parametrize("setting", [{"strategy": "head"}, {"strategy": "gradual"}, {"l2_sp": 0.1}])
def test_what_has_an_order_of_its_own_is_not_frozen_from_below(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="freeze_at is"):
        Config(freeze_at=(0.5,), **setting)


def test_floors_thaw_in_the_middle_of_an_epoch() -> None:
    thaw = Thaw([resnet()], Config(strategy="gradual"), steps=12)
    assert [thaw.count(step) for step in range(12)] == [1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5]
    thaw.train(4)
    assert thaw.open == 2
    thaw.advance(5)
    assert thaw.open == 3


def test_more_floors_than_steps() -> None:
    thaw = Thaw([resnet()], Config(strategy="gradual"), steps=2)
    assert [thaw.count(step) for step in range(2)] == [1, 3]


def test_what_was_frozen_by_hand_is_not_thawed() -> None:
    net = resnet()
    net.stem.requires_grad_(False)
    Thaw([net], Config(strategy="gradual"), steps=1).train(step=1)
    assert [p.requires_grad for p in net.stem.parameters()] == [False] * 3
    assert all(p.requires_grad for p in net.stages.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        {"strategy": "gradual", "stage_decay": 0.5, "l2_sp": 0.1},
        {"freeze_at": (0.2, 0.5)},
        {"freeze_at": (0.4,), "optimizer": "muon"},
    ],
)
def test_a_thaw_is_resumed_exactly(data: Dataset, setting: dict[str, Any]) -> None:
    """In the middle of the run, in the middle of an epoch, L2-SP and rates by stage and all."""
    config = Config(epochs=4, batch_size=20, lr=0.05, flip=True, **setting)
    whole = loop_of(resnet(), data, config)
    for _ in range(4):
        list(whole.epoch())
    begun = loop_of(resnet(), data, config)
    list(begun.epoch())
    for _ in begun.epoch():
        if begun.number == 6:
            break
    kept = begun.state_dict()
    other = resnet()
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()  # where it began is in the state alone
    resumed = loop_of(other, data, config)
    resumed.load_state_dict(kept)
    for _ in range(3):
        list(resumed.epoch())
    assert resumed.number == whole.number == 16
    assert not changed(state(whole.net), resumed.net)


# ------------------------------------------------------------------------------- learning rates


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_each_stage_learns_at_its_share_of_the_rate(optimizer: str) -> None:
    net = resnet()
    names = {id(p): name for name, p in net.named_parameters()}
    config = Config(strategy="finetune", lr=0.8, stage_decay=0.5, optimizer=optimizer)
    groups = make_optimizer(net, config).param_groups
    rates = {names[id(p)]: group["lr"] for group in groups for p in group["params"]}
    assert set(rates) == set(names.values())
    for depth, floor in enumerate(RESNET):
        found = {rate for name, rate in rates.items() if name.startswith(floor)}
        assert found == {0.8 * 0.5**depth}
    assert groups[0]["lr"] == 0.8  # which is the one that is shown


# ------------------------------------------------------------------- what the data's size decides


def pictures(count: int, classes: int) -> ImageSet:
    labels = torch.arange(count) % classes
    names = tuple(map(str, range(classes)))
    return ImageSet("some", torch.zeros(count, 1, 8, 8, dtype=torch.uint8), labels, names)


@pytest.mark.parametrize(
    ("count", "expected"), [(30, "head"), (74, "head"), (75, "finetune"), (3000, "finetune")]
)
def test_few_pictures_train_the_head_alone(count: int, expected: str) -> None:
    made = settled(resnet(), transfer(), pictures(count, 3))
    assert made.strategy == expected
    assert made.stage_decay == 0.7
    assert expected in described(made)
    kept = settled(resnet(), replace(transfer(), strategy="gradual"), pictures(count, 3))
    assert kept.strategy == "gradual"


@pytest.mark.parametrize(("count", "expected"), [(10, 32), (100, 4), (319, 2), (320, 1), (999, 1)])
def test_an_epoch_of_few_pictures_is_stretched(count: int, expected: int) -> None:
    """To ten steps of 32 pictures."""
    assert settled(resnet(), transfer(), pictures(count, 3)).repeat == expected
    asked = Config(repeat=5)
    assert settled(resnet(), asked, pictures(count, 3)) == asked


def test_a_module_of_your_own_is_fine_tuned_as_a_whole(small: Make, data: Dataset) -> None:
    made = settled(small(), transfer(), data.train)
    assert (made.strategy, made.stage_decay) == ("finetune", 1.0)


@pytest.mark.parametrize("asked", [{"strategy": "head"}, {"strategy": "gradual"}, {"l2_sp": 0.1}])
def test_a_module_of_your_own_has_no_stages(
    asked: dict[str, object], small: Make, data: Dataset
) -> None:
    with pytest.raises(ConfigError, match="Sequential is no network of the atlas") as raised:
        settled(small(), Config(**asked), data.train)
    assert str(raised.value).startswith(next(iter(asked)))
    assert "\n" not in str(raised.value)
