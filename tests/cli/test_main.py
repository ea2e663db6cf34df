"""The frame: exit codes, one-line errors, and help that waits for nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convatlas import cli
from convatlas.errors import ShapeError

RUN = [sys.executable, "-m", "convatlas"]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Put a function in the place of the command `env`."""
    return lambda function: monkeypatch.setattr(cli, "load", lambda name: function)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    for name, line in cli.COMMANDS.items():
        assert f"  {name} " in said
        assert line in said


def test_every_command_has_its_file_and_every_file_its_command() -> None:
    folder = Path(cli.__file__).parent
    helpers = {"__init__", "screen", "arguments"}
    assert {file.stem for file in folder.glob("*.py")} - helpers == {
        name.replace("-", "_") for name in cli.COMMANDS
    }


@pytest.mark.parametrize("name", [None, *cli.COMMANDS])
def test_help_imports_no_torch(name: str | None) -> None:
    argv = [*([name] if name else []), "--help"]
    code = (
        "import sys\n"
        "from convatlas.cli import main\n"
        f"code = main({argv})\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'sklearn', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "usage: convatlas" in ran.stdout


def test_nothing_asked_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: convatlas COMMAND" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"convatlas {version('convatlas')}\n"


def test_an_unknown_command_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["shwo"]) == 2
    assert capsys.readouterr().err == "convatlas: unknown command 'shwo': did you mean show?\n"


def test_an_unknown_flag_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["nets", "--colour"]) == 2
    assert "--colour" in capsys.readouterr().err


def test_what_the_user_can_mend_is_one_line(command, capsys: pytest.CaptureFixture[str]) -> None:
    def env() -> None:
        raise ShapeError("at conv1, 3 − 5 < 1")

    command(env)
    assert cli.main(["env"]) == 2
    assert capsys.readouterr() == ("", "convatlas: at conv1, 3 − 5 < 1\n")


def test_our_fault_is_one_line_that_says_so(
    command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def env() -> None:
        raise LookupError("no such\nthing")

    command(env)
    monkeypatch.delenv("CONVATLAS_TRACEBACK", raising=False)
    assert cli.main(["env"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "our fault" in said
    assert "LookupError: no such thing" in said
    assert "CONVATLAS_TRACEBACK=1" in said

    monkeypatch.setenv("CONVATLAS_TRACEBACK", "1")
    assert cli.main(["env"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_ctrl_c(command) -> None:
    def env() -> None:
        raise KeyboardInterrupt

    command(env)
    assert cli.main(["env"]) == 130


def test_a_reader_who_leaves_is_no_error() -> None:
    code = (
        "import sys\nfrom convatlas import cli\n"
        "def env(): print('x' * 10_000_000)\n"  # far more than a pipe holds
        "cli.load = lambda name: env\n"
        "sys.exit(cli.main(['env']))"
    )
    ran = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert ran.stdout is not None
    assert ran.stderr is not None
    ran.stdout.read(1)
    ran.stdout.close()
    said = ran.stderr.read()
    ran.stderr.close()
    assert said == b""
    assert ran.wait() == 141


def test_as_a_module_it_answers_with_the_exit_code() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "CONVATLAS_TRACEBACK"}
    ran = subprocess.run(
        [*RUN, "show", "resnet19"], capture_output=True, text=True, check=False, env=environment
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("convatlas: unknown network 'resnet19': did you mean ")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(("world", "left"), [("1", "taken down\n"), ("2", "")])
def test_one_of_several_processes_leaves_the_interpreter_as_it_stands(
    world: str, left: str
) -> None:
    """As gloo's threads might still be at work in it; what was said is said, and the code kept."""
    program = (
        "import atexit, runpy, sys\n"
        "atexit.register(print, 'taken down')\n"
        "runpy.run_module('convatlas', run_name='__main__', alter_sys=True)\n"
    )

    def run(argument: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, argument],
            capture_output=True,
            text=True,
            env=os.environ | {"WORLD_SIZE": world},
        )

    good, bad = run("--help"), run("no")
    assert good.returncode == 0
    assert good.stdout == f"{cli.overview()}\n{left}"
    assert bad.returncode == 2
    assert bad.stdout == left
    assert bad.stderr.startswith("convatlas: unknown command")
