from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from convatlas import files
from convatlas.errors import StorageError

CONTENT = bytes(range(256)) * 2000


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    dies = """
    import os, sys
    from pathlib import Path
    from convatlas import files
    with files.replacing(Path(sys.argv[1])) as file:
        os.kill(os.getpid(), 9)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(dies), tmp_path / "a.bin"], check=False)
    (left,) = listing(tmp_path)
    assert left.endswith(".part")
    others = [".a.bin.part", "a.bin", "b.01234567.part"]
    for name in others:
        (tmp_path / name).touch()
    files.sweep(tmp_path)
    assert listing(tmp_path) == sorted(others)
    files.sweep(tmp_path / "nowhere")
