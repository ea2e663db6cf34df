"""Donors as published: files of ours, files of others, and weights of the catalogue."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from convatlas.classifier import Classifier
from convatlas.data import Preprocess
from convatlas.errors import ConfigError, ConvAtlasError, ModelError, UnknownNameError
from convatlas.nets.build import build
from convatlas.nets.parts import Net
from convatlas.weights.adapt import start_from
from convatlas.weights.catalog import PRETRAINED, Pretrained
from convatlas.weights.donor import IMAGENET_MEAN, IMAGENET_STD, read_donor
from convatlas.weights.export import export_state

SPEC = Preprocess(32, 36, 3, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
SMALL = {"depths": (1, 1, 1)}


def net(name: str = "resnet20", **options: Any) -> Net:
    torch.manual_seed(0)
    options = SMALL | options if name == "resnet20" else options
    return build(name, **options).eval()


def saved(path: Path, tensors: dict[str, Tensor]) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


def same(one: Net, other: Net) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ---------------------------------------------------------------------------------------- of ours


@pytest.mark.parametrize("form", ["file", "run folder"])
def test_a_model_of_ours_says_all_of_itself(form: str, tmp_path: Path) -> None:
    clf = Classifier(net(num_classes=2), SPEC, ("cat", "dog"))
    path = clf.save(tmp_path / "model.safetensors")
    where = path if form == "file" else tmp_path
    donor = read_donor(where, net="resnet20")
    assert isinstance(donor.classifier.net, Net)
    assert same(donor.classifier.net, net(num_classes=2))
    assert (donor.classifier.preprocess, donor.classifier.classes) == (SPEC, ("cat", "dog"))
    assert (donor.source, donor.report, donor.notes) == (str(where), None, ())


def test_class_names_come_along(tmp_path: Path) -> None:
    path = Classifier(net(num_classes=3), SPEC, ("cat", "dog", "eel")).save(
        tmp_path / "a.safetensors"
    )
    made = start_from(path, classes=("eel", "cat"), in_channels=1, input_size=16)
    assert (made.classes, made.preprocess.size, made.preprocess.resize) == (("eel", "cat"), 16, 18)
    assert not made.reset
    assert made.source == str(path)


def test_another_network_than_the_one_named_is_refused(tmp_path: Path) -> None:
    path = Classifier(net(num_classes=2), SPEC, ("a", "b")).save(tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match="holds weights of resnet20, and not of resnet18"):
        read_donor(path, net="resnet18")
    with pytest.raises(ConfigError, match="says itself how it was trained: leave out width"):
        read_donor(path, width=8)


# -------------------------------------------------------------------------------------- of others


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_with_torchvisions_names(
    suffix: str, tmp_path: Path, torchvision_models: ModuleType
) -> None:
    torch.manual_seed(0)
    theirs = torchvision_models.resnet18(num_classes=7).eval()
    path = saved(tmp_path / f"w{suffix}", theirs.state_dict())
    donor = read_donor(path, net="resnet18")
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(donor.classifier.net(x), theirs(x), atol=1e-5, rtol=1e-4)
    assert donor.report is not None
    assert donor.report.naming == "torchvision"
    assert len(donor.report.pairs) == len(theirs.state_dict())

    made = start_from(path, net="resnet18", classes=["a"] * 7, input_size=64)
    assert made.report is not None
    assert str(made) == (
        f"reused {len(theirs.state_dict()) - 2} tensors of {path}; "
        "reset head.fc.weight, head.fc.bias: its 7 classes have no names"
    )
    assert all(path.name in note for note in made.notes)


def test_the_public_layout_of_cifar_checkpoints(tmp_path: Path) -> None:
    """akamaster's: ``module.`` in front, nested, option A, ImageNet's mean and deviation."""
    tensors = export_state(net(), "akamaster")
    nested = {"state_dict": {f"module.{n}": t for n, t in tensors.items()}, "best_prec1": 91.7}
    torch.save(nested, tmp_path / "resnet20-12fca82f.th")
    donor = read_donor(tmp_path / "resnet20-12fca82f.th", net="resnet20", **SMALL)
    assert same(donor.classifier.net, net())  # type: ignore[arg-type]
    assert donor.classifier.preprocess == Preprocess(32, 32, 3, IMAGENET_MEAN, IMAGENET_STD)
    assert donor.classifier.classes == ()
    assert "taken to be as for resnet20.akamaster" in donor.notes[0]


def test_what_is_known_of_the_preprocessing_is_not_assumed(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", export_state(net(), "torchvision"))
    donor = read_donor(path, net="resnet20", preprocess=SPEC, **SMALL)
    assert (donor.classifier.preprocess, donor.notes) == (SPEC, ())


def test_a_dense_head_is_built_for_the_size_it_was_trained_at(tmp_path: Path) -> None:
    small = {"channels": (8, 8, 8, 8, 8), "hidden": 16}
    theirs = net("alexnet_owt", num_classes=4, in_channels=1, input_size=95, **small)
    path = saved(tmp_path / "w.pth", export_state(theirs, "torchvision"))
    donor = read_donor(
        path, net="alexnet_owt", preprocess=Preprocess(95, 95, 1, (0.5,), (0.5,)), **small
    )
    ours = donor.classifier.net
    assert same(ours, theirs)  # type: ignore[arg-type]
    assert (ours.num_classes, ours.in_channels) == (4, 1)


@pytest.mark.slow
@pytest.mark.parametrize("aux", [True, False])
def test_auxiliary_heads_come_along_where_the_file_has_them(aux: bool, tmp_path: Path) -> None:
    theirs = net("googlenet_bn", num_classes=3, aux=aux)
    path = saved(tmp_path / "w.pth", export_state(theirs, "torchvision"))
    made = read_donor(path, net="googlenet_bn").classifier.net
    assert bool(made.aux) is aux  # type: ignore[arg-type]
    assert same(made, theirs)  # type: ignore[arg-type]


def test_a_size_of_nobodys_is_normalised_as_imagenet(tmp_path: Path) -> None:
    theirs = net("lenet_d2l", in_channels=3)
    path = saved(tmp_path / "w.pth", theirs.state_dict())
    donor = read_donor(path, net="lenet_d2l")
    assert donor.classifier.preprocess == Preprocess(28, 28, 3, IMAGENET_MEAN, IMAGENET_STD)
    assert "with ImageNet's mean and deviation" in donor.notes[0]


# ------------------------------------------------------------------------------- of the catalogue


@pytest.fixture
def published(host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretrained:
    """A row whose file a real server has, with CIFAR-10's classes and a mean of its own."""
    file = saved(tmp_path / "w.pth", export_state(net(), "akamaster"))
    host.files["/w.pth"] = file.read_bytes()
    row = Pretrained(
        "resnet20.here",
        "resnet20",
        f"{host.url}/w.pth",
        hashlib.sha256(file.read_bytes()).hexdigest(),
        None,
        90.0,
        32,
        28,
        "CC-BY-NC-4.0",
        "nobody",
        mean=SPEC.mean,  # type: ignore[arg-type]
        std=SPEC.std,  # type: ignore[arg-type]
        interpolation="bicubic",
        non_commercial=True,
        options=SMALL,
        num_classes=10,
        data="CIFAR-10",
    )
    monkeypatch.setitem(PRETRAINED, row.id, row)
    monkeypatch.setenv("CONVATLAS_CACHE", str(tmp_path / "cache"))
    return row


