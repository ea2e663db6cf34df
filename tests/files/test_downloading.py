from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from convatlas import files
from convatlas.errors import DownloadError, StorageError

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_download_is_the_file(host, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host.files["/x"] = CONTENT
    target = tmp_path / "folder" / "x.bin"
    assert files.download(f"{host.url}/x", target, sha256=SHA256) == target
    assert target.read_bytes() == CONTENT
    assert listing(target.parent) == ["x.bin"]
    said = capsys.readouterr()
    assert "x.bin" in said.err
    assert "512.0/512.0 kB" in said.err
    assert said.out == ""


def test_a_redirect_is_followed_and_a_short_hash_is_enough(host, tmp_path: Path) -> None:
    host.files["/there"] = CONTENT
    host.moved["/here"] = f"{host.url}/there"
    files.download(f"{host.url}/here", tmp_path / "x", sha256=SHA256[:8])
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert host.asked == ["/here", "/there"]


def refused(url: str, tmp_path: Path, sha256: str = SHA256, timeout: float = 5) -> str:
    """The one line; that all it should name is in it, and that the old file is still there."""
    target = tmp_path / "x.bin"
    target.write_bytes(b"old")
    with pytest.raises(DownloadError) as raised:
        files.download(url, target, sha256=sha256, timeout=timeout)
    said = str(raised.value)
    assert "\n" not in said
    assert said.startswith(f"cannot fetch x.bin from {url}: ")
    assert str(target) in said
    assert target.read_bytes() == b"old"
    assert listing(tmp_path) == ["x.bin"]
    return said


def test_a_truncated_download_is_refused(host, tmp_path: Path) -> None:
    host.files["/x"] = CONTENT
    host.cut.add("/x")
    assert "stopped after 0.3 MB of 0.5 MB" in refused(f"{host.url}/x", tmp_path)


def test_an_altered_download_is_refused(host, tmp_path: Path) -> None:
    host.files["/x"] = CONTENT[:-1] + b"!"
    found = hashlib.sha256(host.files["/x"]).hexdigest()
    said = refused(f"{host.url}/x", tmp_path)
    assert found[:16] in said
    assert SHA256[:16] in said


def test_a_file_that_is_not_there_is_refused(host, tmp_path: Path) -> None:
    assert "the host answers 404 Not Found" in refused(f"{host.url}/none", tmp_path)


def test_a_silent_host_is_given_up(host, tmp_path: Path) -> None:
    host.silent.add("/x")
    assert "timed out" in refused(f"{host.url}/x", tmp_path, timeout=0.2)


def test_a_closed_port_is_refused(host, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = refused(f"http://127.0.0.1:{port}/x", tmp_path)
    assert "the host cannot be reached" in said
    assert "refused" in said


def test_a_download_onto_a_full_disk_is_a_storage_error(host, small_disk: Path) -> None:
    host.files["/x"], host.etags["/x"] = CONTENT, '"v1"'
    with pytest.raises(StorageError, match="No space left"):
        files.download(f"{host.url}/x", small_disk / "x", sha256=SHA256)
    assert listing(small_disk) == []


# ------------------------------------------------------------------------- gone on with


@pytest.fixture
def broken(host, tmp_path: Path) -> Path:
    """A target whose download broke half-way, from a host that sends parts of files."""
    host.files["/x"], host.etags["/x"] = CONTENT, '"v1"'
    host.cut.add("/x")
    target = tmp_path / "x.bin"
    with pytest.raises(DownloadError, match=r"try again, which goes on after 0\.3 MB, or put"):
        files.download(f"{host.url}/x", target, sha256=SHA256)
    assert listing(tmp_path) == [".x.bin.part", ".x.bin.part.json"]
    host.cut.clear()
    return target


def gone_on(host, target: Path, sha256: str = SHA256) -> list[str | None]:
    """Download it again: what came is the host's file; the ranges that this asked for."""
    before = len(host.ranges)
    files.download(f"{host.url}/x", target, sha256=sha256)
    assert target.read_bytes() == host.files["/x"]
    assert listing(target.parent) == [target.name]
    return host.ranges[before:]


def test_a_broken_download_goes_on(host, broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gone_on(host, broken) == ["bytes=256000-"]
    assert "512.0/512.0 kB" in capsys.readouterr().err


def test_it_breaks_twice_and_goes_on(host, broken: Path) -> None:
    host.cut.add("/x")
    with pytest.raises(DownloadError, match=r"stopped after 0\.4 MB of 0\.5 MB"):
        files.download(f"{host.url}/x", broken, sha256=SHA256)
    host.cut.clear()
    assert gone_on(host, broken) == ["bytes=384000-"]


def test_it_goes_on_over_a_redirect(host, broken: Path) -> None:
    host.files["/y"], host.etags["/y"] = host.files.pop("/x"), '"v1"'
    host.moved["/x"] = f"{host.url}/y"
    files.download(f"{host.url}/x", broken, sha256=SHA256)
    assert broken.read_bytes() == CONTENT
    assert host.ranges == [None, "bytes=256000-", "bytes=256000-"]


def test_a_host_that_knows_no_ranges_sends_it_whole(host, broken: Path) -> None:
    del host.etags["/x"]
    assert gone_on(host, broken) == ["bytes=256000-"]


@pytest.mark.parametrize("deaf", [False, True])
def test_another_version_is_fetched_from_the_start(host, broken: Path, deaf: bool) -> None:
    host.files["/x"], host.etags["/x"] = CONTENT[::-1], '"v2"'
    if deaf:  # it sends the rest of the new version, and a second question is needed
        host.deaf.add("/x")
    ranges = gone_on(host, broken, hashlib.sha256(CONTENT[::-1]).hexdigest())
    assert ranges == ["bytes=256000-", None][: 1 + deaf]


def test_a_file_that_has_become_shorter_is_fetched_from_the_start(host, broken: Path) -> None:
    host.files["/x"] = CONTENT[:1000]
    sha256 = hashlib.sha256(CONTENT[:1000]).hexdigest()
    assert gone_on(host, broken, sha256) == ["bytes=256000-", None]


def test_another_address_is_fetched_from_the_start(host, broken: Path) -> None:
    host.files["/y"] = CONTENT
    files.download(f"{host.url}/y", broken, sha256=SHA256)
    assert host.ranges == [None, None]
    assert broken.read_bytes() == CONTENT


def test_what_was_whole_but_unchecked_is_checked_alone(host, broken: Path) -> None:
    with broken.with_name(".x.bin.part").open("ab") as part:
        part.write(CONTENT[256_000:])
    assert gone_on(host, broken) == []


def test_a_part_that_was_altered_is_found_out_and_removed(host, broken: Path) -> None:
    broken.with_name(".x.bin.part").write_bytes(bytes(256_000))
    with pytest.raises(DownloadError, match="altered on the way"):
        files.download(f"{host.url}/x", broken, sha256=SHA256)
    assert listing(broken.parent) == []
    assert gone_on(host, broken) == [None]


def test_of_a_host_without_versions_nothing_is_kept(host, broken: Path) -> None:
    host.etags["/x"] = 'W/"weak"'
    host.cut.add("/x")
    with pytest.raises(DownloadError, match="try again later"):
        files.download(f"{host.url}/x", broken, sha256=SHA256)
    assert listing(broken.parent) == []


def test_a_host_that_falls_silent_half_way(host, tmp_path: Path) -> None:
    host.files["/x"], host.etags["/x"] = CONTENT, '"v1"'
    host.stuck.add("/x")
    with pytest.raises(DownloadError, match=r"connection broke \(timed out\); .* after 0\.3 MB"):
        files.download(f"{host.url}/x", tmp_path / "x.bin", sha256=SHA256, timeout=0.2)
    host.stuck.clear()
    assert gone_on(host, tmp_path / "x.bin") == ["bytes=256000-"]


# --------------------------------------------------------------------------- of unknown hash


def test_without_a_hash_the_length_is_checked(host, tmp_path: Path) -> None:
    host.files["/x"] = CONTENT
    host.cut.add("/x")
    assert "stopped after" in refused(f"{host.url}/x", tmp_path, sha256="")
    host.cut.clear()
    files.download(f"{host.url}/x", tmp_path / "x.bin", sha256="")
    assert (tmp_path / "x.bin").read_bytes() == CONTENT


def test_without_hash_and_length_nothing_would_be_checked(host, tmp_path: Path) -> None:
    host.files["/x"] = CONTENT
    host.unsized.add("/x")
    assert "does not say how long" in refused(f"{host.url}/x", tmp_path, sha256="")
    files.download(f"{host.url}/x", tmp_path / "x.bin", sha256=SHA256)
    assert (tmp_path / "x.bin").read_bytes() == CONTENT


# ------------------------------------------------------------------------- several processes

PROGRAM = """
    import sys
    from pathlib import Path
    from convatlas import files
    files.download(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3])
"""


@pytest.fixture
def another(host, tmp_path: Path):
    """Starts a process that downloads ``/x``, which is stuck half-way, into ``x.bin``."""
    host.files["/x"], host.etags["/x"] = CONTENT, '"v1"'
    host.stuck.add("/x")
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        arguments = [f"{host.url}/x", str(tmp_path / "x.bin"), SHA256]
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.01)


def half_is_there(part: Path) -> bool:
    return part.exists() and part.stat().st_size >= 250_000  # the rest may be in a buffer


def test_what_a_killed_program_had_fetched_is_not_lost(host, tmp_path: Path, another) -> None:
    process, part = another(), tmp_path / ".x.bin.part"
    until(lambda: half_is_there(part))
    process.kill()
    process.wait()
    host.stuck.clear()
    size = part.stat().st_size
    assert gone_on(host, tmp_path / "x.bin") == [f"bytes={size}-"]


def test_the_second_of_two_waits_and_uses_what_the_first_has_fetched(
    host, tmp_path: Path, another
) -> None:
    pytest.importorskip("fcntl")
    first = another()
    until(lambda: half_is_there(tmp_path / ".x.bin.part"))
    second = another()
    assert second.stderr.readline() == "waiting for another process to fetch x.bin\n"
    host.go_on.set()
    assert (first.wait(), second.wait()) == (0, 0)
    assert host.ranges == [None]
    assert listing(tmp_path) == ["x.bin"]
    assert (tmp_path / "x.bin").read_bytes() == CONTENT


def test_the_second_of_two_goes_on_where_the_first_was_killed(
    host, tmp_path: Path, another
) -> None:
    pytest.importorskip("fcntl")
    first, part = another(), tmp_path / ".x.bin.part"
    until(lambda: half_is_there(part))
    second = another()
    second.stderr.readline()
    size = part.stat().st_size
    host.stuck.clear()
    first.kill()
    assert second.wait() == 0
    assert host.ranges == [None, f"bytes={size}-"]
    assert (tmp_path / "x.bin").read_bytes() == CONTENT
