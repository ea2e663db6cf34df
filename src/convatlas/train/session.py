"""A run under way: what a checkpoint holds, when it is written, and how the run goes on from it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

from convatlas.errors import StorageError
from convatlas.train.checkpoint import Checkpoints
from convatlas.train.display import Display
from convatlas.train.distributed import here
from convatlas.train.folder import RunFolder
from convatlas.train.loop import Loop
from convatlas.train.patience import Patience
from convatlas.train.randomness import load_random_state, random_state
from convatlas.train.run import Run
from convatlas.train.tracking import Tracking

_RETREATS = 3  # after which a learning rate of an eighth is too high as well
_SHARE = 0.01  # of the time, at most, that goes into checkpoints


OnNan = Literal["stop", "back"]


class Session:
    """Everything that a run is while it trains.

    Args:
        run: what it is going to return.
        loop: what moves.
        folder, display: where its numbers go.
        every: seconds between two checkpoints inside an epoch, or more where writing them would
            take more than a hundredth of the time; 0 for one after each step.
        started: when it began, as ``time.perf_counter`` has it.
        on_nan: what is done about a loss that is no number: ``"stop"``, or `retreat`.
        track: the program that shows the numbers while they come.
    """

    def __init__(
        self,
        run: Run,
        loop: Loop,
        folder: RunFolder,
        display: Display,
        every: float,
        started: float,
        on_nan: OnNan = "stop",
        track: str | None = None,
    ) -> None:
        self.run, self.loop, self.folder, self.display = run, loop, folder, display
        self.checkpoints = Checkpoints(folder.checkpoints)
        self.patience = Patience(run.config.patience)
        self.every, self.started, self.on_nan = every, started, on_nan
        self.retreats = 0
        self.tracking = Tracking(folder.path, track if here().first else None)
        self.before = 0.0  # seconds of training in the processes before this one
        self.kept: int | None = None  # the step that the last checkpoint was written after
        self._due, self._at_edges, self._refused = 0.0, 0.0, False

    @property
    def seconds(self) -> float:
        """Training time so far, in all processes."""
        return self.before + time.perf_counter() - self.started

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run follows from: nested mappings of tensors and plain JSON."""
        return {
            "loop": self.loop.state_dict(),
            "random": random_state(self.loop.device),
            "history": self.run.history,
            "best": self.patience.weights,
            "seconds": self.seconds,
            "retreats": self.retreats,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            ModelError, ConfigError: it is of another run.
        """
        self.loop.load_state_dict(state["loop"])
        self.run.history[:] = state["history"]
        self.patience.weights = state["best"]
        self.before, self.kept = state["seconds"], self.loop.number
        self.retreats = state["retreats"]
        load_random_state(state["random"], self.loop.device)
        self.tracking.begin(self.loop.number)

    def log(self, row: dict[str, Any]) -> None:
        """Append a row to ``metrics.jsonl``, and to what is tracked."""
        self.folder.log(row)
        self.tracking.log(row)

    def retreat(self, reason: str) -> bool:
        """Go back to the last checkpoint, and on from there at half the learning rate.

        Args:
            reason: why, in words.

        Returns:
            Whether that was done. Otherwise it is not to be, was done often enough, or the weights
            were no numbers from the beginning.
        """
        if self.on_nan == "stop" or self.retreats == _RETREATS or not self.checkpoints.any():
            return False
        before, retreats = self.before, self.retreats + 1
        self.load_state_dict(self.checkpoints.latest().state)
        self.before, self.retreats = before, retreats
        self.loop.slow(0.5)
        self.folder.cut_metrics(self.loop.number, len(self.run.history))
        self.display.begin_at(self.loop.number)
        self.display.say(
            f"{reason}: back to step {self.loop.number}, and on at half the learning rate "
            f"({retreats} of {_RETREATS} times)"
        )
        here().totals(0.0)  # all processes have read the checkpoint before the next is written
        self.save()
        return True

    def save_if_due(self, *, edge: bool = False) -> None:
        """Write a checkpoint if it is time for one.

        Args:
            edge: an epoch has ended, so that only the cost of the last one counts.
        """
        if time.perf_counter() >= (self._at_edges if edge else self._due):
            self.save()

    def save(self) -> None:
        """Write a checkpoint; what the disk refuses is said once, and training goes on.

        None is written of weights that are no numbers: there is nothing to go on from.
        Of several processes the first one writes: what the others draw follows from seed and step.
        """
        if not here().first or not self.loop.sound:
            return
        began = time.perf_counter()
        try:
            self.checkpoints.write(self.state_dict())
            self.kept, self._refused = self.loop.number, False
        except StorageError as error:
            if not self._refused:
                self.display.say(f"{error}. Training goes on, and older checkpoints stay")
            self._refused = True
        now = time.perf_counter()
        spare = (now - began) / _SHARE if self.every else 0.0
        self._at_edges, self._due = now + spare, now + max(self.every, spare)
