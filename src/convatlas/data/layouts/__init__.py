"""How pictures lie on a disk: each layout becomes a `Listing`."""

from __future__ import annotations

from pathlib import Path

from convatlas.data.layouts.folders import class_folders
from convatlas.data.layouts.scan import folders_in, pictures_in
from convatlas.data.layouts.table import labelled_table
from convatlas.data.listing import Listing
from convatlas.errors import DataError

__all__ = ["list_pictures", "pictures_in"]


def list_pictures(source: Path, seed: int = 0) -> Listing:
    """The labelled pictures of a folder or a CSV; nothing is decoded.

    Args:
        source: a folder with a folder for each class (inside folders for the parts, where it has
            them); a folder of pictures with one CSV among them; or such a CSV.
        seed: of what is held back for testing where the source does not say. It belongs to the
            data, not to a run.

    Raises:
        DataError: none of these, or not as it should be; one line.
    """
    if source.is_file():
        return labelled_table(source, seed)
    tables = sorted(source.glob("*.csv"))
    if tables and not folders_in(source):
        if len(tables) > 1:
            raise DataError(
                f"{source} has {len(tables)} CSV files: name the one that holds the labels, "
                f"{tables[0]} say"
            )
        return labelled_table(tables[0], seed)
    return class_folders(source, seed)
