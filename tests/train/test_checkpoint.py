from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from convatlas.errors import ModelError, StorageError
from convatlas.train.checkpoint import Checkpoints


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "run" / "checkpoint")


def names(checkpoints: Checkpoints) -> list[str]:
    return sorted(path.name for path in checkpoints.folder.iterdir())


def test_a_state_comes_back_to_the_last_bit(checkpoints: Checkpoints) -> None:
    kernels = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    state: dict[str, Any] = {
        "net": {"0.weight": kernels, "tied": kernels, "count": torch.tensor(7)},
        "generator": torch.Generator().manual_seed(3).get_state(),
        "half": torch.randn(5).bfloat16(),
        "optimizer": {"lr": [0.1 + 0.2, 1e-30], "remembered": {}},
        "history": [{"epoch": 1, "loss": 1 / 3, "card": None, "true": True}],
        "a/b": "a word",
    }
    checkpoints.write(state)
    found = checkpoints.latest()
    assert found.damaged == ()
    back = found.state
    for name, tensor in state["net"].items():
        assert torch.equal(back["net"].pop(name), tensor)
    for name in ("generator", "half"):
        assert back[name].dtype == state[name].dtype
        assert torch.equal(back.pop(name), state[name])
    rest = {name: state[name] for name in ("optimizer", "history", "a/b")}
    assert back == rest | {"net": {}}


def test_the_last_three_are_kept(checkpoints: Checkpoints) -> None:
    for step in range(5):
        path = checkpoints.write({"step": step})
        assert checkpoints.latest().state == {"step": step}
        assert path.is_file()
    assert [name.partition("-")[0] for name in names(checkpoints)] == ["000003", "000004", "000005"]


def test_numbers_outgrow_their_zeros(checkpoints: Checkpoints) -> None:
    old = checkpoints.write({"step": 0})
    old.rename(old.with_name(old.name.replace("000001", "999999")))
    checkpoints.write({"step": 1})
    assert checkpoints.latest().state == {"step": 1}
    checkpoints.write({"step": 2})
    assert checkpoints.latest().state == {"step": 2}


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_the_one_before_a_damaged_one_is_used(checkpoints: Checkpoints, damage: str) -> None:
    paths = [checkpoints.write({"w": torch.full((64,), float(n))}) for n in range(3)]
    content = bytearray(paths[2].read_bytes())
    if damage == "flip":
        content[-9] ^= 1  # one bit of a weight
    elif damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "empty":
        content.clear()
    if damage == "gone":  # a link to what is no more
        paths[2].unlink()
        paths[2].symlink_to("nowhere")
    else:
        paths[2].write_bytes(content)
    found = checkpoints.latest()
    assert torch.equal(found.state["w"], torch.ones(64))
    (line,) = found.damaged
    assert str(paths[2]) in line
    assert line.endswith("the one before is used")
    # the next one is later than the damaged one, too
    checkpoints.write({"w": torch.zeros(1)})
    assert torch.equal(checkpoints.latest().state["w"], torch.zeros(1))


def test_no_checkpoint_is_whole(checkpoints: Checkpoints) -> None:
    with pytest.raises(ModelError, match=r"there is no checkpoint in .*checkpoint: begin another"):
        checkpoints.latest()
    for _ in range(2):
        checkpoints.write({}).write_bytes(b"")
    with pytest.raises(ModelError, match=r"none of the 2 checkpoints in .* is whole"):
        checkpoints.latest()


def test_what_another_version_wrote_is_not_guessed_at(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr("convatlas.train.checkpoint._FORMAT", "2")
        checkpoints.write({})
    with pytest.raises(ModelError, match="has format 2, and this version reads 1"):
        checkpoints.latest()


def test_the_unfinished_file_of_a_killed_process_is_no_checkpoint(checkpoints: Checkpoints) -> None:
    path = checkpoints.write({"step": 1})
    part = path.with_name(f".000002-{'0' * 32}.safetensors.01234567.part")
    part.write_bytes(b"half")
    assert checkpoints.latest().state == {"step": 1}
    checkpoints.clear()
    assert names(checkpoints) == [part.name]


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """As of a disk that is full: no file grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_the_older_ones_stay(checkpoints: Checkpoints) -> None:
    paths = [checkpoints.write({"w": torch.zeros(10_000)}) for _ in range(3)]
    with small_files(20_000), pytest.raises(StorageError, match=r"cannot write .*000004"):
        checkpoints.write({"w": torch.ones(10_000)})
    assert names(checkpoints) == [path.name for path in paths]
    assert torch.equal(checkpoints.latest().state["w"], torch.zeros(10_000))
