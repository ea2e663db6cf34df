from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from convatlas.errors import ModelError, StorageError
from convatlas.train import Config
from convatlas.train.sweep.space import parse
from convatlas.train.sweep.study import Study, Tried

SPACE = parse(["lr=0.001..1:log", "epochs=1..9", "optimizer=sgd,adamw", "nesterov=True,False"])


def opened(folder: Path, **config: int) -> Study:
    folder.mkdir(exist_ok=True)
    return Study(folder, SPACE, Config(**config))


def made(study: Study, trials: int) -> list[dict[str, object]]:
    """What is tried, where the rate decides on the accuracy."""
    settings = []
    while (trial := study.next(trials)) is not None:
        trial.finish(1 - trial.settings["lr"])
        settings.append(trial.settings)
    return settings


@pytest.mark.slow
def test_settings_are_of_what_is_searched_and_follow_from_the_seed(tmp_path: Path) -> None:
    """Also beyond the ten trials at random, and where the study was left in between."""
    with opened(tmp_path / "once", seed=3) as study:
        once = made(study, 12)
    parts = []
    for trials in (4, 11, 12):
        with opened(tmp_path / "parts", seed=3) as study:
            parts += made(study, trials)
    with opened(tmp_path / "other", seed=4) as study:
        other = made(study, 3)
    assert once == parts
    assert len(once) == 12
    assert not any(a == b for a, b in zip(once, other, strict=False))
    assert all(0.001 <= one["lr"] <= 1 and one["epochs"] in range(1, 10) for one in once)
    assert {one["optimizer"] for one in once} == {"sgd", "adamw"}
    assert {type(one["nesterov"]) for one in once} == {bool}
    # what is known is made use of
    assert sum(one["lr"] for one in once[10:]) / 2 < sum(one["lr"] for one in once[:10]) / 10


@pytest.mark.slow
def test_what_trials_came_to(tmp_path: Path) -> None:
    with opened(tmp_path) as study:
        trials = [study.next(4) for _ in range(4)]
        assert study.next(4) is None
        trials[0].report([0.25, 0.75])
        trials[0].report([0.25, 0.75, 0.5])
        trials[0].finish(0.75)
        trials[1].report([0.5])
        trials[1].prune()
        trials[2].prune("the loss is nan")
    with opened(tmp_path) as study:
        tried = study.tried()
    expected = [
        ("finished", [0.25, 0.75, 0.5], 0.75, None),
        ("pruned", [0.5], None, None),
        ("failed", [], None, "the loss is nan"),
        ("unfinished", [], None, None),
    ]
    assert tried == [
        Tried(i, trial.settings, *rest)  # type: ignore[arg-type]
        for i, (trial, rest) in enumerate(zip(trials, expected, strict=True), 1)
    ]


def test_a_trial_that_is_given_back_is_the_next_with_its_settings(tmp_path: Path) -> None:
    with opened(tmp_path) as study:
        first = [study.next(3) for _ in range(2)]
        first[0].report([0.5])
    with opened(tmp_path) as study:
        study.give_back(1)
        again = study.next(2)
        assert (again.number, again.settings) == (1, first[0].settings)
        again.report([0.5, 0.75])  # what it had said, it may say again
        again.finish(0.75)
        assert study.next(2) is None
        assert study.next(3).number == 3
        assert study.tried()[0].accuracies == [0.5, 0.75]


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "judged"), [(3, 2), (10, 3)])
def test_a_trial_below_the_median_is_hopeless_but_not_at_once(
    tmp_path: Path, epochs: int, judged: int
) -> None:
    with opened(tmp_path, epochs=epochs) as study:
        for level in (0.5, 0.6, 0.7, 0.8, 0.9):
            trial = study.next(7)
            trial.report([level] * epochs)
            assert not trial.hopeless()
            trial.finish(level)
        bad, good = study.next(7), study.next(7)
        said = []
        for epoch in range(1, epochs):
            bad.report([0.69] * epoch)
            said.append(bad.hopeless())
        assert said == [epoch >= judged for epoch in range(1, epochs)]
        good.report([0.71] * (epochs - 1))
        assert not good.hopeless()


def test_any_folder_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "50 % {of} them? #1"
    with opened(folder) as study:
        study.next(1)
    with opened(folder) as study:
        assert len(study.tried()) == 1
    assert [path.name for path in folder.iterdir()] == ["sweep.db"]


def test_a_file_that_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "sweep.db").write_bytes(b"no database" * 100)
    with pytest.raises(
        ModelError, match=r"sweep\.db cannot be read .*not a database.*begin another"
    ):
        opened(tmp_path)


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here because another has locked it; a disk that is full is told alike."""
    monkeypatch.setattr("convatlas.train.sweep.study._PATIENCE", 0.01)
    other = sqlite3.connect(tmp_path / "sweep.db")

    def locked() -> None:
        with opened(tmp_path) as study:
            other.execute("BEGIN EXCLUSIVE")
            study.next(1)

    with pytest.raises(StorageError, match=r"sweep\.db cannot be written .*locked"):
        locked()
    other.close()


def _take(folder: str, numbers: multiprocessing.SimpleQueue[int]) -> None:
    with opened(Path(folder)) as study:
        while (trial := study.next(12)) is not None:
            numbers.put(trial.number)
            trial.report([0.5])
            trial.finish(0.5)


@pytest.mark.slow
def test_every_trial_is_one_process_s(tmp_path: Path) -> None:
    opened(tmp_path).__exit__(None, None, None)
    context = multiprocessing.get_context("spawn")
    numbers = context.SimpleQueue()
    both = [context.Process(target=_take, args=(str(tmp_path), numbers)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [one.exitcode for one in both] == [0, 0]
    assert sorted(numbers.get() for _ in range(12)) == list(range(1, 13))
    assert numbers.empty()
