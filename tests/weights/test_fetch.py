"""Weights that are fetched, from a web server on this machine."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from convatlas.errors import ConfigError, DownloadError, UnknownNameError
from convatlas.nets.build import build
from convatlas.weights.catalog import Pretrained, find
from convatlas.weights.fetch import fetch, place_of
from convatlas.weights.load import load_weights


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVATLAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def row(host, tmp_path: Path) -> Pretrained:
    """``resnet20.akamaster``, as a file with new numbers in it on ``host``."""
    torch.manual_seed(0)
    net = build("resnet20")
    save_file(net.state_dict(), tmp_path / "state")
    content = (tmp_path / "state").read_bytes()
    host.files["/w.safetensors"], host.etags["/w.safetensors"] = content, '"1"'
    return replace(
        find("resnet20.akamaster"),
        url=f"{host.url}/w.safetensors",
        sha256=hashlib.sha256(content).hexdigest()[:8],
    )


def test_weights_are_fetched_once_and_load(row: Pretrained, host, cache: Path) -> None:
    path = fetch(row)
    assert path == cache / "resnet20.akamaster.safetensors"
    assert fetch(row) == path
    assert host.asked == ["/w.safetensors"]
    torch.manual_seed(0)
    same, net = build("resnet20"), build("resnet20")
    load_weights(net, path)
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])


def test_a_broken_fetch_goes_on(row: Pretrained, host) -> None:
    content = host.files["/w.safetensors"]
    host.cut.add("/w.safetensors")
    with pytest.raises(DownloadError, match=r"try again, which goes on after 0\.5 MB"):
        fetch(row)
    host.cut.clear()
    assert fetch(row).read_bytes() == content
    assert host.ranges == [None, f"bytes={len(content) // 2}-"]


def test_an_altered_file_is_refused(row: Pretrained, host, cache: Path) -> None:
    host.files["/w.safetensors"] = host.files["/w.safetensors"][:-1] + b"!"
    with pytest.raises(DownloadError, match=rf"{row.sha256}… was expected"):
        fetch(row)
    assert list(cache.iterdir()) == []


def test_a_file_in_the_cache_is_checked_and_stays(row: Pretrained, host, cache: Path) -> None:
    cache.mkdir(parents=True)
    place_of(row).write_bytes(b"something else")
    with pytest.raises(DownloadError, match=r"is not resnet20\.akamaster: its sha-256") as raised:
        fetch(row)
    assert str(place_of(row)) in str(raised.value)
    assert place_of(row).read_bytes() == b"something else"
    assert host.asked == []


def test_where_no_hash_is_known_the_length_decides(row: Pretrained, host) -> None:
    unknown = replace(row, sha256="")
    host.cut.add("/w.safetensors")
    with pytest.raises(DownloadError, match="stopped after"):
        fetch(unknown)
    host.cut.clear()
    assert fetch(unknown).is_file()
    assert fetch(unknown).is_file()
    assert len(host.asked) == 2


def test_a_licence_that_forbids_commercial_use_is_to_be_accepted(row: Pretrained, host) -> None:
    row = replace(row, non_commercial=True, licence="CC-BY-NC-4.0")
    with pytest.raises(ConfigError) as raised:
        fetch(row)
    assert str(raised.value) == (
        "resnet20.akamaster is under CC-BY-NC-4.0, which forbids commercial use: if that suits "
        "you, fetch it with --accept-licence (accept_licence=True)"
    )
    assert host.asked == []
    assert fetch(row, accept_licence=True) == fetch(row)
    with pytest.raises(ConfigError, match=r"CC-BY-NC-4\.0"):
        fetch("resnet18.fb_swsl_ig1b_ft_in1k")


def test_without_a_network_it_says_which_file_to_put_where(row: Pretrained, host) -> None:
    content = host.files["/w.safetensors"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        row = replace(row, url=f"http://127.0.0.1:{free.getsockname()[1]}/w.safetensors")
    with pytest.raises(DownloadError, match="cannot be reached") as raised:
        fetch(row)
    assert f"put the file at {place_of(row)} yourself" in str(raised.value)
    place_of(row).write_bytes(content)
    assert fetch(row) == place_of(row)


def test_an_unknown_id() -> None:
    with pytest.raises(UnknownNameError, match=r"resnet18\.tv_v1"):
        fetch("resnet18.tv_v3")
