"""Pretrained weights out of the cache, and into it where they are not there yet."""

from __future__ import annotations

from pathlib import Path

from convatlas import files
from convatlas.errors import ConfigError, DownloadError
from convatlas.weights.catalog import Pretrained, find


def fetch(weights: str | Pretrained, *, accept_licence: bool = False) -> Path:
    """The file of pretrained weights on this machine; downloaded if need be, and checked.

    A download that broke is gone on with. A file that is there already is checked again, since
    anybody may have put it there, and no licence is asked for. Files of timm's hub, whose hashes
    are not known, are checked by their length alone, as they are downloaded.

    Args:
        weights: an id of the catalogue, or a row of it.
        accept_licence: needed to download what may not be used commercially.

    Returns:
        The file, in ``weights`` inside `files.cache_dir`.

    Raises:
        UnknownNameError: no such id.
        ConfigError: its licence forbids commercial use, and that was not accepted.
        DownloadError: it cannot be had (says where it can be put by hand), or the file that is
            there is another one.
        StorageError: the cache cannot be written.
    """
    row = find(weights) if isinstance(weights, str) else weights
    place = place_of(row)
    if place.is_file():
        _check(row, place)
        return place
    if row.non_commercial and not accept_licence:
        raise ConfigError(
            f"{row.id} is under {row.licence}, which forbids commercial use: if that suits you, "
            "fetch it with --accept-licence (accept_licence=True)"
        )
    return files.download(row.url, place, sha256=row.sha256)


def place_of(row: Pretrained) -> Path:
    """Where its file lies once it is here."""
    return files.cache_dir() / "weights" / row.file


def _check(row: Pretrained, place: Path) -> None:
    if row.sha256 and not (found := files.sha256_of(place)).startswith(row.sha256):
        raise DownloadError(
            f"{place} is not {row.id}: its sha-256 is {found[:16]}… and {row.sha256[:16]}… was "
            f"expected; remove it, and it will be fetched from {row.url}"
        )
