"""Real processes that train together; what they wrote is what counts."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import convatlas as ca
from convatlas.cli import main
from convatlas.data import Dataset
from convatlas.data.shards import shard_arrays
from convatlas.errors import ConfigError, TrainingError
from convatlas.train import Config, fit, launch
from convatlas.train.distributed import Place, here, joined, place
from convatlas.train.ranks import ALONE, Ranks

# without batch normalisation and dropout a picture is learned alike, whoever is in its batch; and
# tanh has no kinks, at which the last bit of a weight may send a run elsewhere
_NET = 'ca.build("lenet_d2l", num_classes=10, input_size=16, activation="tanh")'
_SETTINGS: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 64,
    "flip": True,
    "shift": 1,
    "schedule": "constant",
    "precision": "float32",
    "layout": "contiguous",
    "optimizer": "sgd",
    "lr": 0.05,
    "init": "xavier",
}
_FIT = """
    import convatlas as ca
    from convatlas.errors import ConvAtlasError
    from convatlas.train import Config, fit
    try:
        fit({net}, "digits", recipe=Config(**{settings}), quiet=True, **{more})
    except ConvAtlasError as error:
        print(type(error).__name__, error)
"""


def fitting(net: str = _NET, more: dict[str, Any] | None = None, **settings: Any) -> str:
    """A program that trains on digits."""
    return _FIT.format(net=net, settings=_SETTINGS | settings, more=more or {"out": "run"})


def network() -> nn.Module:
    """What `_NET` says."""
    return ca.build("lenet_d2l", num_classes=10, input_size=16, activation="tanh")


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def close(one: Path, other: Path) -> None:
    """The same losses and weights, to 1e-5."""
    mine, theirs = rows(one), rows(other)
    assert [row["step"] for row in mine] == [row["step"] for row in theirs]
    for a, b in zip(mine, theirs, strict=True):
        for name in a.keys() & {"train_loss", "train_accuracy", "test_loss", "test_accuracy"}:
            assert a[name] == pytest.approx(b[name], abs=1e-5), name
    weights = [load_file(run / "model.safetensors") for run in (one, other)]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=0, atol=1e-5)


# --------------------------------------------------------------------------------- training


@pytest.mark.slow
def test_two_with_32_pictures_learn_what_one_learns_from_64(processes: Any, tmp_path: Path) -> None:
    """Each with its half in two parts, too; one process takes the batch as a whole."""
    alike = {"epochs": 3, "skip_easy": 0.2}  # the third goes by every picture's loss
    said = processes.run(fitting(accumulate=2, **alike))
    alone = Config(**_SETTINGS | alike)
    fit(network(), "digits", recipe=alone, out=tmp_path / "alone", quiet=True)
    assert said == ["", ""]
    close(tmp_path / "run", tmp_path / "alone")
    assert rows(tmp_path / "run")[-1]["train_loss"] < 2  # and log 10 is 2.3
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    assert described["machine"]["processes"] == 2
    assert described["engine"]["shards"] == 1
    assert described["result"]["epochs"] == 3


@pytest.mark.slow
def test_a_last_layer_learns_from_features_that_both_have(processes: Any, tmp_path: Path) -> None:
    alike = {"strategy": "head", "shift": 0}
    said = processes.run(fitting(**alike))
    fit(network(), "digits", recipe=Config(**_SETTINGS | alike), out=tmp_path / "one", quiet=True)
    assert said == ["", ""]
    close(tmp_path / "run", tmp_path / "one")


# in the forward pass of one step, the weights of one process are spoiled
_SPOILED = """
    import os, torch
    import convatlas as ca
    from convatlas.train import Config, fit

    torch.manual_seed(0)
    net = {net}
    steps = []

    def look(module, inputs):
        if module is net.stages and module.training and not inputs[0].is_meta:
            steps.append(0)
            if len(steps) == 9 and os.environ["RANK"] == "{last}":
                next(net.head.parameters()).data.fill_(torch.nan)

    net.stages.register_forward_pre_hook(look)
    settings = {settings}
    fit(net, "digits", recipe=Config(**settings), out="{out}", on_nan="back", checkpoint_seconds=0)
