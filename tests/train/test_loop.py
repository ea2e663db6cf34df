from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convatlas.data import Dataset, Preprocess
from convatlas.errors import ConfigError, TrainingError
from convatlas.train import Config
from convatlas.train.engine import Engine
from convatlas.train.loop import Loop
from convatlas.train.tally import Tally

ENGINE = Engine("float32", "contiguous")
Make = Callable[[], nn.Sequential]


def loop_of(net: nn.Module, data: Dataset, config: Config, engine: Engine = ENGINE) -> Loop:
    return Loop(net, data.train, Preprocess.measure(data.train.images, 8), config, engine)


def plain(net: nn.Module, data: Dataset, config: Config, rates: list[float]) -> None:
    """The loop as a textbook has it, without torch.optim: Nesterov momentum as torch defines it.

    v ← μ v + g, w ← w − η (g + μ v), where g holds the decay of matrices and kernels; without
    Nesterov w ← w − η v.
    """
    spec = Preprocess.measure(data.train.images, 8)
    speeds = [torch.zeros_like(p) for p in net.parameters()]
    order = torch.Generator().manual_seed(config.seed)
    step = 0
    net.train()
    for _ in range(config.epochs):
        for chosen in torch.randperm(len(data.train), generator=order).split(config.batch_size):
            if len(chosen) < config.batch_size:
                continue
            loss = F.cross_entropy(net(spec(data.train.images[chosen])), data.train.labels[chosen])
            grads = torch.autograd.grad(loss, list(net.parameters()))
            with torch.no_grad():
                for p, g, v in zip(net.parameters(), grads, speeds, strict=True):
                    if p.dim() > 1 or config.decay_everything:
                        g = g + config.weight_decay * p
                    v.mul_(config.momentum).add_(g)
                    p -= rates[step] * (g + config.momentum * v if config.nesterov else v)
            step += 1


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "constant", "momentum": 0.0, "weight_decay": 0.0},
        {"schedule": "constant", "nesterov": False},
        {"schedule": "one-cycle", "warmup": 0.5},
        {"schedule": "constant", "decay_everything": True, "seed": 7},
    ],
)
def test_the_steps_are_those_of_a_plain_loop(
    changes: dict[str, object], small: Make, data: Dataset
) -> None:
    """96 pictures in batches of 20: four steps an epoch, and 16 pictures left over.

    The fused optimiser contracts products and sums, which is a last place (6e-8) or so a step;
    weights are of order 1 and there are eight steps.
    """
    config = Config(epochs=2, batch_size=20, lr=0.05, **changes)
    rates = [0.05] * 8
    if config.schedule == "one-cycle":
        rates = [0.05 * (step + 1) / 4 for step in range(4)] + [
            0.05 * (8 - step) / 4 for step in range(4, 8)
        ]
    expected, learned = small(), small()
    plain(expected, data, config, rates)
    loop = loop_of(learned, data, config)
    seen = []
    for _ in range(2):
        before = loop.number
        seen += [loop.lr]
        *_, tally = loop.epoch()
        assert (loop.number - before, tally.images) == (4, 80)
    assert seen == pytest.approx([rates[0], rates[4]])
    for name, value in learned.state_dict().items():
        torch.testing.assert_close(value, expected.state_dict()[name], rtol=0, atol=2e-6)
    moved = learned[5].weight - small()[5].weight
    assert moved.abs().max() > 1e-2  # and they went somewhere


def test_the_tally_is_the_mean_over_pictures(small: Make, data: Dataset) -> None:
    """With a rate too small to change anything, the epoch's loss is that of the weights given."""
    net = small()
    config = Config(batch_size=96, lr=1e-30, weight_decay=0.0, schedule="constant")
    loop = loop_of(net, data, config)
    (tally,) = loop.epoch()
    logits = small().train()(loop.preprocess(data.train.images))
    row = tally.row()
    assert row["train_loss"] == pytest.approx(F.cross_entropy(logits, data.train.labels).item())
    right = (logits.argmax(1) == data.train.labels).float().mean().item()
    assert row["train_accuracy"] == pytest.approx(right)


