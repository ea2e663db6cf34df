"""Files out of a Debian package, without root and without touching the system.

The package is fetched with the system's own `apt-get`, which checks its signature, into a private
folder, and unpacked there; nothing is installed. Caches, and package lists where the system has
none, go to that folder too, and the hooks that a system runs after an update are left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from convatlas import files
from convatlas.errors import DownloadError

_LIMIT = 900  # seconds for one command; apt-get's own timeouts are far shorter

_PRIVATE = """
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Cache "{cache}";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
"""


def available() -> bool:
    """Whether this system has what `fetch` needs."""
    return all(map(shutil.which, ("apt-get", "apt-config", "dpkg-deb")))


def fetch(package: str, names: Sequence[str], into: Path) -> None:
    """The files called ``names`` out of ``package``, copied into the folder ``into``.

    Raises:
        DownloadError: the package cannot be had, or lacks a file.
        StorageError: ``into`` cannot be written.
    """
    print(f"fetching Debian's package {package} with apt-get …", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="convatlas-") as name:
        work = Path(name)
        for folder in ("cache/archives/partial", "lists/partial", "content"):
            (work / folder).mkdir(parents=True)
        try:
            _write_config(work)
            try:
                _run(work, "apt-get", "download", package)
            except DownloadError:  # no lists, or lists that are out of date
                lists = ("-o", f"Dir::State::lists={work / 'lists'}")
                _run(work, "apt-get", *lists, "update")
                _run(work, "apt-get", *lists, "download", package)
            (archive,) = work.glob("*.deb")
            _run(work, "dpkg-deb", "-x", str(archive), "content")
        except DownloadError as error:
            raise DownloadError(
                f"Debian's package {package} cannot be fetched: {error}"
            ) from error.__cause__
        for wanted in names:
            found = next((work / "content").rglob(wanted), None)
            if found is None:
                raise DownloadError(f"Debian's package {package} has no file {wanted}")
            with found.open("rb") as source, files.replacing(into / wanted) as target:
                shutil.copyfileobj(source, target)


def _write_config(work: Path) -> None:
    """The system's settings (its proxies above all) without its hooks, then our own."""
    hooks = ("APT::Update::", "DPkg::")
    system = _run(work, "apt-config", "dump", private=False)
    kept = [line for line in system.splitlines() if not line.startswith(hooks)]
    own = _PRIVATE.format(cache=work / "cache")
    files.write_text(work / "apt.conf", "\n".join(kept) + own)


def _run(work: Path, *command: str, private: bool = True) -> str:
    environment = os.environ | {"LC_ALL": "C"}
    if private:
        environment["APT_CONFIG"] = str(work / "apt.conf")
    try:
        done = subprocess.run(
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        said = next((line for line in lines if line.startswith("E:")), (lines or ["nothing"])[-1])
        raise DownloadError(f"{command[0]} says “{said.removeprefix('E: ')}”") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DownloadError(f"{command[0]} did not run: {error}") from error
    return done.stdout
