"""Sources on a host: the same code as for the real ones, with files and hashes of our own."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from convatlas.data import debian
from convatlas.data.cifar import CIFAR10, CIFAR100, CifarSource
from convatlas.data.hosted import HostedFile
from convatlas.data.mnist import FASHION_MNIST, MNIST, IdxSource
from convatlas.errors import DataError, DownloadError


def idx_bytes(*shape: int) -> bytes:
    torch.manual_seed(sum(shape))
    values = torch.randint(0, 3, shape, dtype=torch.uint8)
    header = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
    return header + values.numpy().tobytes()


CONTENTS = {
    "train-images-idx3-ubyte.gz": idx_bytes(20, 5, 5),
    "train-labels-idx1-ubyte.gz": idx_bytes(20),
    "t10k-images-idx3-ubyte.gz": idx_bytes(6, 5, 5),
    "t10k-labels-idx1-ubyte.gz": idx_bytes(6),
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def small(host) -> IdxSource:
    """A small data set in four IDX files on ``host``."""
    files = []
    for name, content in CONTENTS.items():
        packed = gzip.compress(content, mtime=0)
        host.files[f"/{name}"] = packed
        file = HostedFile(name, f"{host.url}/{name}", len(packed), sha256(packed), sha256(content))
        files.append(file)
    return IdxSource("small", tuple(files), classes=("a", "b", "c"))


def test_files_are_fetched_once_into_the_cache(small: IdxSource, host, cache: Path) -> None:
    size = sum(len(content) for content in host.files.values())
    assert small.download_size(None) == size
    first = small.load(None, None, 0)
    assert small.download_size(None) == 0
    assert sorted(p.name for p in (cache / "data" / "small").iterdir()) == sorted(CONTENTS)
    again = small.load(None, None, 0)
    assert len(host.asked) == 4
    assert first.train.fingerprint() == again.train.fingerprint()
    assert first.train.images.shape == (20, 1, 5, 5)
    assert first.test.classes == ("a", "b", "c")
    pixels = first.test.images.numpy().tobytes()
    assert pixels == CONTENTS["t10k-images-idx3-ubyte.gz"][16:]
    assert first.test.labels.tolist() == list(CONTENTS["t10k-labels-idx1-ubyte.gz"][8:])


@pytest.mark.parametrize("inside", ["", "small"])
@pytest.mark.parametrize("packed", [True, False])
def test_files_in_the_data_folder_are_used(
    small: IdxSource, host, tmp_path: Path, inside: str, packed: bool
) -> None:
    folder = tmp_path / "mine" / inside
    folder.mkdir(parents=True)
    for name, content in CONTENTS.items():
        # packed in another way than on the host: the content is what counts
        place = folder / (name if packed else name.removesuffix(".gz"))
        place.write_bytes(gzip.compress(content, 1) if packed else content)
    assert small.download_size(tmp_path / "mine") == 0
    assert len(small.load(tmp_path / "mine", None, 0).train) == 20
    assert host.asked == []


def test_only_what_is_missing_is_fetched(small: IdxSource, host, tmp_path: Path) -> None:
    for name in list(CONTENTS)[:3]:
        (tmp_path / name).write_bytes(gzip.compress(CONTENTS[name]))
    assert small.download_size(tmp_path) == small.files[3].size
    small.load(tmp_path, None, 0)
    assert host.asked == ["/t10k-labels-idx1-ubyte.gz"]


def test_an_altered_file_is_named_and_not_replaced(small: IdxSource, host, tmp_path: Path) -> None:
    altered = tmp_path / "train-labels-idx1-ubyte.gz"
    altered.write_bytes(gzip.compress(CONTENTS[altered.name][:-1] + b"\3"))
    before = altered.read_bytes()
    with pytest.raises(DataError, match=f"{altered} was cut short or altered"):
        small.load(tmp_path, None, 0)
    assert altered.read_bytes() == before


def test_a_cut_file_in_the_cache_is_named(small: IdxSource, cache: Path) -> None:
    small.load(None, None, 0)
    path = cache / "data" / "small" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"{path} was cut short or altered"):
        small.load(None, None, 0)


@pytest.mark.parametrize("fault", ["altered", "cut", "absent"])
def test_a_host_at_fault_leaves_no_file(small: IdxSource, host, cache: Path, fault: str) -> None:
    path = "/train-images-idx3-ubyte.gz"
    match fault:
        case "altered":
            host.files[path] = host.files[path][:-1] + b"!"
        case "cut":
            host.cut.add(path)
        case _:
            del host.files[path]
    with pytest.raises(DownloadError, match=f"small is not in {cache}.*, and cannot fetch train-"):
        small.load(None, None, 0)
    assert list((cache / "data").rglob("*.*")) == []


def unreachable(source: IdxSource) -> IdxSource:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}/"
    return replace(source, files=tuple(replace(f, url=gone + f.name) for f in source.files))


def test_offline_and_absent_is_one_line_that_says_where_it_looked(
    small: IdxSource, tmp_path: Path, cache: Path
) -> None:
    with pytest.raises(DownloadError) as raised:
        unreachable(small).load(tmp_path, None, 0)
    said = str(raised.value)
    assert "\n" not in said
    for place in (tmp_path, tmp_path / "small", cache / "data" / "small"):
        assert f"{place}, " in said
    assert "cannot be reached" in said
    assert "put the file at" in said


def test_a_package_that_does_not_exist_is_said_too(
    small: IdxSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not debian.available():
        pytest.skip("apt-get is not present: Debian's packages are not tried")

    def run(work: Path, *command: str, private: bool = True) -> str:
        raise DownloadError("apt-get says “Unable to locate package no-such-package”")

    monkeypatch.setattr(debian, "_run", run)
    with pytest.raises(DownloadError, match=r"cannot be reached.*no-such-package.*Unable to loc"):
        replace(unreachable(small), package="no-such-package").load(None, None, 0)


@pytest.mark.slow
def test_fashion_mnist_out_of_debians_package(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not debian.available():
        pytest.skip("apt-get is not present: Debian's package is not tried")
    # a system without package lists, as a container has it
    (tmp_path / "none").mkdir()
    config = tmp_path / "apt.conf"
    config.write_text(f'Dir::State::lists "{tmp_path / "none"}";')
    monkeypatch.setenv("APT_CONFIG", str(config))
    source = unreachable(replace(FASHION_MNIST, system=()))
    try:
        data = source.load(None, None, 0)
    except DownloadError as error:
        pytest.skip(f"Debian's package dataset-fashion-mnist cannot be had here: {error}")
    assert len(data.train) == 60_000
    assert sorted(p.name for p in cache.rglob("*.gz")) == sorted(CONTENTS)
    assert list(tmp_path.glob("none/*.lz4")) == []


# ---------------------------------------------------------------------------- the real data sets


def test_fashion_mnist_as_published() -> None:
    if FASHION_MNIST.missing(None):
        pytest.skip("Fashion-MNIST is not installed (Debian: dataset-fashion-mnist)")
    data = FASHION_MNIST.load(None, None, 0)
    assert data.train.images.shape == (60_000, 1, 28, 28)
    assert data.test.images.shape == (10_000, 1, 28, 28)
    assert data.train.labels.bincount().tolist() == [6000] * 10
    assert data.test.labels.bincount().tolist() == [1000] * 10
    names = [data.train.classes[label] for label in data.train.labels[:5]]
    assert names == ["ankle boot", "t-shirt", "t-shirt", "dress", "t-shirt"]
    assert data.test.labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    # the mean that is published with it, of pixels in [0, 1]
    assert data.train.images.double().mean().item() / 255 == pytest.approx(0.2860, abs=5e-5)


@pytest.mark.parametrize("source", [FASHION_MNIST, MNIST, CIFAR10, CIFAR100])
def test_hashes_are_whole(source: IdxSource | CifarSource) -> None:
    for file in source.files:
        hashes = [file.sha256, file.content] if isinstance(source, IdxSource) else [file.sha256]
        assert all(len(bytes.fromhex(digest)) == 32 for digest in hashes)
        assert file.url.endswith("/" + file.name)


# -------------------------------------------------------------------------------------- CIFAR


def cifar_archive(source: CifarSource, per_file: int) -> bytes:
    """An archive laid out as the official one; pixel (c, y, x) of every picture is c·64 + y + x."""
    c, y, x = torch.meshgrid(*map(torch.arange, (3, 32, 32)), indexing="ij")
    pixels = (c * 64 + y + x).byte().flatten()
    labels = [
        torch.tensor([9, i % 3][-source.labels :], dtype=torch.uint8) for i in range(per_file)
    ]
    records = torch.cat([torch.cat([label, pixels]) for label in labels]).numpy().tobytes()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in (*source.train, *source.test, source.names, "../escape"):
            content = b"cat\ndog\nfrog\n\n" if name == source.names else records
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize("source", [CIFAR10, CIFAR100])
def test_cifar_is_read_out_of_its_archive(source: CifarSource, host, cache: Path) -> None:
    content = cifar_archive(source, per_file=4)
    (file,) = source.files
    host.files["/x"] = content
    host.moved["/moved"] = f"{host.url}/x"
    moved = replace(file, url=f"{host.url}/moved", sha256=sha256(content), size=len(content))
    data = replace(source, files=(moved,)).load(None, None, 0)
    parts = len(source.train)
    assert data.train.images.shape == (4 * parts, 3, 32, 32)
    assert data.train.labels.tolist() == [0, 1, 2, 0] * parts
    assert data.test.classes == ("cat", "dog", "frog")
    assert data.test.images[3, 2, 5, 7] == 2 * 64 + 5 + 7
    assert [p.name for p in cache.rglob("*") if p.is_file()] == [file.name]


def test_an_altered_cifar_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"not it")
    with pytest.raises(DataError, match=r"cut short or altered: 6 bytes .*170052171 of c4a38c50"):
        CIFAR10.load(tmp_path, None, 0)


def test_a_cifar_archive_without_a_member_is_refused(tmp_path: Path) -> None:
    content = cifar_archive(CIFAR10, per_file=1)
    (tmp_path / "cifar-100-binary.tar.gz").write_bytes(content)
    source = replace(CIFAR100, files=(replace(CIFAR100.files[0], sha256=sha256(content)),))
    with pytest.raises(DataError, match=r"lacks cifar-100-binary/fine_label_names.txt"):
        source.load(tmp_path, None, 0)
