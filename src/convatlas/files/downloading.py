"""Downloads that go on where they broke off, and are the right file or none.

What has arrived lies beside the target as ``.NAME.part``, and ``.NAME.part.json`` says of which
version of which address it is the beginning. The next call asks the host for the rest of that very
version, and starts afresh where the host has another one by now or sends whole files only.
The target takes its name when all of it is there and its hash is right.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from convatlas import progress
from convatlas.errors import DownloadError
from convatlas.files import host
from convatlas.files.host import TransferError
from convatlas.files.locking import lock
from convatlas.files.writing import storing, write_text


def download(url: str, target: Path, *, sha256: str, timeout: float = 30.0) -> Path:
    """Fetches ``url`` into the file ``target``, with a progress bar on stderr.

    A download that broke, or whose program was killed, is gone on with where the host allows it.
    Of processes that want the same target one downloads, and the others wait for it. Redirects
    are followed, and the proxies of the environment are used.

    Args:
        sha256: the expected digest in hex, or its first digits (weights files of PyTorch carry
            eight of them in their names). Empty where nobody knows it: then only the length is
            checked, which the host must tell.
        timeout: seconds of silence after which the host counts as gone.

    Returns:
        ``target``.

    Raises:
        DownloadError: the host cannot be reached, does not have the file, falls silent, stops
            early, or sends another file.
        StorageError: ``target`` cannot be written.
    """
    part = _Part(Path(os.path.realpath(target)))
    try:
        with storing(target):
            part.place.parent.mkdir(parents=True, exist_ok=True)
            with _alone(part) as arrived:
                if not arrived:
                    _receive(url, part, timeout, length_needed=not sha256)
                    _check(part, sha256)
                    part.finish()
    except TransferError as error:
        again = f", which goes on after {_mb(part.kept)}" if part.kept else " later"
        raise DownloadError(
            f"cannot fetch {target.name} from {url}: {error}; try again{again}, or put the file "
            f"at {target} yourself"
        ) from error
    return target


def sha256_of(path: Path) -> str:
    """The digest of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class _Origin:
    """Where the bytes of a part come from.

    Attributes:
        url: as it was asked for.
        version: `host.version_of` their answer.
        size: bytes of the whole file; None where the host did not say.
    """

    url: str = ""
    version: str = ""
    size: int | None = None


class _Part:
    """What has arrived of a file, beside its ``place``, with a note on its origin.

    There is a note only where the host names a version: without one nobody could tell whether the
    rest belongs to the beginning.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.path = place.with_name(f".{place.name}.part")
        self.note = place.with_name(f".{place.name}.part.json")

    @property
    def origin(self) -> _Origin:
        try:
            return _Origin(**json.loads(self.note.read_bytes()))
        except (OSError, ValueError, TypeError):
            return _Origin()

    @origin.setter
    def origin(self, origin: _Origin) -> None:
        self.note.unlink(missing_ok=True)
        if origin.version:
            write_text(self.note, json.dumps(asdict(origin)))

    @property
    def kept(self) -> int:
        """Bytes that the next call goes on after."""
        return self.path.stat().st_size if self.note.exists() else 0

    def finish(self) -> None:
        self.path.replace(self.place)
        self.note.unlink(missing_ok=True)

    def discard(self) -> None:
        self.path.unlink()
        self.note.unlink(missing_ok=True)


@contextmanager
def _alone(part: _Part) -> Iterator[bool]:
    """Inside, no other process works at the part; true where one has just finished it.

    What is locked is the part itself: no lock is left lying about, and the system lets go of it
    when its process dies. Whoever had to wait looks what has become of the part.
    """
    while True:
        with part.path.open("ab") as file:
            if not lock(file.fileno(), wait=False):
                print(f"waiting for another process to fetch {part.place.name}", file=sys.stderr)
                lock(file.fileno(), wait=True)
            if (arrived := _is(file.fileno(), part.place)) or _is(file.fileno(), part.path):
                yield arrived
                return


def _is(opened: int, path: Path) -> bool:
    """Whether the open file is what has that name now."""
    try:
        return os.path.samestat(os.fstat(opened), path.stat())
    except FileNotFoundError:
        return False


def _receive(url: str, part: _Part, timeout: float, *, length_needed: bool) -> None:
    """All of the file into ``part``, after what is there already if that is its beginning."""
    try:
        with part.path.open("ab") as file:
            here = file.tell() if part.origin.url == url else 0
            if not here or here != part.origin.size:  # else it stopped between last byte and check
                _rest(url, part, file, here, timeout, length_needed)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        if not part.kept or isinstance(error, OSError):  # nobody looks for what fills a disk here
            part.discard()
        raise


def _rest(
    url: str, part: _Part, file: BinaryIO, here: int, timeout: float, length_needed: bool
) -> None:
    response, goes_on = host.ask(url, timeout, after=here, version=part.origin.version)
    with response:
        if response.length is None and length_needed:
            raise TransferError("the host does not say how long it is")
        if not goes_on:
            here = 0
            file.truncate(0)
            part.origin = _Origin(url, host.version_of(response), response.length)
        size = None if response.length is None else here + response.length
        with progress.bar(part.place.name, size or 0, of_bytes=True) as advance:
            advance(here)
            while chunk := host.read(response):
                file.write(chunk)
                here += len(chunk)
                advance(len(chunk))
    if size is not None and here < size:
        raise TransferError(f"it stopped after {_mb(here)} of {_mb(size)}")


def _check(part: _Part, sha256: str) -> None:
    if sha256 and not (found := sha256_of(part.path)).startswith(sha256.lower()):
        part.discard()
        raise TransferError(
            f"its sha-256 is {found[:16]}… and {sha256[:16]}… was expected, "
            "so it was altered on the way or is another version"
        )


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count} bytes"
