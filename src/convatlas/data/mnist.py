"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao, Rasul and Vollgraf 2017).

60,000 and 10,000 grey pictures of 28×28 each, in four IDX files. Debian repacks Fashion-MNIST's
archives without the file name in their headers, so that their hashes differ from the official
ones while their content is the same byte for byte; what is checked on reading is the content.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convatlas.data import idx
from convatlas.data.hosted import Hosted, HostedFile
from convatlas.data.imageset import Dataset, ImageSet
from convatlas.errors import DataError


@dataclass(frozen=True)
class IdxSource(Hosted):
    """Training images, training labels, test images, test labels, each an IDX file."""

    classes: tuple[str, ...] = ()

    def load(self, data_dir: Path | None, side: int | None, seed: int) -> Dataset:
        """Both halves, at their own side.

        Raises:
            DataError: a file is cut short or altered (DownloadError: or not to be had).
        """
        paths = self.paths(data_dir)
        values = [
            idx.read(path, sha256=file.content)
            for path, file in zip(paths, self.files, strict=True)
        ]
        halves = []
        for half, start in (("train", 0), ("test", 2)):
            images, labels = values[start : start + 2]
            if images.dim() != 3 or labels.shape != images.shape[:1]:
                raise DataError(
                    f"{paths[start]} holds {tuple(images.shape)} and {paths[start + 1]} "
                    f"{tuple(labels.shape)}, but (N, H, W) images and (N,) labels were expected"
                )
            name = f"{self.name} {half}"
            halves.append(ImageSet(name, images[:, None], labels.long(), self.classes))
        train, test = halves
        return Dataset(self.name, train, test)


def _files(host: str, *rows: tuple[str, int, str, str]) -> tuple[HostedFile, ...]:
    return tuple(HostedFile(row[0], host + row[0], *row[1:]) for row in rows)


MNIST = IdxSource(
    "mnist",
    _files(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    classes=tuple("0123456789"),
)

FASHION_MNIST = IdxSource(
    "fashion-mnist",
    _files(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    system=(Path("/usr/share/datasets/fashion-mnist"),),
    package="dataset-fashion-mnist",
    classes=(
        "t-shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
)
