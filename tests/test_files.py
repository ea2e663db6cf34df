from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from convatlas import files
from convatlas.errors import DownloadError, StorageError

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a disk of 64 KiB cannot be mounted here ({error})")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


# ---------------------------------------------------------------------------------- writing


def test_a_file_is_written_with_its_folders_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file.bin"
    files.write_bytes(target, CONTENT)
    assert target.read_bytes() == CONTENT
    assert listing(target.parent) == ["file.bin"]
    files.write_text(target, "größer")
    assert target.read_bytes() == "größer".encode()


def test_the_file_has_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    files.write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "file")
    files.write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere" / "file").read_bytes() == b"new"


def test_an_exception_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def interrupted() -> None:
        with files.replacing(target) as file:
            file.write(b"half of the new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_bytes() == b"old"
    assert listing(tmp_path) == ["file"]


def test_a_program_that_dies_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    program = """
        import os, sys
        from pathlib import Path
        from convatlas import files
        with files.replacing(Path(sys.argv[1])) as file:
            file.write(b"x" * 100_000)
            os._exit(9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(target)])
    assert done.returncode == 9
    assert target.read_bytes() == b"old"


def test_a_full_disk_is_a_storage_error_and_keeps_the_old_file(small_disk: Path) -> None:
    target = small_disk / "file"
    files.write_bytes(target, b"old")
    with pytest.raises(StorageError, match="No space left") as raised:
        files.write_bytes(target, bytes(100_000))
    assert str(target) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert target.read_bytes() == b"old"
    assert listing(small_disk) == ["file"]


def test_a_checkpoint_on_a_full_disk_is_a_storage_error(small_disk: Path) -> None:
    def save() -> None:
        with files.replacing(small_disk / "checkpoint.pt") as file:
            torch.save({"weight": torch.zeros(100_000)}, file)

    with pytest.raises(StorageError, match=r"checkpoint\.pt: No space left"):
        save()
    assert listing(small_disk) == []


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ours"), files.storing(tmp_path):
        raise RuntimeError("ours")


def test_a_read_only_disk_is_a_storage_error(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StorageError, match="Read-only"):
        files.write_bytes(small_disk / "folder" / "file", b"")


def test_a_file_size_limit_is_a_storage_error_and_keeps_the_old_file(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    target = tmp_path / "file"
    target.write_bytes(b"old")
    program = """
        import resource, sys
        from pathlib import Path
        from convatlas import errors, files
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            files.write_bytes(Path(sys.argv[1]), bytes(100_000))
        except errors.StorageError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(target)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.startswith(f"cannot write {target}: File too large")
    assert target.read_bytes() == b"old"
    assert listing(tmp_path) == ["file"]


def test_a_folder_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot write .*file/inside"):
        files.write_bytes(tmp_path / "file" / "inside", b"")


# ------------------------------------------------------------------------------------- the cache


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("CONVATLAS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return monkeypatch


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", ".cache/convatlas"),
        ("darwin", "Library/Caches/convatlas"),
        ("win32", "AppData/Local/convatlas"),
    ],
)
def test_the_cache_is_where_the_system_keeps_its_own(
    bare: pytest.MonkeyPatch, tmp_path: Path, platform: str, expected: str
) -> None:
    bare.setattr(sys, "platform", platform)
    assert files.cache_dir() == tmp_path / expected


def test_the_environment_moves_the_cache(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("XDG_CACHE_HOME", "/somewhere")
    assert files.cache_dir() == Path("/somewhere/convatlas")
    bare.setenv("CONVATLAS_CACHE", "/own")
    assert files.cache_dir() == Path("/own")


# ---------------------------------------------------------------------------------- downloads


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
    host.files["/x"] = CONTENT
    with pytest.raises(StorageError, match="No space left"):
        files.download(f"{host.url}/x", small_disk / "x", sha256=SHA256)
    assert listing(small_disk) == []
