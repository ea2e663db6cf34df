"""From labelled pictures to shards: all of them, or none.

Pictures are dealt to shards in an order drawn once, so that each is a mixture of the whole and they
are equal in count to within one. The same pictures and the same seed make the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from convatlas import files, progress
from convatlas.data.shards import tar
from convatlas.data.shards.index import Index, Shard
from convatlas.data.shards.order import draws, shuffled, stretch
from convatlas.data.store.reading import ahead
from convatlas.errors import ConfigError, DataError, StorageError

_DEPTH = 32  # pictures that are fetched before they are written


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures that become shards.

    Attributes:
        labels: int64 ``(n,)``.
        content: suffix and bytes of the picture of a number.
    """

    labels: Tensor
    content: Callable[[int], tuple[str, bytes]]


def write(
    out: Path,
    name: str,
    classes: tuple[str, ...],
    channels: int,
    parts: Mapping[str, Part],
    *,
    shards: int,
    seed: int,
    notes: tuple[str, ...] = (),
) -> Index:
    """A folder of shards with its index, which appears when it is whole.

    Args:
        out: the folder, which must not exist yet, or be empty.
        name, classes, channels, notes: as of `Index`.
        parts: the pictures, by the part's name.
        shards: of the training part; the others have as many as make them about as long.
        seed: of the order.

    Raises:
        ConfigError: ``out`` is there already, or ``shards`` is more than there are pictures.
        DataError: a picture cannot be read, a class has none to learn from, or there is none to
            test on.
        StorageError: it cannot be written. Nothing is left behind then, and what a process that
            was killed left is removed by the next one.
    """
    learned = len(parts["train"].labels) if "train" in parts else 0
    if not 1 <= shards <= learned:
        raise ConfigError(
            f"{learned} training pictures were to be written into {shards} shards, but there must "
            "be at least one, and a picture for each"
        )
    per_class = {
        part: tuple(torch.bincount(held.labels, minlength=len(classes)).tolist())
        for part, held in parts.items()
    }
    for label, count in zip(classes, per_class["train"], strict=True):
        if not count:
            raise DataError(f"{name}: there is no picture of the class {label!r} to learn from")
    if "test" not in parts:
        raise DataError(f"{name}: there is no picture to test on")
    total = sum(len(held.labels) for held in parts.values())
    with _appearing(out) as folder, progress.bar(f"writing {out}", total) as advance:
        written: list[Shard] = []
        for part, held in parts.items():
            count = max(round(shards * len(held.labels) / learned), 1)
            order = list(shuffled(range(len(held.labels)), len(held.labels), draws(seed)))
            for number in range(count):
                span = stretch(len(order), number, count)
                path = folder / f"{part}-{number:06}.tar"
                chosen = order[span.start : span.stop]
                written.append(_shard(path, part, held, chosen, span.start, advance))
        index = Index(name, classes, channels, tuple(written), per_class, notes)
        index.write(folder)
    return Index.read(out / "index.json")


def _shard(
    path: Path,
    part: str,
    held: Part,
    chosen: list[int],
    first: int,
    advance: Callable[[int], None],
) -> Shard:
    """Write the pictures numbered ``chosen``, whose keys count from ``first`` on."""
    digest, length = hashlib.sha256(), 0
    workers = os.cpu_count() or 1
    labels = held.labels[chosen].tolist()
    with files.replacing(path) as file:
        contents = ahead(held.content, chosen, workers, _DEPTH)
        for key, ((suffix, content), label) in enumerate(
            zip(contents, labels, strict=True), start=first
        ):
            picture = tar.packed(f"{key:09}{suffix}", content)
            packed = picture + tar.packed(f"{key:09}.cls", str(label).encode())
            digest.update(packed)
            length += file.write(packed)
            advance(1)
        digest.update(tar.END)
        length += file.write(tar.END)
    return Shard(path, part, len(chosen), length, digest.hexdigest())


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A folder to fill, beside ``out``; on leaving it becomes ``out``, on an exception it goes."""
    if out.is_dir() and not any(out.iterdir()):
        out.rmdir()
    if out.exists():
        raise ConfigError(f"{out} is there already: name another folder, or remove it first")
    part = out.with_name(f".{out.name}.part")
    with files.storing(out):
        part.mkdir(parents=True, exist_ok=True)
        with files.alone(part) as ours:
            if not ours:
                raise StorageError(f"another process is writing {out} right now")
            try:
                for left in part.iterdir():  # of a process that was killed
                    left.unlink()
                yield part
                part.rename(out)
            finally:
                shutil.rmtree(part, ignore_errors=True)
