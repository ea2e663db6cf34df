from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from convatlas import data
from convatlas.data.split import stratified
from convatlas.errors import ConfigError, DataError, UnknownNameError


def test_unknown_names_offer_the_nearest_and_a_folder() -> None:
    for call in (data.load, data.download_size):
        with pytest.raises(
            UnknownNameError, match=r"data set or folder 'fashon-mnist'.*fashion-mn"
        ):
            call("fashon-mnist")


def test_a_path_that_is_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*none: a data set is a folder"):
        data.load(str(tmp_path / "none"))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file, but a data set is a folder"):
        data.load(str(tmp_path / "file"))


def test_what_would_be_downloaded(tmp_path: Path) -> None:
    assert data.download_size("mnist") == 9_912_422 + 28_881 + 1_648_877 + 4_542
    assert data.download_size("cifar10") == 170_052_171
    (tmp_path / "cifar-100-binary.tar.gz").write_bytes(b"")
    assert data.download_size("cifar100", tmp_path) == 0
    assert data.download_size("digits") == data.download_size("shapes") == 0
    assert data.download_size(str(tmp_path)) == 0


@pytest.mark.slow
def test_importing_is_light() -> None:
    program = "import sys, convatlas.data; print({'sklearn', 'PIL', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_digits_are_scikit_learns() -> None:
    digits = data.load("digits")
    assert len(digits.train) + len(digits.test) == 1797
    assert digits.train.images.shape[1:] == (1, 8, 8)
    assert digits.train.images.unique().tolist() == [round(v * 255 / 16) for v in range(17)]
    raw = load_digits()
    ours = torch.cat([digits.train.images, digits.test.images]).flatten(1).float() * 16 / 255
    labels = torch.cat([digits.train.labels, digits.test.labels])
    together = sorted(
        (*row, y) for row, y in zip(ours.round().tolist(), labels.tolist(), strict=True)
    )
    theirs = sorted(
        (*row, y) for row, y in zip(raw.data.tolist(), raw.target.tolist(), strict=True)
    )
    assert together == theirs
    share = digits.test.labels.bincount() / torch.from_numpy(raw.target).bincount()
    assert ((share > 0.19) & (share < 0.21)).all()
    assert data.load("digits").test.fingerprint() == digits.test.fingerprint()
    assert data.load("digits", seed=1).test.fingerprint() != digits.test.fingerprint()


def test_stratified_parts_are_disjoint_and_whole() -> None:
    labels = torch.tensor([0] * 10 + [1] * 2 + [2] * 33)[torch.randperm(45)]
    train, test = stratified(labels, "abc", seed=3)
    assert sorted(train.tolist() + test.tolist()) == list(range(45))
    assert labels[test].bincount().tolist() == [2, 1, 7]


def test_shapes_are_seeded_balanced_and_of_any_side() -> None:
    shapes = data.load("shapes", side=12)
    assert shapes.train.images.shape == (4000, 3, 12, 12)
    assert shapes.test.labels.bincount().tolist() == [200] * 5
    assert data.load("shapes", side=12).train.fingerprint() == shapes.train.fingerprint()
    other = data.load("shapes", side=12, seed=1)
    assert other.train.fingerprint() != shapes.train.fingerprint()
    assert data.load("shapes").test.images.shape[-1] == 32
    with pytest.raises(ConfigError, match="side is 11"):
        data.load("shapes", side=11)


@pytest.mark.slow
def test_shapes_need_a_convolution_and_yield_to_a_small_one() -> None:
    shapes = data.load("shapes", side=32)
    spec = data.Preprocess.measure(shapes.train.images, 32)
    x, y = spec(shapes.train.images), shapes.train.labels
    held, answers = spec(shapes.test.images), shapes.test.labels

    def accuracy(net: nn.Module, epochs: int) -> float:
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
        steps = epochs * len(x) // 100
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
        for _ in range(epochs):
            for batch in torch.randperm(len(x)).split(100):
                nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
        with torch.no_grad():
            return (net.eval()(held).argmax(1) == answers).float().mean().item()

    def layer(c_in: int, c_out: int) -> list[nn.Module]:
        conv = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        return [conv, nn.BatchNorm2d(c_out), nn.ReLU(), nn.MaxPool2d(2)]

    torch.manual_seed(0)
    small = nn.Sequential(
        *layer(3, 16),
        *layer(16, 32),
        *layer(32, 64),
        *layer(64, 64),
        nn.Flatten(),
        nn.Linear(256, 5),
    )
    assert accuracy(small, 6) > 0.95
    assert accuracy(nn.Sequential(nn.Flatten(), nn.Linear(3072, 5)), 3) < 0.5
