"""What several test packages need: the oracles, torchvision's and timm's networks; a web server."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType

import pytest
import torch

from convatlas import files

#: Operators of torchvision's C++ library that its Python refers to as it is imported.
OPERATORS = (
    "nms",
    "qnms",
    "roi_align",
    "_roi_align_backward",
    "roi_pool",
    "ps_roi_align",
    "ps_roi_pool",
    "deform_conv2d",
)


# to the bit, two runs are the same on a CPU alone: the tests, and what they start, see no GPU
os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_sessionstart() -> None:
    """A job in the background ignores Ctrl-C, and so would all processes that tests send it to."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the tests' own; what was downloaded into the user's is only read."""
    downloads, folder = files.cache_dir() / "data", tmp_path_factory.mktemp("cache")
    if downloads.is_dir():
        (folder / "data").symlink_to(downloads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVATLAS_CACHE", str(folder))
        yield


def _oracle(name: str) -> ModuleType:
    """A library that only tests use; absent, the test is skipped by its name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            pytest.skip(f"{name} is not installed: no oracle to compare with")


@pytest.fixture(scope="session")
def torchvision_models() -> ModuleType:
    """``torchvision.models``, whose networks are pure Python.

    The wheel's operators link CUDA: beside a CPU build of torch they do not load, and the import
    ends in a RuntimeError about the first of them. Declaring them is enough, for no network here
    calls one.
    """
    try:
        return _oracle("torchvision.models")
    except RuntimeError:
        for module in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[module]
    library = torch.library.Library("torchvision", "DEF")
    for operator in OPERATORS:
        library.define(f"{operator}(Tensor x) -> Tensor")
    models = _oracle("torchvision.models")
    models.operators = library  # the declarations end with the object that made them
    return models


@pytest.fixture(scope="session")
def torchvision_transforms(torchvision_models: ModuleType) -> ModuleType:
    """``torchvision.transforms.v2``, with the operators declared."""
    return _oracle("torchvision.transforms.v2")


@pytest.fixture(scope="session")
def timm_models(torchvision_models: ModuleType) -> ModuleType:
    """``timm``, which imports torchvision."""
    return _oracle("timm")


class Host:
    """A real web server on this machine, with the faults that real ones have.

    Attributes:
        files: what lies at each path.
        cut: paths whose answer promises everything and stops half-way.
        moved: paths that redirect to others.
        silent: paths that are never answered.
        stuck: paths whose answer falls silent half-way, until `go_on` is set.
        etags: versions of files; of those with one, parts are sent to whoever asks for a range.
        deaf: paths whose answers pass over If-Range.
        unsized: paths whose answers do not say how long they are.
        asked: the paths that were asked for, in order.
        ranges: the range that was asked for each time, or None.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.moved: dict[str, str] = {}
        self.silent: set[str] = set()
        self.stuck: set[str] = set()
        self.etags: dict[str, str] = {}
        self.deaf: set[str] = set()
        self.unsized: set[str] = set()
        self.asked: list[str] = []
        self.ranges: list[str | None] = []
        self.closing, self.go_on = threading.Event(), threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.closing.set()
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def _handler(host) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append(self.path)
                host.ranges.append(self.headers["Range"])
                if self.path in host.silent:
                    host.closing.wait()
                elif self.path in host.moved:
                    self.send_response(302)
                    self.send_header("Location", host.moved[self.path])
                    self.end_headers()
                elif self.path in host.files:
                    self.send(host.files[self.path], host.etags.get(self.path))
                else:
                    self.send_error(404)

            def send(self, content: bytes, etag: str | None) -> None:
                first, length = self.first(etag), len(content)
                if first and first >= length:
                    self.send_error(416)
                    return
                self.send_response(206 if first else 200)
                if first:
                    self.send_header("Content-Range", f"bytes {first}-{length - 1}/{length}")
                if etag:
                    self.send_header("ETag", etag)
                if self.path not in host.unsized:
                    self.send_header("Content-Length", str(length - first))
                self.end_headers()
                half = (first + length) // 2
                self.wfile.write(content[first:half])
                if self.path in host.stuck:
                    host.go_on.wait()
                if self.path not in host.cut:
                    with suppress(OSError):  # whoever asked has gone
                        self.wfile.write(content[half:])

            def first(self, etag: str | None) -> int:
                """The byte that an answer begins with."""
                asked, version = self.headers["Range"], self.headers["If-Range"]
                current = version in (None, etag) or self.path in host.deaf
                return int(asked[len("bytes=") : -1]) if asked and etag and current else 0

            def log_message(self, *args: object) -> None:
                pass

        return Handler


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A web server, asked directly whatever proxy the environment names."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    host = Host()
    yield host
    host.close()
