"""IDX: the format of MNIST's files (LeCun, Cortes and Burges, 1998).

Two zero bytes, a type (8 is unsigned bytes, the only one the data sets use), the number of
dimensions, each dimension as a big-endian 32-bit integer, then the values, row by row.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

from convatlas.errors import DataError

_UNSIGNED_BYTE = 8


def read(path: Path, *, sha256: str | None = None) -> Tensor:
    """The values of an IDX file, ``.gz`` or plain, as a uint8 tensor of the shape it states.

    Args:
        sha256: of the unpacked content, where it is known: in hex.

    Raises:
        DataError: the file cannot be read, is cut short, or is not what it should be.
    """
    content = _unpack(path)
    if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise DataError(
            f"{path} was cut short or altered: the sha-256 of its content is {found[:16]}… and "
            f"{sha256[:16]}… was expected; remove it, and it is fetched anew"
        )
    if len(content) < 4 or content[:3] != bytes((0, 0, _UNSIGNED_BYTE)):
        raise DataError(
            f"{path} is not an IDX file of bytes: it begins {content[:4].hex(' ')}, and "
            "00 00 08 and the number of dimensions were expected"
        )
    start = 4 + 4 * content[3]
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)]
    count = math.prod(shape)
    if count == 0 or len(content) != start + count:
        raise DataError(
            f"{path} was cut short or altered: it states {'×'.join(map(str, shape))} = {count} "
            f"values and holds {max(len(content) - start, 0)}"
        )
    return torch.frombuffer(content, dtype=torch.uint8, offset=start).view(shape)


def _unpack(path: Path) -> bytearray:
    try:
        content = path.read_bytes()
        # a bytearray, because a tensor over immutable bytes could be written to
        return bytearray(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} was cut short or altered: {len(content)} bytes that do not unpack "
            f"({error}); remove it, and it is fetched anew"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
