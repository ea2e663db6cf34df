"""What can go wrong, as one small tree.

::

    ConvAtlasError              one line: where, which value, what was expected, what to do
    ├── UnknownNameError        a network, data set, recipe or layer that does not exist (KeyError)
    ├── ConfigError             an option whose value cannot be (ValueError)
    ├── ShapeError              sizes that do not fit, with the arithmetic (ValueError)
    ├── ArgumentTypeError       an argument of the wrong type, or tensors of two (TypeError)
    ├── DataError               a file or folder that is missing, unreadable or not as it says
    │   └── DownloadError       a file that could not be fetched, or is not the one asked for
    ├── ModelError              a model file or checkpoint that does not fit
    ├── TrainingError           a run that cannot go on (a loss that is not a number, say)
    └── StorageError            a disk that is full or may not be written

Each is something the user can mend, so the command line prints its one line and exits with 2.
Everything else is our fault: exit code 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConvAtlasError(Exception):
    """Base of every error the library raises on purpose."""


class UnknownNameError(ConvAtlasError, KeyError):
    """A name nobody knows; the message offers the nearest ones.

    Args:
        kind: what the name should have been ("network", "data set", …).
        name: the name that was given.
        known: every name that would have been right.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        near = difflib.get_close_matches(name, self.known, n=3, cutoff=0.5) or self.known[:8]
        super().__init__(f"unknown {kind} {name!r}: did you mean {' or '.join(near)}?")

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0])


class ConfigError(ConvAtlasError, ValueError):
    """An option whose value cannot be."""


class ShapeError(ConvAtlasError, ValueError):
    """Sizes that do not fit together; the message shows the arithmetic."""


class ArgumentTypeError(ConvAtlasError, TypeError):
    """An argument of the wrong type, or tensors whose types do not go together."""


class DataError(ConvAtlasError):
    """A file or folder that is missing, unreadable or not what it claims to be."""


class DownloadError(DataError):
    """A file that could not be fetched, or that is not the one that was asked for."""


class ModelError(ConvAtlasError):
    """A model file or checkpoint that does not fit."""


class TrainingError(ConvAtlasError):
    """A run that cannot go on."""


class StorageError(ConvAtlasError):
    """A disk that is full or may not be written."""
