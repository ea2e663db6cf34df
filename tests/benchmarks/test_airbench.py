"""The peer's parts do what its papers say; its accuracy is the benchmark's to find."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def airbench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("peers.airbench")


def test_the_first_layer_whitens_patches(airbench: ModuleType) -> None:
    """Its twelve answers to the patches that it was made from are uncorrelated and of size 1."""
    torch.manual_seed(0)
    images = F.avg_pool2d(torch.randn(40, 3, 34, 34), 3, 1)  # neighbours are alike
    net = airbench.Airbench()
    airbench.whiten(net.whiten, images)
    answers = F.conv2d(images, net.whiten.weight).transpose(0, 1).flatten(1)
    covariance = answers[:12] @ answers[:12].T / answers.shape[1]
    # with the ε on the eigenvalues, all of which are above 0.01 here: 5 % at the most
    torch.testing.assert_close(covariance, torch.eye(12), rtol=0, atol=0.05)
    torch.testing.assert_close(answers[12:], -answers[:12])


def test_convolutions_begin_as_the_identity(airbench: ModuleType) -> None:
    x = torch.randn(2, 24, 5, 5)
    assert torch.equal(airbench.convolution(24, 64)(x)[:, :24], x)


@pytest.mark.parametrize("shape", [(8, 30), (30, 8)])
def test_an_orthogonal_step(airbench: ModuleType, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    step = airbench.orthogonal(matrix, steps=5)
    values = torch.linalg.svdvals(step)
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert ((u @ v) * step).sum() / (step.norm() * (u @ v).norm()) > 0.97


def test_every_other_epoch_shows_mirror_images(airbench: ModuleType) -> None:
    images = torch.zeros(6, 3, 32, 32)
    images[..., :16] = 1 + torch.arange(6.0)[:, None, None, None]  # the left half, and which one
    flipped = torch.tensor([True, False] * 3)
    for epoch in (0, 1):
        ((seen, labels),) = airbench.batches(images, torch.arange(6), epoch, flipped)
        assert labels.sort().values.tolist() == list(range(6))
        for picture, label in zip(seen, labels.tolist(), strict=True):
            dark = 0 if flipped[label] ^ (epoch == 1) else -1  # the column that is empty
            assert picture[:, :, dark].abs().sum() == 0
            assert picture.max() == label + 1
            width = int((picture[0, 16] > 0).sum())
            assert abs(width - 16) <= 2  # moved by so much at the most


@pytest.mark.slow
def test_it_learns(airbench: ModuleType) -> None:
    torch.manual_seed(0)
    labels = torch.arange(200) % 4
    images = torch.randint(0, 60, (200, 3, 32, 32), dtype=torch.uint8)
    for i, label in enumerate(labels.tolist()):
        images[i, label % 3, 8 * label : 8 * label + 8] += 120
    outcome = airbench.train(
        (images[:150], labels[:150]),
        (images[150:], labels[150:]),
        seed=0,
        epochs=6,
        dtype=torch.float32,
    )
    assert outcome.accuracy > 95
