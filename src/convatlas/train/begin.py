"""From settings to the first step: what is on disk before it, or taken up again after a stop."""

from __future__ import annotations

from typing import Any

from convatlas.data import Dataset
from convatlas.train import resume as resuming
from convatlas.train.distributed import here
from convatlas.train.session import Session


def begin(session: Session, data: Dataset, description: dict[str, Any]) -> None:
    """All that is on disk before the first step; ``run.json``, which promises the rest, is last."""
    session.folder.sweep()
    if here().first:
        session.checkpoints.clear()
    session.folder.start_metrics()
    session.tracking.begin(0)
    if data.listing is not None:
        session.folder.list_files(data.listing)
    session.save()
    session.folder.describe(description)


def go_on(
    session: Session, recorded: dict[str, Any], description: dict[str, Any]
) -> dict[str, Any]:
    """Take up the last checkpoint, and note in ``run.json`` with what; returns its content."""
    found = session.checkpoints.latest()
    session.load_state_dict(found.state)
    loop, folder, say = session.loop, session.folder, session.display.say
    folder.sweep()
    folder.cut_metrics(loop.number, len(session.run.history))
    for line in found.damaged:
        say(line)
    if drifted := resuming.drift(recorded, description):
        say(drifted)
    say(f"resumed after step {loop.number} of {loop.steps_per_epoch * session.run.config.epochs}")
    session.display.begin_at(loop.number)
    now = {name: description[name] for name in ("versions", "git", "machine", "device")}
    resumed = [*recorded.get("resumed", []), {"step": loop.number} | now]
    recorded = {name: value for name, value in recorded.items() if name != "result"}
    folder.describe(recorded | {"resumed": resumed})
    return recorded | {"resumed": resumed}
