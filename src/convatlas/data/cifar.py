"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), the binary version.

Each file is a run of records: one label byte (two in CIFAR-100, coarse and fine), then a 32×32
picture, all red, then all green, then all blue. They are read out of the official archive, which
is never unpacked to disk.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from convatlas.data.hosted import Hosted, HostedFile
from convatlas.data.imageset import Dataset, ImageSet
from convatlas.errors import DataError

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class CifarSource(Hosted):
    """One archive; the names of its members, and how many labels stand before a picture."""

    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    names: str = ""
    labels: int = 1

    def load(self, data_dir: Path | None, side: int | None, seed: int) -> Dataset:
        """Both halves, at their own side; of two labels the last, the fine one.

        Raises:
            DataError: the archive is cut short or altered (DownloadError: or not to be had).
        """
        (path,), (file,) = self.paths(data_dir), self.files
        with path.open("rb") as archive:
            found = hashlib.file_digest(archive, "sha256").hexdigest()
        if found != file.sha256:
            raise DataError(
                f"{path} was cut short or altered: {path.stat().st_size} bytes of sha-256 "
                f"{found[:16]}…, and {file.size} of {file.sha256[:16]}… were expected; remove it, "
                "and it is fetched anew"
            )
        members = self._members(path)
        classes = tuple(members[self.names].decode().split())
        halves = [
            self._images(f"{self.name} {half}", [members[name] for name in wanted], classes)
            for half, wanted in (("train", self.train), ("test", self.test))
        ]
        train, test = halves
        return Dataset(self.name, train, test)

    def _members(self, path: Path) -> Mapping[str, bytes]:
        wanted, members = {*self.train, *self.test, self.names}, {}
        try:
            with tarfile.open(path, "r:gz") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.name in wanted else None
                    if content is not None:
                        members[member.name] = content.read()
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise DataError(f"{path} does not unpack: {error}") from error
        if absent := sorted(wanted - members.keys()):
            raise DataError(f"{path} lacks {', '.join(absent)}")
        return members

    def _images(self, name: str, parts: list[bytes], classes: tuple[str, ...]) -> ImageSet:
        content, record = bytearray().join(parts), self.labels + _PIXELS
        if not content or len(content) % record:
            raise DataError(f"{name}: {len(content)} bytes are no whole number of {record}")
        records = torch.frombuffer(content, dtype=torch.uint8).view(-1, record)
        images = records[:, self.labels :].reshape(-1, *_SHAPE)
        return ImageSet(name, images, records[:, self.labels - 1].long(), classes)


_HOST = "https://www.cs.toronto.edu/~kriz/"

CIFAR10 = CifarSource(
    "cifar10",
    (
        HostedFile(
            "cifar-10-binary.tar.gz",
            _HOST + "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    train=tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)),
    test=("cifar-10-batches-bin/test_batch.bin",),
    names="cifar-10-batches-bin/batches.meta.txt",
)

CIFAR100 = CifarSource(
    "cifar100",
    (
        HostedFile(
            "cifar-100-binary.tar.gz",
            _HOST + "cifar-100-binary.tar.gz",
            168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        ),
    ),
    train=("cifar-100-binary/train.bin",),
    test=("cifar-100-binary/test.bin",),
    names="cifar-100-binary/fine_label_names.txt",
    labels=2,
)
