"""Every picture once an epoch over all ranks, and the same ones again after a stop."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convatlas.data import Preprocess, Stream, augment, list_pictures
from convatlas.data.decode import decode
from convatlas.data.shards import order, shard_files
from convatlas.data.shards.index import Index
from convatlas.errors import ConfigError, DataError


def keys(stream: Stream) -> list[str]:
    return [sample.member.partition(".")[0] for sample in stream.undecoded()]


def all_of(stream: Stream, size: int, crops: int | None = None) -> list[torch.Tensor]:
    """Pixels and labels of what is left of an epoch."""
    return [x for batch in stream.batches(size, crops) for x in batch]


@pytest.mark.parametrize(("world", "readers"), [(1, 1), (1, 4), (2, 3), (4, 1), (5, 2), (11, 4)])
@pytest.mark.parametrize("shards", [1, 3, 8])
def test_every_picture_comes_once_an_epoch(
    numbered: Callable[..., Index], world: int, readers: int, shards: int
) -> None:
    stream = Stream(numbered(101, shards), world=world, readers=readers, buffer=7)
    epochs = []
    for epoch in range(2):
        ranks = [keys(replace(stream, rank=rank, epoch=epoch)) for rank in range(world)]
        assert Counter(key for one in ranks for key in one) == {f"{i:09}": 1 for i in range(101)}
        assert {len(one) for one in ranks} <= {101 // world, 101 // world + 1}
        epochs.append(ranks)
    assert epochs[0] != epochs[1]
    assert epochs[0][0] == keys(stream)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_it_goes_on_where_it_stopped(numbered: Callable[..., Index], data: st.DataObject) -> None:
    world = data.draw(st.integers(1, 3))
    stream = Stream(
        numbered(data.draw(st.integers(20, 60)), data.draw(st.integers(1, 6))),
        world=world,
        rank=data.draw(st.integers(0, world - 1)),
        readers=data.draw(st.integers(1, 5)),
        buffer=data.draw(st.integers(1, 70)),
        epoch=3,
    )
    whole = keys(stream)
    taken = data.draw(st.integers(0, len(whole)))
    assert keys(replace(stream, taken=taken)) == whole[taken:]


def test_what_is_long_gone_is_not_read_again(numbered: Callable[..., Index]) -> None:
    stream = Stream(numbered(100, 10), readers=1, buffer=3, epoch=1)
    whole = keys(stream)
    for shard in order.epoch_of(stream.shards, 0, 1)[:6]:
        shard.path.unlink()
    assert keys(replace(stream, taken=90)) == whole[90:]
    with pytest.raises(DataError, match="No such file"):
        keys(replace(stream, taken=50))


def test_every_rank_draws_for_itself(numbered: Callable[..., Index]) -> None:
    stream = Stream(numbered(100, 1), world=2, readers=1, buffer=9)
    both = [[int(key) for key in keys(replace(stream, rank=rank))] for rank in range(2)]
    assert [key + 50 for key in both[0]] != both[1]


@pytest.mark.parametrize("crops", [None, 6])
def test_a_resumed_run_sees_the_same_pixels(pets: Path, tmp_path: Path, crops: int | None) -> None:
    index = shard_files(list_pictures(pets), tmp_path / "out", shards=3)
    fresh = Stream(index, side=8, seed=5, readers=2, buffer=6)
    batches = fresh.batches(5, crops)
    assert fresh.steps(5) == fresh.left(5) == 5
    seen, states = [], [fresh.state_dict()]
    for _ in range(5):
        seen.append(next(batches))
        states.append(fresh.state_dict())
    assert next(batches, None) is None
    assert [(state["epoch"], state["taken"]) for state in states] == [
        *((0, taken) for taken in range(0, 25, 5)),
        (1, 0),
    ]
    following = list(fresh.batches(5, crops))
    assert not torch.equal(following[0][0], seen[0][0])
    for at, state in enumerate(states):
        resumed = Stream(index, side=8, seed=5, readers=2, buffer=6)
        resumed.load_state_dict(json.loads(json.dumps(state)))
        assert resumed.left(5) == (5 - at or 5)
        found = list(resumed.batches(5, crops))
        for (pixels, labels), (x, y) in zip(seen[at:] or following, found, strict=True):
            assert torch.equal(pixels, x)
            assert torch.equal(labels, y)


@pytest.mark.parametrize("side", [3, 8])  # of 3, JPEGs are decoded at a quarter
def test_pixels_and_labels_are_those_of_the_files(pets: Path, tmp_path: Path, side: int) -> None:
    index = shard_files(list_pictures(pets), tmp_path / "out", shards=3)
    spec = Preprocess(side, side, 3, (0.0,) * 3, (1.0,) * 3)
    files = list((pets / "train").rglob("*.*"))
    wanted = {spec.fit(spec.decode(p)).numpy().tobytes(): p.parent.name for p in files}
    stream = Stream(index, side=side)
    (batch,) = stream.batches(26)
    found = {x.numpy().tobytes(): index.classes[y] for x, y in zip(*batch, strict=True)}
    assert found == wanted
    assert stream.shape == (3, side, side)
    assert stream.name == "pets train"
    assert len(stream) == len(stream.labels) == 26
    assert stream.labels.bincount().tolist() == [13, 13]


def test_crops_are_of_the_originals(pets: Path, tmp_path: Path) -> None:
    index = shard_files(list_pictures(pets), tmp_path / "out", shards=3)
    stream = Stream(index, side=8, seed=2)
    originals = [decode(sample.content, 3) for sample in stream.undecoded()][:16]
    pixels, _ = next(stream.batches(16, crops=6))
    sizes = torch.tensor([picture.shape[1:] for picture in originals])
    draw = order.draws(2, 0, 0, 0).getrandbits(63)
    boxes = augment.draw_boxes(sizes, torch.Generator().manual_seed(draw))
    for crop, picture, box in zip(pixels, originals, boxes.tolist(), strict=True):
        assert torch.equal(crop, augment.crop_box(picture, box, 6))


def test_every_rank_makes_the_same_steps(numbered: Callable[..., Index]) -> None:
    index = numbered(101, 3)
    for world, size in ((2, 10), (3, 10), (4, 25), (7, 3)):
        ranks = [Stream(index, side=4, rank=rank, world=world) for rank in range(world)]
        batches = [list(one.batches(size)) for one in ranks]
        assert {len(one) for one in batches} == {101 // world // size} == {ranks[0].steps(size)}
        assert {len(labels) for one in batches for _, labels in one} == {size}
        states = [one.state_dict() for one in ranks]
        assert all(state == states[0] for state in states)  # any rank's is everybody's


def test_what_is_left_out_differs_from_epoch_to_epoch(numbered: Callable[..., Index]) -> None:
    stream = Stream(numbered(50, 4), side=4)
    sums = []
    for epoch in range(4):
        assert stream.epoch == epoch
        batches = list(stream.batches(40))
        sums.append(tuple(torch.cat([labels for _, labels in batches]).bincount().tolist()))
    assert len(set(sums)) > 1


def test_a_rest_too_small_for_larger_batches_is_passed_over(numbered: Callable[..., Index]) -> None:
    stream = Stream(numbered(50, 2), side=4, taken=45)
    assert len(list(stream.batches(10))) == 5
    assert stream.epoch == 2


def test_the_labels_are_the_pictures(numbered: Callable[..., Index]) -> None:
    stream = Stream(numbered(200, 4), side=4, readers=3)
    for pixels, labels in stream.batches(16):
        assert torch.equal(pixels[:, 0, 0, 0].long(), labels)


def test_a_sample_is_spread_over_the_shards(numbered: Callable[..., Index]) -> None:
    stream = Stream(numbered(100, 4), side=4, rank=1, world=2)
    for count in (1, 7, 40, 100, 500):
        pixels, labels = stream.sample(count)
        assert len(pixels) == len(labels) == min(count, 100)
        assert torch.equal(pixels[:, 0, 0, 0].long(), labels)
    assert stream.state_dict()["taken"] == 0


def test_each_shard_gives_its_share_of_a_sample(pets: Path, tmp_path: Path) -> None:
    stream = Stream(shard_files(list_pictures(pets), tmp_path / "out", shards=4), side=8)
    spec = Preprocess(8, 8, 3, (0.0,) * 3, (1.0,) * 3)
    of = {
        spec.fit(decode(sample.content, 3, 8)).numpy().tobytes(): sample.shard
        for sample in stream.undecoded()
    }
    for count in (4, 8, 13, 25):
        pixels, _ = stream.sample(count)
        each = Counter(of[picture.numpy().tobytes()] for picture in pixels)
        for shard in stream.shards:
            assert abs(each[shard.path] - shard.count * count / 26) <= 1


def test_the_fingerprint_is_of_the_content(numbered: Callable[..., Index]) -> None:
    a, b, c = (Stream(numbered(count, 3)) for count in (30, 30, 31))
    assert a.fingerprint() == b.fingerprint() != c.fingerprint()
    assert a.fingerprint() != replace(a, part="test").fingerprint()


def test_another_order_cannot_go_on(numbered: Callable[..., Index]) -> None:
    index = numbered(30, 3)
    state = Stream(index, world=2, taken=4).state_dict()
    Stream(index, world=2, rank=1).load_state_dict(state)
    for other in (
        Stream(index, world=3),
        Stream(index, world=2, seed=1),
        Stream(index, world=2, readers=1),
        Stream(index, world=2, buffer=5),
        Stream(numbered(31, 3), world=2),
    ):
        with pytest.raises(ConfigError, match=r"the position was saved with .*, and here it is"):
            other.load_state_dict(state)


def test_between_two_epochs_another_number_of_ranks_goes_on(
    numbered: Callable[..., Index],
) -> None:
    index = numbered(30, 3)
    stream = Stream(index, side=4, world=2)
    for _ in stream.batches(15):
        pass
    one = Stream(index, side=4)
    one.load_state_dict(stream.state_dict())
    assert (one.epoch, one.taken) == (1, 0)


@pytest.mark.parametrize(
    "wrong", [{"rank": 2, "world": 2}, {"world": 31}, {"readers": 0}, {"buffer": 0}, {"side": 0}]
)
def test_what_cannot_be_is_refused(numbered: Callable[..., Index], wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        Stream(numbered(30, 3), **wrong)


def test_batches_larger_than_an_epoch_are_refused(numbered: Callable[..., Index]) -> None:
    with pytest.raises(ConfigError, match=r"batches of 16 .* a rank has 15 in an epoch"):
        next(Stream(numbered(30, 3), world=2).batches(16))


def test_damage_is_one_line_with_shard_and_member(pets: Path, tmp_path: Path) -> None:
    index = shard_files(list_pictures(pets), tmp_path / "out", shards=2)
    path = index.part("train")[1].path
    content = bytearray(path.read_bytes())
    content[512 : 512 + 40] = b"?" * 40  # the first picture
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train-000001\.tar: 000000013\.\w+ cannot be read as a"):
        all_of(Stream(index, side=8), 13)
    with pytest.raises(DataError, match=r"train-000001\.tar is damaged: its sha-256 is"):
        index.check(thoroughly=True)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"train-000001\.tar (is cut short|ends after)"):
        all_of(Stream(index, side=8), 13)
    with pytest.raises(DataError, match=r"train-000001\.tar has .* bytes, but .* were written"):
        index.check()
    path.unlink()
    with pytest.raises(DataError, match=r"train-000001\.tar cannot be read: No such file"):
        index.check()


@pytest.mark.parametrize("count", [5, 7])
def test_a_shard_that_holds_another_number(numbered: Callable[..., Index], count: int) -> None:
    index, other = numbered(12, 2), numbered(2 * count, 2)
    path = index.part("train")[0].path
    path.write_bytes(other.part("train")[0].path.read_bytes())
    with pytest.raises(DataError, match=f"holds {count} pictures, but 6 were counted in it"):
        keys(Stream(index, readers=1))


def test_a_label_that_is_no_class(numbered: Callable[..., Index]) -> None:
    index = replace(numbered(30, 1), classes=tuple("abcde"))
    with pytest.raises(DataError, match=r"\.png has the label \d, but there are 5 classes"):
        all_of(Stream(index, side=4), 30)


def test_colour_in_an_index_that_says_grey_is_luma(pets: Path, tmp_path: Path) -> None:
    index = replace(shard_files(list_pictures(pets), tmp_path / "out", shards=1), channels=1)
    stream = Stream(index, side=8)
    pixels, _ = next(stream.batches(26))
    spec = Preprocess(8, 8, 1, (0.0,), (1.0,))
    files = (spec.fit(decode(sample.content, 1, 8)) for sample in Stream(index).undecoded())
    assert torch.equal(pixels, torch.stack(list(files)))