def test_a_tally_of_time() -> None:
    row = Tally(images=90, loss=45.0, right=30, waiting=1.0, computing=2.0).row()
    assert row == {
        "train_loss": 0.5,
        "train_accuracy": pytest.approx(1 / 3),
        "images_per_second": 30.0,
        "waiting": pytest.approx(1 / 3),
    }


def test_batches_larger_than_the_data_are_the_data(small: Make, data: Dataset) -> None:
    loop = loop_of(small(), data, Config(batch_size=1000))
    assert (loop.feed.batch_size, loop.steps_per_epoch) == (96, 1)
    (tally,) = loop.epoch()
    assert tally.images == 96


def test_no_batch_of_one_is_left_for_normalisation(small: Make, data: Dataset) -> None:
    """97 − 96 = 1 picture would be left, of which batch normalisation cannot take a deviation."""
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 3))
    images = data.train.subset(torch.arange(97) % 96)
    loop = loop_of(net, Dataset("97", images, data.test), Config(batch_size=32))
    assert [tally.images for tally in loop.epoch()][-1] == 96


def still(x: Tensor) -> Tensor:
    return x.sort(dim=-1).values


def test_augmentation_is_drawn_anew_from_the_runs_seed(small: Make, data: Dataset) -> None:
    everything = torch.arange(96)
    config = Config(flip=True, shift=1, erase=3, seed=5)
    loop, again = loop_of(small(), data, config), loop_of(small(), data, config)
    other = loop_of(small(), data, replace(config, seed=6))
    bare = loop_of(small(), data, Config())
    pixels, labels = loop.feed.batch(everything)
    assert torch.equal(labels, data.train.labels)
    first = loop.inputs(pixels, labels, 0)[0].clone()
    assert torch.equal(first, again.inputs(pixels, labels, 0)[0])
    for different in (loop, other, bare):
        assert not torch.equal(first, different.inputs(pixels, labels, 0)[0])
    spec = loop.preprocess
    assert torch.equal(bare.inputs(pixels, labels, 0)[0], spec(data.train.images))
    black = spec(torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(1, 1, 8, 8))[0, 0, 0, 0]
    erased = loop_of(small(), data, Config(erase=3)).inputs(pixels, labels, 0)[0] == black
    assert erased.flatten(1).sum(1).min() >= 4  # a corner at least


def test_flipping_keeps_each_row(small: Make, data: Dataset) -> None:
    pixels, labels = data.train.sample(96)
    plain, mirrored = (
        loop_of(small(), data, Config(flip=flip)).inputs(pixels, labels, 0)[0]
        for flip in (False, True)
    )
    assert torch.equal(still(plain), still(mirrored))
    turned = (plain != mirrored).flatten(1).any(1).sum().item()
    assert 30 < turned < 66  # half of 96, within 3.7 standard deviations


def test_a_loss_that_is_no_number_teaches_nothing(small: Make, data: Dataset) -> None:
    net = small()
    loop = loop_of(net, data, Config(batch_size=32, lr=0.05, schedule="constant"))
    epoch = loop.epoch()
    next(epoch)
    net[5].bias.data[0] = float("nan")
    before = {name: value.clone() for name, value in net.named_parameters()}
    with pytest.raises(TrainingError) as raised:
        next(epoch)
    said = str(raised.value)
    assert "the loss is nan at step 2 with learning rate 0.05: try a smaller --lr" in said
    for name, value in net.named_parameters():
        assert torch.equal(value.nan_to_num(9), before[name].nan_to_num(9))
    assert loop.number == 1


