"""Files that are whole or absent: atomic writes, the user's cache and verified downloads.

Everything the library writes goes to a temporary file in the target's own folder, is flushed to
the disk, and takes the target's name in one step. Whoever reads the name sees the old content or
the new, never half of either, whatever stops the program.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NoReturn

from convatlas import progress
from convatlas.errors import DownloadError, StorageError

_CHUNK = 1 << 18  # bytes read at a time

# ---------------------------------------------------------------------------------- writing


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Inside, what the disk refuses becomes a :class:`StorageError` that names ``path``."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # torch.save answers the disk's error with a RuntimeError of its own
        refused = error if isinstance(error, OSError) else error.__context__
        if not isinstance(refused, OSError):
            raise
        raise StorageError(
            f"cannot write {path}: {refused.strerror or refused}; free some space or choose "
            "another place"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write; on leaving it becomes ``path``, and on an exception ``path`` stays as it is.

    Folders that are missing on the way are made. A symbolic link stays one: what it points to is
    replaced.

    Raises:
        StorageError: the disk is full, or the place may not be written (any OSError inside).
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    with storing(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            with suppress(OSError):  # after `replace` it is gone, which is what we want
                part.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """``content`` as the file ``path``, whole or not at all.

    Raises:
        StorageError: as :func:`replacing`.
    """
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """As :func:`write_bytes`, in UTF-8."""
    write_bytes(path, content.encode())


# ------------------------------------------------------------------------------- the user's cache


def cache_dir() -> Path:
    """Where downloads are kept; it need not exist yet.

    ``CONVATLAS_CACHE``; else ``convatlas`` inside ``XDG_CACHE_HOME``, or inside the system's own
    place: ``~/.cache``, ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%`` on Windows.
    """
    if own := os.environ.get("CONVATLAS_CACHE"):
        return Path(own).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).expanduser() / "convatlas"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "convatlas"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "convatlas"
    return Path.home() / ".cache" / "convatlas"


# ------------------------------------------------------------------------------- downloads


def download(url: str, target: Path, *, sha256: str, timeout: float = 30.0) -> Path:
    """Fetches ``url`` into the file ``target``, with a progress bar on stderr.

    The bytes go into a ``.part`` file beside the target, which takes the target's name only when
    their hash is right. Redirects are followed, and the proxies of the environment are used.

    Args:
        sha256: the expected digest in hex, or its first digits (weights files of PyTorch carry
            eight of them in their names).
        timeout: seconds of silence after which the host counts as gone.

    Returns:
        ``target``.

    Raises:
        DownloadError: the host cannot be reached, does not have the file, falls silent, stops
            early, or sends another file.
        StorageError: ``target`` cannot be written.
    """
    digest, received = hashlib.sha256(), 0

    def fail(what: str, cause: Exception | None = None) -> NoReturn:
        raise DownloadError(
            f"cannot fetch {target.name} from {url}: {what}; try again later, or put the file at "
            f"{target} yourself"
        ) from cause

    with _open(url, timeout, fail) as response, replacing(target) as part:
        expected = int(response.headers.get("Content-Length") or 0)
        with progress.bar(target.name, expected, of_bytes=True) as advance:
            while chunk := _read(response, fail):
                part.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                advance(len(chunk))
        if received < expected:
            fail(f"it stopped after {_mb(received)} of {_mb(expected)}")
        if not digest.hexdigest().startswith(sha256.lower()):
            fail(
                f"its sha-256 is {digest.hexdigest()[:16]}… and {sha256[:16]}… was expected, "
                "so it was altered on the way or is another version"
            )
    return target


def _open(
    url: str, timeout: float, fail: Callable[[str, Exception], NoReturn]
) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "convatlas"})
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        fail(f"the host answers {error.code} {error.reason}", error)
    except urllib.error.URLError as error:
        fail(f"the host cannot be reached ({error.reason})", error)
    except (OSError, http.client.HTTPException) as error:
        fail(f"the host does not answer ({error or type(error).__name__})", error)
    return response


def _read(response: http.client.HTTPResponse, fail: Callable[[str, Exception], NoReturn]) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        fail(f"the connection broke ({error or type(error).__name__})", error)


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count} bytes"