def test_weights_of_the_catalogue_come_with_all_that_is_published(published: Pretrained) -> None:
    donor = read_donor(published.id, net="resnet20", accept_licence=True)
    assert same(donor.classifier.net, net())  # type: ignore[arg-type]
    assert donor.classifier.preprocess == replace(SPEC, size=28, resize=32)
    assert donor.classifier.net.input_size == 28
    assert donor.classifier.classes[:2] == ("airplane", "automobile")
    assert donor.report is not None
    assert donor.source == donor.report.source == published.id
    assert donor.notes == (published.caveat,)

    made = start_from(published.id, accept_licence=True, classes=("cat", "dog"), input_size=56)
    assert (made.preprocess.size, made.preprocess.resize) == (56, 64)
    assert not made.reset
    assert str(made) == (
        f"reused {len(made.reused)} tensors of resnet20.here; adapted head.fc.weight, "
        "head.fc.bias: the rows of 2 of its 10 classes"
    )
    assert made.notes == (published.caveat,)


def test_weights_of_the_catalogue_are_refused_before_they_are_fetched(
    published: Pretrained, host: Any
) -> None:
    refused(ConfigError, "of resnet20, and not of resnet18", published.id, net="resnet18")
    refused(ConfigError, "leave out preprocess, width", published.id, preprocess=SPEC, width=9)
    refused(ConfigError, "CC-BY-NC-4.0, which forbids", published.id)
    assert host.asked == []


# --------------------------------------------------------------------------------------- refusals


def refused(error: type[ConvAtlasError], said: str, *args: Any, **options: Any) -> None:
    with pytest.raises(error, match=said) as caught:
        read_donor(*args, **options)
    assert "\n" not in str(caught.value)


def test_a_file_without_a_name_is_told_the_nearest(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", export_state(net("resnet18"), "torchvision"))
    refused(ConfigError, r"what network .* fit resnet18 best, 100%", path)


@pytest.mark.slow
def test_a_file_of_another_network_is_told_which(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", export_state(net("resnet18"), "torchvision"))
    for wrong in ("resnet34", "lenet5"):
        refused(ModelError, "its shapes fit resnet18 best", path, net=wrong)
    refused(UnknownNameError, "did you mean resnet18", path, net="resnet-18")


def test_grey_weights_need_their_preprocessing(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", net("lenet_d2l").state_dict())
    refused(ConfigError, "only for RGB .* not for in_channels=1", path, net="lenet_d2l")
    refused(ConfigError, "takes 1 channels, .* has 3", path, net="lenet_d2l", preprocess=SPEC)


def test_neither_a_file_nor_an_id(tmp_path: Path) -> None:
    refused(UnknownNameError, r"'resnet50.tv_v3': did you mean resnet50\.tv_v", "resnet50.tv_v3")
    refused(ModelError, "gone.pth is no file", tmp_path / "gone.pth", net="resnet18")
    refused(ModelError, "there is no model at", tmp_path)
