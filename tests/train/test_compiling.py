from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from convatlas.classifier import Classifier
from convatlas.data import Dataset, Preprocess
from convatlas.errors import ConfigError
from convatlas.train import Config, Run, fit
from convatlas.train.compiling import check_compiler
from convatlas.train.engine import Engine
from convatlas.train.loop import Loop
from convatlas.train.trial import choose

Make = Callable[[], nn.Sequential]
CONFIG = Config(epochs=2, batch_size=32, lr=0.05, precision="float32", layout="contiguous")
COMPILED = replace(CONFIG, compiled=True)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    try:
        check_compiler(torch.device("cpu"))
    except ConfigError as error:
        pytest.skip(f"torch.compile is not tried: {error}")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    counters.clear()


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_the_steps_are_those_of_the_network_as_it_stands(
    data: Dataset, small: Make, tmp_path: Path
) -> None:
    """Two runs of six steps, and the compiled one once more, ended half-way and taken up again.

    Compiled code fuses and adds in another order: some units in the last place (6e-8) of gradients
    of order 1, at rates up to 0.05, six times over.
    """

    def end(run: Run) -> None:
        raise KeyboardInterrupt

    plain = fit(small(), data, recipe=CONFIG, out=tmp_path / "plain", quiet=True)
    assert not counters["stats"]["unique_graphs"]
    run = fit(small(), data, recipe=COMPILED, out=tmp_path / "run", quiet=True)
    assert counters["stats"]["unique_graphs"] == 1  # one shape, and evaluation has none
    for row, same in zip(run.history, plain.history, strict=True):
        assert row["train_loss"] == pytest.approx(same["train_loss"], abs=2e-6)
    expected, learned = plain.classifier.net.state_dict(), run.classifier.net.state_dict()
    assert list(learned) == list(expected)
    for name, value in learned.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=2e-6)

    ended = tmp_path / "ended"
    fit(small(), data, recipe=COMPILED, out=ended, on_epoch=end, quiet=True)
    resumed = fit(small(), data, recipe=COMPILED, resume=ended, quiet=True)
    for name, value in resumed.classifier.net.state_dict().items():
        assert torch.equal(value, learned[name]), name

    loaded = Classifier.load(tmp_path / "run" / "model.safetensors", net=small())
    assert torch.equal(loaded.logits(data.test.images), run.classifier.logits(data.test.images))


@pytest.mark.slow
def test_processes_add_up_what_they_traced(tmp_path: Path, processes: Any) -> None:
    """The mean of both halves' gradients is the batch's; float32 adds it in another order."""
    said = processes.run("""
        import functools, torch
        from torch._dynamo.utils import counters
        from convatlas.nets.build import build
        from convatlas.train.distributed import here, joined
        from convatlas.train.engine import Engine
        from convatlas.train.replica import Replica

        torch.compile = functools.partial(torch.compile, backend="aot_eager")  # no C++, for time

        @joined()
        def main():
            torch.manual_seed(0)
            net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Tanh(),
                                      torch.nn.Flatten(), torch.nn.Linear(72, 3))
            pixels, labels = torch.rand(8, 1, 8, 8), torch.arange(8) % 3
            mine = here().stretch(8)
            engine = Engine("float32", "contiguous")
            replica = Replica(net, compiled=True)
            learn = lambda *share: engine.learn(*share, whole=4)
            replica.learn(pixels[mine], labels[mine], learn, parts=2)
            gradients = [p.grad.clone() for p in net.parameters()]
            net.zero_grad()
            torch.nn.functional.cross_entropy(net(pixels), labels).backward()
            for gradient, p in zip(gradients, net.parameters(), strict=True):
                torch.testing.assert_close(gradient, p.grad, rtol=1e-5, atol=1e-6)
            open(f"{here().rank}", "w").write(str(counters["stats"]["unique_graphs"]))

        main()
    """)
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["1", "1"], said


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_a_loop_compiles_only_where_it_is_told_to(data: Dataset, small: Make) -> None:
    net = small()
    for config, same in ((CONFIG, True), (COMPILED, False)):
        spec = Preprocess.measure(data.train.images, 8)
        loop = Loop(net, data.train, spec, config, Engine("float32", "contiguous"))
        assert (loop.shards.called is net) is same
        assert loop.net is net


def test_a_machine_without_a_compiler_is_told_before_anything_begins(
    data: Dataset, small: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"no compiler here \(.*\): install one .*, or leave"):
        fit(small(), data, recipe=COMPILED, out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("CXX", shutil.which("true", path="/usr/bin:/bin") or "true")
    check_compiler(torch.device("cpu"))  # the one that is named


@pytest.mark.slow
def test_what_is_compiled_is_one_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    counters.clear()
    monkeypatch.setattr("convatlas.train.trial.most_shards", lambda *_: 2)
    pixels, labels = torch.rand(8, 1, 8, 8), torch.arange(8) % 3
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    assert choose(net, pixels, labels, CONFIG).shards == 2
    assert choose(net, pixels, labels, COMPILED).shards == 1
    tried = choose(net, pixels, labels, Config(compiled=True, precision="float32")).trial
    assert len(tried) == 2
    assert not counters["stats"]["unique_graphs"]  # the trial itself compiles nothing
    with pytest.raises(ConfigError, match="shards is 2, but it must be 1 where compiled"):
        replace(COMPILED, shards=2)