"""


@pytest.mark.slow
def test_both_go_back_when_one_has_no_number(processes: Any, tmp_path: Path) -> None:
    settings = _SETTINGS | {"epochs": 1}
    for world in (2, 1):
        program = _SPOILED.format(net=_NET, settings=settings, out=f"of {world}", last=world - 1)
        said = processes.run(program, world)[-world]
        assert "back to step 8, and on at half the learning rate (1 of 3 times)" in said
    close(tmp_path / "of 2", tmp_path / "of 1")
    assert rows(tmp_path / "of 2")[-1]["step"] == 22


# stopped in the middle of a step by a signal to the second process alone
_STOPPED = """
    import os, signal, torch
    import convatlas as ca
    from convatlas.train import Config, fit

    def run(stop, **where):
        torch.manual_seed(0)
        net = {net}
        steps = []

        def look(module, inputs):
            real = module is net.stages and not inputs[0].is_meta  # no copy, nothing measured
            steps.append(real and module.training)
            if stop and sum(steps) == stop and os.environ["RANK"] == "1":
                os.kill(os.getpid(), signal.SIGTERM)

        net.stages.register_forward_pre_hook(look)
        ended = fit(net, "digits", recipe=Config(**{settings}), quiet=True, **where)
        print(ended.interrupted, ended.signal == signal.SIGTERM)

"""


@pytest.mark.slow
def test_stopped_both_go_on_to_the_last_bit(processes: Any, tmp_path: Path) -> None:
    """With moving averages, dropout, stages that thaw and another layout."""
    net = 'ca.build("resnet20", num_classes=10, in_channels=1, input_size=16)'
    settings = _SETTINGS | {"strategy": "gradual", "init": "own", "layout": "channels-last"}
    program = _STOPPED.format(net=net, settings=settings | {"epochs": 1})
    program = program.replace("steps = []", "steps = net.stem.append(torch.nn.Dropout(0.1)) and []")
    more = """
    run(0, out="whole")
    run(13, out="pieces")
    run(0, resume="pieces")
"""
    assert processes.run(program + more) == ["False False\nTrue True\nFalse False\n"] * 2
    weights = [load_file(tmp_path / run / "model.safetensors") for run in ("whole", "pieces")]
    for name, weight in weights[0].items():
        assert torch.equal(weight, weights[1][name]), name


@pytest.mark.slow
def test_another_number_goes_on_where_an_epoch_ends(processes: Any, tmp_path: Path) -> None:
    """Two processes learn from the first 22 or 30 batches of 22 an epoch, and one goes on."""
    more = """
    run(22, out="edge")
    run(30, out="inside")
