from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from convatlas.classifier import Classifier
from convatlas.errors import ConfigError, DataError, TrainingError
from convatlas.evaluate import evaluate
from convatlas.files import alone
from convatlas.train import settings_file
from convatlas.train.sweep.begin import begin
from convatlas.train.sweep.conduct import conduct
from convatlas.train.sweep.plan import Plan, read
from convatlas.train.sweep.trial import folder_of

Make = Callable[..., Plan]


def planned(plan: Plan, folder: Path) -> Plan:
    """Begun without a trial of number formats, which would choose by the clock."""
    folder.mkdir()
    plan.write(folder)
    return read(folder)


def result(sweep: Path, number: int) -> dict[str, object]:
    said: dict[str, object] = json.loads((folder_of(sweep, number) / "run.json").read_text())
    return said["result"]  # type: ignore[return-value]


@pytest.mark.slow
def test_the_best_is_found_and_it_alone_sees_the_test_pictures(plan: Make, tmp_path: Path) -> None:
    folder, lines = tmp_path / "sweep", []
    asked = planned(plan("lr=1e-9,0.1", "batch_size=8,12", trials=4), folder)
    swept = conduct(asked, folder, say=lines.append)
    assert swept.complete
    assert {one.settings["lr"] for one in swept.tried} == {1e-9, 0.1}
    assert swept.best.settings["lr"] == 0.1
    assert swept.best.accuracy == max(one.accuracy for one in swept.tried)
    assert [line.split()[1] for line in lines] == ["1", "2", "3", "4"]

    best = folder_of(folder, swept.best.number)
    data = asked.pictures(asked.config)
    assert (len(data.train), len(data.val), len(data.test)) == (78, 18, 30)
    model = Classifier.load(best)
    assert swept.test_accuracy == evaluate(model, data.test).top1
    assert swept.best.accuracy == evaluate(model, data.val).top1
    for one in swept.tried:
        seen = one.number == swept.best.number
        assert (result(folder, one.number)["test_accuracy"] is not None) == seen
        assert any((folder_of(folder, one.number) / "checkpoint").iterdir()) == seen

    said = json.loads((folder / "sweep.json").read_text())
    assert said["best"] == swept.best.number
    assert said["test_accuracy"] == swept.test_accuracy
    assert [one["settings"] for one in said["trials"]] == [one.settings for one in swept.tried]
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    config = settings_file.load(folder / "best.toml")
    assert config == asked.settings(swept.best.settings)
    assert config.precision == "auto"
    assert said["command"].endswith(f"bars.npz --config {folder / 'best.toml'}")

    # once more: all of it is done, and nothing is looked at again
    before = result(folder, swept.best.number)
    assert conduct(read(folder), folder).to_dict() == swept.to_dict()
    assert result(folder, swept.best.number) == before


@pytest.mark.slow
def test_trials_that_diverge_do_not_end_it(plan: Make, tmp_path: Path) -> None:
    asked = planned(plan("lr=1e30,0.1", trials=2, seed=3), tmp_path / "sweep")
    first, second = conduct(asked, tmp_path / "sweep").tried
    assert (first.settings["lr"], first.state, first.accuracy) == (1e30, "failed", None)
    assert "loss" in first.reason
    assert (second.settings["lr"], second.state, second.reason) == (0.1, "finished", None)


@pytest.mark.slow
def test_where_all_diverge_it_says_so(plan: Make, tmp_path: Path) -> None:
    asked = planned(plan("lr=1e30..2e30", trials=2), tmp_path / "sweep")
    with pytest.raises(TrainingError, match=r"no trial came to its end; the last one: .*loss"):
        conduct(asked, tmp_path / "sweep")
    said = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert [one["state"] for one in said["trials"]] == ["failed", "failed"]


@pytest.mark.slow
def test_what_no_trial_could_do_ends_it_and_is_tried_again(plan: Make, tmp_path: Path) -> None:
    asked = planned(plan(trials=1), tmp_path / "sweep")
    pictures = Path(asked.data).rename(tmp_path / "elsewhere.npz")
    with pytest.raises(DataError, match=r"bars\.npz"):
        conduct(asked, tmp_path / "sweep")
    pictures.rename(asked.data)
    swept = conduct(read(tmp_path / "sweep"), tmp_path / "sweep")
    assert [(one.number, one.state) for one in swept.tried] == [(1, "finished")]


@pytest.mark.slow
def test_a_value_that_cannot_be_trained_with_is_a_trial_that_failed(
    plan: Make, tmp_path: Path
) -> None:
    asked = planned(plan("size=16,2", trials=2, epochs=1, seed=3), tmp_path / "sweep")
    first, second = conduct(asked, tmp_path / "sweep").tried
    assert (first.settings["size"], first.state) == (16, "finished")
    assert (second.settings["size"], second.state) == (2, "failed")
    assert "side must be at least 16" in second.reason


@pytest.mark.slow
def test_bad_trials_are_given_up(plan: Make, tmp_path: Path) -> None:
    """A rate of nothing learns nothing; the seed tries it last, as most of seven have learned."""
    asked = plan("lr=0.1,1e-9", trials=8, epochs=3)
    *good, bad = conduct(planned(asked, tmp_path / "sweep"), tmp_path / "sweep").tried
    assert {one.state for one in good} == {"finished"}
    assert (bad.settings["lr"], bad.state, len(bad.accuracies)) == (1e-9, "pruned", 2)
    assert result(tmp_path / "sweep", 8)["epochs"] == 2


@pytest.mark.slow
def test_a_sweep_may_be_made_longer(plan: Make, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    first = conduct(planned(plan(trials=1, epochs=1), folder), folder)
    longer = conduct(plan(trials=2, epochs=1), folder)
    assert len(longer.tried) == 2
    assert longer.tried[0] == first.tried[0]


@pytest.mark.slow
def test_patience_keeps_the_best_epoch(plan: Make, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    asked = plan("lr=0.2..0.3", trials=1, epochs=8, patience=2)
    swept = conduct(planned(asked, folder), folder)
    assert swept.best.accuracy == max(swept.best.accuracies)
    assert Classifier.load(folder_of(folder, 1)).card["val_accuracy"] == swept.best.accuracy


def test_one_process_at_a_time(plan: Make, tmp_path: Path) -> None:
    asked = planned(plan(), tmp_path / "sweep")
    with alone(tmp_path / "sweep"), pytest.raises(ConfigError, match="is sweeping in"):
        conduct(asked, tmp_path / "sweep")


@pytest.mark.slow
def test_what_is_seen_to_before_the_first_trial(plan: Make, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    with pytest.raises(ConfigError, match=r"momentum is 1\.0"):
        begin(plan("momentum=0..1"), folder)
    assert not folder.exists()
    begun = begin(plan(), folder)
    assert set(begun.chosen) == {"precision", "layout"}
    assert begun.settings(begun.chosen).precision != "auto"
    assert read(folder) == begun
    with pytest.raises(ConfigError, match="already holds a sweep: go on with it"):
        begin(plan(), folder)


def test_a_plan_that_cannot_be_read(plan: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no sweep to resume in .*, for it has no sweep\.toml"):
        read(tmp_path)
    (tmp_path / "sweep.toml").write_text('net = "lenet"\n')
    with pytest.raises(ConfigError, match="does not describe a sweep"):
        read(tmp_path)
    plan().write(tmp_path)
    text = (tmp_path / "sweep.toml").read_text()
    (tmp_path / "sweep.toml").write_text(text.replace("epochs = 2", "epochs = 0"))
    with pytest.raises(ConfigError, match=r"sweep\.toml: epochs is 0"):
        read(tmp_path)
