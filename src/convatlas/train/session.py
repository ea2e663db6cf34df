"""A run under way: what a checkpoint holds, when it is written, and how the run goes on from it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from convatlas.errors import StorageError
from convatlas.train.checkpoint import Checkpoints
from convatlas.train.display import Display
from convatlas.train.distributed import here
from convatlas.train.folder import RunFolder
from convatlas.train.loop import Loop
from convatlas.train.patience import Patience
from convatlas.train.randomness import load_random_state, random_state
from convatlas.train.run import Run

_SHARE = 0.01  # of the time, at most, that goes into checkpoints


class Session:
    """Everything that a run is while it trains.

    Args:
        run: what it is going to return.
        loop: what moves.
        folder, display: where its numbers go.
        every: seconds between two checkpoints inside an epoch, or more where writing them would
            take more than a hundredth of the time; 0 for one after each step.
        started: when it began, as ``time.perf_counter`` has it.
    """

    def __init__(
        self,
        run: Run,
        loop: Loop,
        folder: RunFolder,
        display: Display,
        every: float,
        started: float,
    ) -> None:
        self.run, self.loop, self.folder, self.display = run, loop, folder, display
        self.checkpoints = Checkpoints(folder.checkpoints)
        self.patience = Patience(run.config.patience)
        self.every, self.started = every, started
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
        load_random_state(state["random"], self.loop.device)

    def save_if_due(self, *, edge: bool = False) -> None:
        """Write a checkpoint if it is time for one.

        Args:
            edge: an epoch has ended, so that only the cost of the last one counts.
        """
        if time.perf_counter() >= (self._at_edges if edge else self._due):
            self.save()

    def save(self) -> None:
        """Write a checkpoint; what the disk refuses is said once, and training goes on.

        Of several processes the first one writes: what the others draw follows from seed and step.
        """
        if not here().first:
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