"""
    processes.run(_STOPPED.format(net=_NET, settings=_SETTINGS) + more)
    for run in ("edge", "inside"):
        assert json.loads((tmp_path / run / "run.json").read_text())["result"]["interrupted"]
    with pytest.raises(
        ConfigError,
        match=r"8 steps into an epoch that 2 processes share, and here are 1: go on with 2 ",
    ):
        go_on(tmp_path / "inside")
    go_on(tmp_path / "edge")
    go_on(tmp_path / "alone", begun=False)
    close(tmp_path / "edge", tmp_path / "alone")


def go_on(run: Path, begun: bool = True) -> None:
    where: dict[str, Any] = {"resume" if begun else "out": run}
    fit(network(), "digits", recipe=Config(**_SETTINGS), quiet=True, **where)


@pytest.mark.slow
def test_shards_are_read_by_both(processes: Any, tmp_path: Path, data: Dataset) -> None:
    """96 pictures: each has 48 of them an epoch, in 6 batches of 8, and others than the other."""
    shard_arrays(data, tmp_path / "shards", shards=3, seed=0)
    program = """
        import torch
        from torch import nn
        from convatlas import data
        from convatlas.data.shards import Stream
        from convatlas.train import Config, fit

        seen, batches = [], Stream.batches

        def watched(stream, *sizes):
            for pixels, labels in batches(stream, *sizes):
                seen.extend(pixels.flatten(1).double().mean(1).tolist())
                yield pixels, labels

        Stream.batches = watched
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
        config = Config(epochs=1, batch_size=16, lr=0.05, precision="float32", layout="contiguous")
        fit(net, data.load("shards", side=8), recipe=config, out="run", quiet=True)
        print(sorted(seen))
    """
    seen = [json.loads(said) for said in processes.run(program)]
    expected = data.train.images.flatten(1).double().mean(1)
    assert len(seen[0]) == len(seen[1]) == 48
    assert sorted(seen[0] + seen[1]) == sorted(expected.tolist())
    assert rows(tmp_path / "run")[-1]["step"] == 6


# --------------------------------------------------------------------------------- the command

_COMMAND = ["lenet_d2l", "digits", "--with", "precision=float32", "--with", "layout=contiguous"]
_COMMAND += ["--with", "optimizer=sgd", "--set", "activation=tanh", "--lr", "0.05"]
_COMMAND += ["--batch-size", "64", "--epochs", "6"]


def command(*more: str, folder: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "convatlas", "train", *_COMMAND, "--out", "run", *more]
    return subprocess.Popen(
        arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def kill_second(parent: int, run: Path) -> None:
    """SIGKILL to the second process once the first epoch is over."""
    end = time.monotonic() + 60
    while not ((run / "metrics.jsonl").is_file() and rows(run)):
        assert time.monotonic() < end
        time.sleep(0.02)
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    os.kill(int(children[1]), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes in /proc")
def test_killed_they_begin_anew_and_end_as_if_nothing_was(tmp_path: Path) -> None:
    with command("--procs", "2", "--max-restarts", "1", folder=tmp_path) as running:
        try:
            kill_second(running.pid, tmp_path / "run")
            out, err = running.communicate(timeout=120)
        finally:
            running.kill()
    assert running.returncode == 0, err
    assert "6 epochs of batches of 64, 2 processes of 32;" in out
    assert "resumed after step" in out
    assert err == ""
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    assert described["result"]["epochs"] == 6
    assert [one["step"] < 132 for one in described["resumed"]] == [True]
    assert main(["train", *_COMMAND, "--out", str(tmp_path / "alone")]) == 0
    close(tmp_path / "run", tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes in /proc")
def test_killed_it_is_said_in_a_line(tmp_path: Path) -> None:
    with command("--procs", "2", folder=tmp_path) as running:
        try:
            kill_second(running.pid, tmp_path / "run")
            _, err = running.communicate(timeout=120)
        finally:
            running.kill()
    assert running.returncode == 2
    assert err == (
        "convatlas: process 1 was killed (SIGKILL): go on from the last checkpoint with --resume, "
        "or let --max-restarts do so\n"
    )


@pytest.mark.slow
def test_what_a_process_cannot_do_is_said_once(tmp_path: Path) -> None:
    with command("--batch-size", "63", "--procs", "2", folder=tmp_path) as running:
        _, err = running.communicate(timeout=120)
    assert running.returncode == 2
    assert err == (
        "convatlas: batch_size is 63, but 2 processes have equal shares of it: 62 or 64, say\n"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_ctrl_c_ends_all_of_them_with_a_checkpoint(tmp_path: Path) -> None:
    with command("--procs", "2", "--epochs", "500", folder=tmp_path) as running:
        try:
            end = time.monotonic() + 60
            while not ((tmp_path / "run/metrics.jsonl").is_file() and rows(tmp_path / "run")):
                assert time.monotonic() < end
                time.sleep(0.02)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert (running.returncode, err) == (0, "")
    assert "train --resume run goes on after step" in out
    assert json.loads((tmp_path / "run/run.json").read_text())["result"]["interrupted"]


@pytest.mark.parametrize(
    ("environment", "procs", "restarts", "wanted"),
    [
        ({}, None, None, False),
        ({}, 2, None, True),
        ({}, 1, 3, True),
        ({"RANK": "1", "TORCHELASTIC_RUN_ID": "convatlas-procs"}, 2, 3, False),
        ({"RANK": "1", "WORLD_SIZE": "4"}, 2, None, "procs is 2, but torchrun has started 4"),
        ({}, None, 3, "max_restarts is 3, .*: give --procs too, or give it to torchrun"),
    ],
)
def test_who_starts_processes(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    procs: int | None,
    restarts: int | None,
    wanted: bool | str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if isinstance(wanted, bool):
        assert launch.wanted(procs, restarts) is wanted
    else:
        with pytest.raises(ConfigError, match=wanted):
            launch.wanted(procs, restarts)


@pytest.mark.parametrize(("procs", "restarts"), [(0, 0), (-1, 0), (1, -1)])
def test_numbers_of_processes_that_cannot_be(procs: int, restarts: int) -> None:
    with pytest.raises(ConfigError, match=r"but it must be at least"):
        launch.launch([], procs, restarts)


# --------------------------------------------------------------------------------- meeting


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch, port: int) -> Callable[..., None]:
    """Place this very process, as the first of two if nothing else is said."""

    def as_environment(**where: object) -> None:
        first = {"RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        for name, value in (first | where).items():
            monkeypatch.setenv(name, str(value))

    return as_environment


@pytest.mark.parametrize(
    "asked", [("--folds", "3"), ("--find-lr",), ("--show-augment",), ("--show-config",)]
)
def test_what_one_process_does_is_not_begun_by_several(
    asked: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "lenet_bn", "digits", *asked, "--procs", "2"]) == 2
    assert f"{asked[0]} is the work of one process" in capsys.readouterr().err
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "lenet_bn", "digits", *asked]) == 2


def test_by_itself_a_process_is_alone() -> None:
    assert place() is None
    with joined() as ranks:
        assert ranks is here() is ALONE


def test_the_place_is_that_of_the_environment(put: Callable[..., None]) -> None:
    put(RANK=5, WORLD_SIZE=8, LOCAL_RANK=1, TORCHELASTIC_RESTART_COUNT=2)
    assert place() == Place(rank=5, world=8, local=1, attempt=2)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"RANK": 2}, "RANK is 2, but with WORLD_SIZE 2 it must be below that"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', but it must be a whole number"),
        ({"MASTER_PORT": "-1"}, "MASTER_PORT is '-1', but it must be a whole number"),
    ],
)
def test_a_place_that_cannot_be(
    put: Callable[..., None], wrong: dict[str, object], said: str
) -> None:
    put(**wrong)
    with pytest.raises(ConfigError, match=said), joined():
        pass


def test_who_never_comes_is_named(put: Callable[..., None]) -> None:
    put(WORLD_SIZE=4)
    said = r"process 1, 2, 3 did not come within 0.3 s, and 1 of 4 did: see how far it got"
    with pytest.raises(TrainingError, match=said), joined(0.3):
        pass
    assert here() is ALONE


@pytest.mark.slow
def test_a_first_process_that_never_comes_is_named(put: Callable[..., None]) -> None:
    put(RANK=1)
    said = r"process 1 of 2 found nobody at .* within 1 s"
    with pytest.raises(TrainingError, match=said), joined(1):
        pass


def test_a_port_in_use_is_named(put: Callable[..., None]) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        put(MASTER_PORT=port)
        said = f"port {port} is in use: set MASTER_PORT to another one, in all processes"
        with pytest.raises(ConfigError, match=said), joined(1):
            pass


@pytest.mark.slow
def test_who_goes_early_is_missed(processes: Any) -> None:
    program = """
        import os
        from convatlas.errors import TrainingError
        from convatlas.train.distributed import joined
        try:
            with joined(60) as ranks:
                ranks.totals(1.0)
                if ranks.rank == 1:
                    os._exit(0)
                ranks.totals(1.0)
        except TrainingError as error:
            print(error)
    """
    assert processes.run(program)[0] == (
        "process 0 of 2 lost another one, which ended before its time: go on from the last "
        "checkpoint with --resume, or let --max-restarts do so\n"
    )


# --------------------------------------------------------------------------------- what they ask


@pytest.mark.slow
def test_what_three_processes_tell_each_other(processes: Any) -> None:
    program = """
        import json, torch
        from torch import nn
        from convatlas.train.distributed import here, joined
        for time in range(2):  # a second meeting at the same place is another one
            with joined(60) as ranks:
                assert here() is ranks
                r = ranks.rank
                norm = nn.BatchNorm1d(2)
                norm.running_mean.fill_(r + 1)
                ranks.even(norm)
                print(json.dumps([
                    ranks.totals(r, 10.0),
                    ranks.gathered(torch.full((r, 2), r)).tolist(),
                    ranks.agreed({"mine": r, "time": time}),
                    ranks.agreed(r),
                    ranks.lasting("name", lambda: f"{time} of {r}"),
                    ranks.lasting("name", lambda: "another"),
                    norm.running_mean.tolist(),
                ]))
    """
    for said in processes.run(program, world=3):
        for number, line in enumerate(said.splitlines()):
            name = f"{number} of 0"
            assert json.loads(line) == [
                [3.0, 30.0],
                [[1, 1], [2, 2], [2, 2]],
                {"mine": 0, "time": number},
                0,
                name,
                name,
                [1.0, 1.0],
            ]
        assert number == 1


def test_alone_all_of_it_is_what_was_given() -> None:
    rows, state = torch.ones(3, 2), torch.get_rng_state()
    ALONE.seed(1, 2)
    ALONE.even(torch.nn.BatchNorm1d(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert ALONE.totals(1.5, 2) == (1.5, 2)
    assert ALONE.gathered(rows) is rows
    assert ALONE.agreed(rows) is rows
    assert ALONE.lasting("name", lambda: "mine") == "mine"
    assert type(ALONE.generator(torch.device("cpu"))) is torch.Generator


def test_shares_are_equal_and_stretches_cover_all() -> None:
    ranks = [Ranks(rank, 3) for rank in range(3)]
    assert ranks[1].share(66) == 22
    with pytest.raises(ConfigError, match=r"batch_size is 64, but 3 processes .*: 63 or 66, say"):
        ranks[0].share(64)
    with pytest.raises(ConfigError, match=r"equal shares of it: 3, say"):
        ranks[0].share(2)
    for count in (0, 2, 3, 100):
        every = [list(range(count))[one.stretch(count)] for one in ranks]
        assert [i for one in every for i in one] == list(range(count))
        assert max(map(len, every)) - min(map(len, every)) <= 1


def test_what_a_network_draws_follows_from_process_and_step() -> None:
    def drawn(rank: int, step: int, seed: int = 5) -> tuple[float, ...]:
        Ranks(rank, 2).seed(seed, step)
        return torch.rand(()).item(), random.random(), float(np.random.rand())  # noqa: NPY002

    with torch.random.fork_rng():
        first = drawn(0, 0)
        others = [drawn(1, 0), drawn(0, 1), drawn(1, 1), drawn(0, 0, seed=6)]
        assert drawn(0, 0) == first
    assert len({first, *others}) == 5


def test_batch_normalisation_over_processes_needs_gpus(
    small: Callable[[], nn.Sequential], data: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="sync_norm is True, but it is for processes on GPUs"):
        fit(small(), data, recipe=Config(sync_norm=True), out=tmp_path / "run", quiet=True)
