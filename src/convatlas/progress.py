"""A bar on stderr with the time left, for whatever takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(title: str, total: int, *, of_bytes: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar while the block runs; yields what to call with each bit of progress.

    Args:
        title: what is being done.
        total: how much there is to do; 0 where that is not known.
        of_bytes: count in MB.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn() if of_bytes else MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # into a log goes what was downloaded, and not that some bar came and went
    hidden = not (of_bytes or console.is_terminal)
    with Progress(*columns, console=console, transient=not of_bytes, disable=hidden) as shown:
        task = shown.add_task(title, total=total or None)
        yield lambda count: shown.advance(task, count)
