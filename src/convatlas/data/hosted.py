"""Data sets that lie on a host: where their files are looked for, and how they are fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convatlas import files
from convatlas.data import debian
from convatlas.errors import DownloadError


@dataclass(frozen=True)
class HostedFile:
    """One file of a data set.

    Attributes:
        name: as the host calls it.
        url: where it is.
        size: bytes to download.
        sha256: of what the host sends, in hex.
        content: of what a ``.gz`` unpacks to, which is the same however it was packed.
    """

    name: str
    url: str
    size: int
    sha256: str
    content: str = ""


@dataclass(frozen=True)
class Hosted:
    """A data set of `HostedFile`; subclasses read it.

    Attributes:
        name: what `load` calls it.
        files: what it is made of.
        system: folders where the system's own packages put it.
        package: Debian's package of it, the second place it is fetched from.
    """

    name: str
    files: tuple[HostedFile, ...]
    system: tuple[Path, ...] = ()
    package: str = ""

    @property
    def home(self) -> Path:
        """The folder in the user's cache that downloads go to."""
        return files.cache_dir() / "data" / self.name

    def folders(self, data_dir: Path | None) -> list[Path]:
        """Where the files are looked for, in this order."""
        own = [] if data_dir is None else [data_dir, data_dir / self.name]
        return [*own, self.home, *self.system]

    def find(self, file: HostedFile, data_dir: Path | None) -> Path | None:
        """The first place that has the file, packed or (where it is a ``.gz``) unpacked."""
        names = (file.name, file.name.removesuffix(".gz")) if file.content else (file.name,)
        places = (folder / name for folder in self.folders(data_dir) for name in names)
        return next((place for place in places if place.is_file()), None)

    def missing(self, data_dir: Path | None) -> list[HostedFile]:
        """What is nowhere on this machine."""
        return [file for file in self.files if self.find(file, data_dir) is None]

    def download_size(self, data_dir: Path | None) -> int:
        """Bytes that loading it would download; 0 where it is here already."""
        return sum(file.size for file in self.missing(data_dir))

    def paths(self, data_dir: Path | None) -> list[Path]:
        """The files on this machine, in the order of ``files``; what is missing is fetched.

        Raises:
            DownloadError: absent, and not to be had; says where it was looked for.
            StorageError: the cache cannot be written.
        """
        if missing := self.missing(data_dir):
            self._fetch(missing, data_dir)
        return [self.find(file, data_dir) or self.home / file.name for file in self.files]

    def _fetch(self, missing: list[HostedFile], data_dir: Path | None) -> None:
        try:
            for file in missing:
                files.download(file.url, self.home / file.name, sha256=file.sha256)
        except DownloadError as error:
            reason = str(error)
            if self.package and debian.available():
                try:
                    return debian.fetch(self.package, [file.name for file in missing], self.home)
                except DownloadError as second:
                    reason = f"{reason}; {second}"
            looked = ", ".join(map(str, self.folders(data_dir)))
            raise DownloadError(f"{self.name} is not in {looked}, and {reason}") from error
