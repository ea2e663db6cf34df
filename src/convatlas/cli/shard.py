"""``convatlas shard DATA OUT``: tar shards to stream from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def shard(
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")],
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")],
    /,
    shards: Annotated[int, tyro.conf.arg(metavar="N")] = 16,
    seed: int = 0,
    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
) -> None:
    """Write a data set into tar shards in the WebDataset convention, to train from: train NET OUT.

    Files stay as they are, byte for byte; those that cannot be read are left out and named. The
    pictures are mixed once, and OUT appears when it is whole.

    Args:
        data: as for convatlas train.
        out: a folder that is not there yet.
        shards: of the training pictures; the other parts get as many as make them about as long.
            At about 100 MB each they copy and read well.
        seed: of the mixture, and of what is held back for testing where DATA does not say it.
        data_dir: where to look for the data first.
    """
    from convatlas.cli.screen import console
    from convatlas.data import sources
    from convatlas.data.shards import shard_arrays, shard_files

    listing = sources.listed(data, seed)
    if listing is not None:
        index = shard_files(listing, out, shards=shards, seed=seed)
    else:
        dataset = sources.load(data, data_dir=data_dir, seed=seed)
        index = shard_arrays(dataset, out, shards=shards, seed=seed)
    say = console().print
    for note in index.notes:
        say(note)
    for part, counts in index.per_class.items():
        own = index.part(part)
        size = sum(one.bytes for one in own)
        say(f"{part}: {sum(counts):,} pictures in {len(own)} shards, {size / 1e6:,.1f} MB")
    say(f"kept in {out}; convatlas train NET {out} streams them")
