"""Files that are whole or absent: atomic writes, the user's cache and verified downloads."""

from convatlas.files.cache import cache_dir
from convatlas.files.downloading import download, sha256_of
from convatlas.files.locking import alone, lock
from convatlas.files.writing import replacing, storing, sweep, write_bytes, write_text

__all__ = [
    "alone",
    "cache_dir",
    "download",
    "lock",
    "replacing",
    "sha256_of",
    "storing",
    "sweep",
    "write_bytes",
    "write_text",
]
