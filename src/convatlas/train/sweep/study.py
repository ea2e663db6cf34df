"""The trials of a sweep in SQLite, suggested and judged by Optuna, which enters here alone.

Settings are suggested by the tree-structured Parzen estimator (Bergstra et al., "Algorithms for
Hyper-Parameter Optimization", 2011), ten trials at random first. A trial is given up when it is
below the median of those that finished, five at least, at the same epoch (Golovin et al., "Google
Vizier", 2017, section 3.2.2).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np

from convatlas import files
from convatlas.errors import ConfigError, ModelError, StorageError
from convatlas.train.config import Config
from convatlas.train.sweep.space import Choice, Range, Space

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from optuna.exceptions import OptunaError, StorageInternalError
    from optuna.trial import FrozenTrial, TrialState
    from sqlalchemy.exc import SQLAlchemyError
except ImportError:
    raise ConfigError("sweep needs Optuna: pip install 'convatlas[sweep]'") from None

_NAME = "sweep"  # of the study, the only one in its file
_PATIENCE = 120  # seconds that a process waits while others write

State = Literal["finished", "pruned", "failed", "unfinished"]


@dataclass(frozen=True)
class Tried:
    """What a trial came to.

    Attributes:
        number: from 1.
        settings: that it tried.
        state: ``"finished"``; ``"pruned"``, ended early because others did better; ``"failed"``; or
            ``"unfinished"``.
        accuracies: of the validation pictures after each epoch, from 0 to 1.
        accuracy: of the model that it kept; None where it did not finish.
        reason: why it failed.
    """

    number: int
    settings: dict[str, Any]
    state: State
    accuracies: list[float]
    accuracy: float | None
    reason: str | None


class Trial:
    """A trial that is under way.

    Attributes:
        number: from 1.
        settings: to try.
    """

    def __init__(self, study: optuna.Study, trial: optuna.Trial) -> None:
        self._study, self._trial = study, trial
        self.number, self.settings = trial.number + 1, trial.params
        known = study.get_trials(deepcopy=False)[trial.number].intermediate_values
        self._reported = set(known)

    def report(self, accuracies: list[float]) -> None:
        """Say how good it was after each epoch so far, what was said before included."""
        for epoch in set(range(len(accuracies))) - self._reported:
            self._trial.report(accuracies[epoch], epoch)
            self._reported.add(epoch)

    def hopeless(self) -> bool:
        """Whether its best epoch is below the median of the others at this one."""
        return self._trial.should_prune()

    def finish(self, accuracy: float) -> None:
        """It has come to its end, with that accuracy of the validation pictures."""
        self._study.tell(self._trial, accuracy)

    def prune(self, reason: str | None = None) -> None:
        """It was ended early: as hopeless, or because it cannot go on.

        What cannot go on counts as worse than all that finished, so that its surroundings are
        avoided, which they would not be after a failure.
        """
        if reason is not None:
            self._trial.set_user_attr("reason", reason)
        self._study.tell(self._trial, state=TrialState.PRUNED)


class Study:
    """The trials of a sweep, which several processes may share; a context that closes the file.

    Inside, a disk that is full is a `StorageError`.

    Args:
        folder: of the sweep.
        space: what is searched.
        config: the seed decides, with the trials before it, what a trial tries; and in the first
            fifth of the epochs, where rates may still rise, no trial is given up.

    Raises:
        ModelError: the file is damaged, or another version wrote it.
    """

    def __init__(self, folder: Path, space: Space, config: Config) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._file = space, folder / "sweep.db"
        connect = partial(sqlite3.connect, self._file, timeout=_PATIENCE)  # no path is a URL
        try:
            self._storage = optuna.storages.RDBStorage(
                "sqlite:///sweep.db", engine_kwargs={"creator": connect}
            )
        except (SQLAlchemyError, OptunaError, RuntimeError) as error:
            said = str(error).partition("\n")[0]
            raise ModelError(f"{self._file} cannot be read ({said}): begin another sweep") from None
        self._study = optuna.create_study(
            storage=self._storage,
            sampler=_Seeded(config.seed),
            pruner=optuna.pruners.MedianPruner(n_warmup_steps=max(1, config.epochs // 5)),
            study_name=_NAME,
            direction="maximize",
            load_if_exists=True,
        )

    def __enter__(self) -> Study:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()
        if isinstance(error, StorageInternalError):
            said = error.__cause__ or error
            raise StorageError(f"{self._file} cannot be written ({said})") from None

    def next(self, trials: int) -> Trial | None:
        """A trial that was given back, or else a new one; None where ``trials`` have begun."""
        with self._turn():
            waiting = (TrialState.WAITING,)
            begun = len(self._study.get_trials(deepcopy=False))
            if begun >= trials and not self._study.get_trials(deepcopy=False, states=waiting):
                return None
            asked = {name: _distribution(one) for name, one in self._space.items()}
            return Trial(self._study, self._study.ask(asked))

    def give_back(self, number: int) -> None:
        """Let a trial be taken up again whose process has ended."""
        study = self._storage.get_study_id_from_name(_NAME)
        trial = self._storage.get_trial_id_from_study_id_trial_number(study, number - 1)
        self._storage.set_trial_state_values(trial, TrialState.WAITING)

    def tried(self) -> list[Tried]:
        """All trials, by their number."""
        return [_tried(trial) for trial in self._study.get_trials(deepcopy=False)]

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Inside, no other process of the sweep is: SQLite has no such lock for Optuna."""
        with self._file.open("rb") as database:
            files.lock(database.fileno(), wait=True)
            yield


class _Seeded(optuna.samplers.BaseSampler):
    """Optuna's own choice, with random numbers that follow from a seed and the trial's number.

    So a sweep that was ended and goes on suggests what it would have suggested in one go.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._inner = optuna.samplers.TPESampler()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        draw = np.random.SeedSequence((self._seed, trial.number)).generate_state(1)
        self._inner = optuna.samplers.TPESampler(seed=int(draw[0]))

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._inner.sample_independent(study, trial, param_name, param_distribution)


def _distribution(searched: Range | Choice) -> BaseDistribution:
    if isinstance(searched, Choice):
        return CategoricalDistribution(searched.values)
    if searched.whole:
        return IntDistribution(int(searched.low), int(searched.high), log=searched.log)
    return FloatDistribution(searched.low, searched.high, log=searched.log)


def _tried(trial: FrozenTrial) -> Tried:
    reason = trial.user_attrs.get("reason")
    state: State = "unfinished"
    if trial.state == TrialState.COMPLETE:
        state = "finished"
    elif trial.state == TrialState.PRUNED:
        state = "pruned" if reason is None else "failed"
    return Tried(
        number=trial.number + 1,
        settings=trial.params,
        state=state,
        accuracies=[value for _, value in sorted(trial.intermediate_values.items())],
        accuracy=trial.value if state == "finished" else None,
        reason=reason,
    )
