"""The command line: one thin file per command, and this frame around them.

A command is a function with a typed signature and a docstring, in the module of its own name; tyro
makes arguments and help of it. `COMMANDS` registers it with one line, which is all that
``convatlas --help`` reads: a command's file is imported only when it is asked for, and what is
heavy only inside its function, so that no help waits for torch.

Exit codes: 0; 1 for a fault of ours; 2 for what the user can mend; 130 for Ctrl-C. A command may
return its own: doctor's are 1 where it has findings and 2 where nothing can be trained.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from convatlas.errors import ConvAtlasError, UnknownNameError

COMMANDS = {
    "demo": "watch a small VGG learn Fashion-MNIST, in about a minute",
    "nets": "the catalogue: name, family, year, parameters, MACs, idea, deviations",
    "show": "the layers of a network, with the arithmetic of every shape",
    "layer": "one layer under the glass: sizes, cost, matrix form, numbers",
    "weights": "pretrained weights: accuracy, licence, and having them here",
    "train": "train a network on a data set",
    "sweep": "search for the settings that train it best",
    "doctor": "what is wrong with a data set, and a copy without it",
    "shard": "tar shards of a data set, to stream from",
    "evaluate": "how good a trained network is",
    "predict": "what a trained network says of pictures",
    "export-state": "a trained network's weights, for torchvision's or timm's constructor",
    "env": "versions, processor, threads and devices, for a bug report",
}

USAGE = "usage: convatlas COMMAND ...  (convatlas COMMAND --help says more; --version)"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` (by default the program's own arguments) asks for.

    Returns:
        The exit code.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name need not be text
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except ConvAtlasError as error:
        return _fail(str(error), 2, error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `convatlas nets | head`: whoever read has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # what a shell reports of a program that SIGPIPE ended
    except Exception as error:
        said = " ".join(str(error).split())
        return _fail(
            f"our fault, not yours: {type(error).__name__}: {said} "
            "(CONVATLAS_TRACEBACK=1 shows where; please report it with `convatlas env`)",
            1,
            error,
        )


def run(argv: list[str]) -> int:
    """As `main`, with its errors still raised."""
    if not argv or argv[0] in ("-h", "--help"):
        print(overview(), file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"convatlas {version('convatlas')}")
        return 0
    name, *rest = argv
    if name not in COMMANDS:
        raise UnknownNameError("command", name, COMMANDS)
    import tyro

    try:
        code = tyro.cli(
            load(name),
            prog=f"convatlas {name}",
            args=rest,
            config=(tyro.conf.FlagCreatePairsOff, tyro.conf.UseAppendAction),
        )
    except SystemExit as end:  # tyro has printed its help (0) or what was wrong (2)
        return end.code if isinstance(end.code, int) else 2
    return code or 0


def load(name: str) -> Callable[..., int | None]:
    """The function of a command, which may return an exit code."""
    name = name.replace("-", "_")
    found: Callable[..., int | None] = getattr(
        importlib.import_module(f"convatlas.cli.{name}"), name
    )
    return found


def overview() -> str:
    """What ``convatlas --help`` prints: every command with its line."""
    width = max(map(len, COMMANDS))
    return "\n".join((USAGE, "", *(f"  {n:{width}}  {line}" for n, line in COMMANDS.items())))


def _fail(line: str, code: int, error: BaseException) -> int:
    """Say what went wrong in one line, and where if that was asked for."""
    if os.environ.get("CONVATLAS_TRACEBACK"):
        traceback.print_exception(error)
    line = f"convatlas: {line}"
    if "TORCHELASTIC_ERROR_FILE" in os.environ:
        from convatlas.train.launch import report

        report(line)
    else:
        print(line, file=sys.stderr)
    return code