@pytest.mark.parametrize(("changes", "ahead"), [({}, True), ({"clip": 0.1}, False)])
def test_a_step_begins_as_soon_as_gradients_are_whole(
    changes: dict[str, float], ahead: bool, small: Make, data: Dataset
) -> None:
    """Unless they are changed together before it; what is learned is the same to the last bit."""
    config = Config(epochs=1, batch_size=32, optimizer="muon", lr=0.05, **changes)
    nets = []
    for begins in (True, False):
        loop = loop_of(small(), data, config, replace(ENGINE, shards=2))
        assert (loop.ready is not None) == ahead
        if not begins:
            loop.ready = None
        prepared: list[int] = []
        loop.optimizer.register_step_pre_hook(lambda o, *_, n=prepared: n.append(len(o.prepared)))
        list(loop.epoch())
        kernels = sum(p.dim() > 1 for p in loop.net[:-1].parameters())  # the last layer is AdamW's
        assert prepared == [kernels if begins and ahead else 0] * 3
        nets.append(loop.net)
    for one, other in zip(*(net.parameters() for net in nets), strict=True):
        assert torch.equal(one, other)


def test_gradients_are_clipped_together(small: Make, data: Dataset) -> None:
    """Plain SGD at rate 1 moves by the gradient itself, whose norm over all weights is cut."""
    norms = {}
    for clip in (0.0, 0.01):
        net, before = small(), nn.utils.parameters_to_vector(small().parameters())
        config = Config(batch_size=96, lr=1.0, momentum=0.0, weight_decay=0.0, clip=clip)
        list(loop_of(net, data, replace(config, schedule="constant")).epoch())
        moved = nn.utils.parameters_to_vector(net.parameters()) - before
        norms[clip] = moved.norm().item()
    assert norms[0.0] > 0.1
    assert norms[0.01] == pytest.approx(0.01, rel=1e-3)


def test_an_average_follows_the_network(small: Make, data: Dataset) -> None:
    """Of three steps: w₁, then d = 1/10 of it, then d = 2/11 of that."""
    net = small()
    loop = loop_of(net, data, Config(batch_size=32, lr=0.05, ema=0.9))
    assert loop.average is not None
    seen = []
    for _ in loop.epoch():
        seen.append({name: value.double() for name, value in net.state_dict().items()})
    first, second, third = seen
    for name, value in loop.average.module.state_dict().items():
        if value.is_floating_point():
            mean = first[name] / 10 + second[name] * 9 / 10
            mean = mean * 2 / 11 + third[name] * 9 / 11
            torch.testing.assert_close(value.double(), mean, rtol=1e-5, atol=1e-7)
    assert not torch.equal(loop.average.module[5].weight, net[5].weight)


def test_channels_last_is_the_same_training(small: Make, data: Dataset) -> None:
    """Sums in another order, nothing else."""
    nets = []
    for layout in ("contiguous", "channels-last"):
        engine = Engine("float32", layout)
        net = engine.place(small())
        loop = loop_of(net, data, Config(batch_size=48, lr=0.05), engine)
        pixels, _ = loop.inputs(*data.train.sample(2), 0)
        assert pixels.is_contiguous(
            memory_format=torch.channels_last if "-" in layout else torch.contiguous_format
        )
        list(loop.epoch())
        nets.append(net)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_nothing_to_train_is_said(data: Dataset) -> None:
    with pytest.raises(ConfigError, match="nothing to train"):
        loop_of(nn.Flatten(), data, Config())


@pytest.mark.parametrize("crop", ["random", "ten", "resized"])
def test_what_was_cut_out_is_not_resized_again(data: Dataset, crop: str) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    spec = Preprocess.measure(data.train.images, 6, resize=8)
    loop = Loop(net, data.train, spec, Config(crop=crop), ENGINE)
    pixels, labels = loop.feed.batch(torch.arange(96))
    assert pixels.shape == (96, 1, 6, 6)
    inputs, _ = loop.inputs(pixels, labels, 0)
    assert torch.equal(inputs, spec.normalise(pixels))
