"""Picture files in one folder, and a CSV that says what each shows."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import torch

from convatlas.data.layouts.names import refuse_alike
from convatlas.data.layouts.scan import SUFFIXES
from convatlas.data.listing import PARTS, Listing
from convatlas.data.split import stratified
from convatlas.errors import DataError

#: what the columns may be called
_PATH = ("path", "file", "filename", "file_name", "image", "picture")
_LABEL = ("label", "class", "category", "target")
_PART = ("split", "part", "set", "subset")
_PARTS = {name: name for name in PARTS} | {"valid": "val", "validation": "val"}


def labelled_table(table: Path, seed: int) -> Listing:
    """The pictures that a CSV names, relative to its own folder.

    Its first line says which column is the path (path, file, filename, image), which the label
    (label, class, category) and, where there is one, which the part (split: train, val, test).
    Without such a line the first column is the path and the second the label. Commas, semicolons
    and tabs may stand between them.

    Args:
        table: the CSV, in UTF-8.
        seed: of what is held back where no column says it, or says nothing but train.

    Raises:
        DataError: unknown columns, files that are missing, fewer than two classes, classes that
            differ by case only, or a part that is none; the message names the line.
    """
    header, rows = _read(table)
    path, label, part = (_column(header, names) for names in (_PATH, _LABEL, _PART))
    if path is None or label is None:
        raise DataError(
            f"{table} has the columns {', '.join(map(repr, header))}, but a path "
            f"({', '.join(_PATH)}) and a label ({', '.join(_LABEL)}) were expected"
        )
    wanted = max(path, label) + 1
    for line, row in rows:
        if len(row) < wanted or not (row[path] and row[label]):
            raise DataError(f"{table}, line {line}: {','.join(row)!r} lacks a path or a label")
    files = [row[path].replace("\\", "/") for _, row in rows]
    _refuse_missing(table, files)
    classes = _classes(table, [row[label] for _, row in rows])
    number = {name: i for i, name in enumerate(classes)}
    labels = torch.tensor([number[row[label]] for _, row in rows])
    notes = [
        f"{len(classes)} classes from the column {header[label]!r} of {table.name}",
    ]
    parts = torch.zeros(len(rows), dtype=torch.uint8)
    if part is not None:
        parts = torch.tensor([_part(table, line, row, part) for line, row in rows]).to(parts)
    drawn = not parts.any()  # as of a lone folder train
    if drawn:
        _, held = stratified(labels, classes, seed)
        parts[held] = PARTS.index("test")
        notes.append(f"a fifth of each class is held back for testing (seed {seed})")
    elif not (parts == PARTS.index("test")).any():
        parts[parts == PARTS.index("val")] = PARTS.index("test")
        notes.append(f"{table.name} has no part test, so the part val is tested on")
    return Listing(
        table.stem,
        table.parent,
        classes,
        files,
        labels,
        parts,
        tuple(notes),
        drawn=drawn,
        table=table,
    )


def _read(table: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns, and each row with the number of its line."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table} cannot be read as UTF-8 text: {error}") from error
    first = text.partition("\n")[0]
    comma = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=comma)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise DataError(f"{table}, line {reader.line_num}, is not as in a CSV: {error}") from error
    if not rows:
        raise DataError(f"{table} is empty, but a line for each picture was expected")
    header = [name.lower() for name in rows[0][1]]
    if len(header) >= 2 and header[0].endswith(SUFFIXES):  # no names of columns, but a picture
        return [_PATH[0], _LABEL[0], *map(str, range(2, len(header)))], rows
    return header, rows[1:]


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _part(table: Path, line: int, row: list[str], column: int) -> int:
    name = row[column].lower() if column < len(row) else ""
    if name not in _PARTS:
        raise DataError(
            f"{table}, line {line}: the part is {name!r}, but it must be one of {', '.join(_PARTS)}"
        )
    return PARTS.index(_PARTS[name])


def _classes(table: Path, labels: list[str]) -> tuple[str, ...]:
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        raise DataError(
            f"{table} names {len(classes)} class(es), but telling apart takes at least two"
        )
    refuse_alike(table, classes)
    return classes


def _refuse_missing(table: Path, files: list[str]) -> None:
    missing = [file for file in files if not (table.parent / file).is_file()]
    if missing:
        raise DataError(
            f"{table} names {len(files)} files, and {len(missing)} of them are not in "
            f"{table.parent}: {missing[0]} is the first; mend the paths or remove the lines"
        )
