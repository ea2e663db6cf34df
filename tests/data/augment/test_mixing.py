from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor

from convatlas.data import augment
from convatlas.errors import ConfigError, ShapeError

Make = Callable[..., Tensor]
Seeded = Callable[..., torch.Generator]
MIXES = [augment.mixup, augment.cutmix]


@pytest.mark.parametrize("mix", MIXES)
def test_partners_are_a_permutation_of_the_batch(
    mix: Callable[..., augment.Mixed], photos: Make, seeded: Seeded
) -> None:
    labels = torch.arange(50)
    mixed = mix(photos(50), labels, seeded())
    assert torch.equal(mixed.labels, labels)
    assert torch.equal(mixed.partners.sort().values, labels)
    assert not torch.equal(mixed.partners, labels)


def test_mixup_blends_each_with_its_partner(photos: Make, seeded: Seeded) -> None:
    """Bytes: the exact blend, halves rounded up; large pictures in several blocks, too."""
    x = photos(12, h=100, w=120)
    mixed = augment.mixup(x, torch.arange(12), seeded(), alpha=1)
    weight = mixed.weight.double().view(-1, 1, 1, 1)
    exact = weight * x + (1 - weight) * x[mixed.partners]
    assert torch.equal(mixed.pixels, (exact + 0.5).floor().byte())
    floats = augment.mixup(x / 255, torch.arange(12), seeded(), alpha=1)
    assert torch.allclose(floats.pixels.double(), exact / 255, atol=1e-6)
    extreme = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).repeat(100, 1, 2, 2)
    assert augment.mixup(extreme, torch.arange(200), seeded(), alpha=1).pixels.unique().numel() > 50


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixups_weights_have_their_beta_distribution(
    alpha: float, photos: Make, seeded: Seeded
) -> None:
    x = photos(1, h=1, w=1).expand(5000, -1, -1, -1)
    weight = augment.mixup(x, torch.zeros(5000).long(), seeded(), alpha=alpha).weight
    edges = (torch.arange(8) + 0.5) / 8  # between 128ths, so that rounding moves none across
    edges = torch.cat([torch.tensor([-1.0]), edges + 1 / 256, torch.tensor([2.0])])
    share = torch.from_numpy(stats.beta(alpha, alpha).cdf(edges)).diff()
    observed = torch.histc(torch.bucketize(weight, edges).float(), 9, 1, 9)
    assert stats.chisquare(observed, 5000 * share).pvalue > 0.001


def test_cutmix_replaces_a_rectangle_and_weighs_by_what_stayed(
    photos: Make, seeded: Seeded
) -> None:
    x = torch.arange(200).view(200, 1, 1, 1).expand(-1, 3, 12, 20).byte()
    mixed = augment.cutmix(x, torch.arange(200), seeded())
    own = mixed.pixels == x
    assert (own | (mixed.pixels == x[mixed.partners])).all()
    other = mixed.partners != mixed.labels
    replaced = ~own[other]
    assert torch.equal(replaced[:, 0], replaced[:, 2])
    rows, columns = replaced[:, 0].any(2), replaced[:, 0].any(1)
    assert torch.equal(replaced[:, 0], rows[:, :, None] & columns[:, None, :])
    assert (rows.int().diff(dim=1).abs().sum(1) <= 2).all()  # one run each
    assert (columns.int().diff(dim=1).abs().sum(1) <= 2).all()
    assert torch.allclose(mixed.weight[other], own[other][:, 0].float().mean((1, 2)))


def test_cutmix_draws_rectangles_as_torchvision_does(
    torchvision_transforms: ModuleType, seeded: Seeded
) -> None:
    x = torch.zeros(4000, 1, 20, 30)
    ours = augment.cutmix(x, torch.zeros(4000).long(), seeded(), alpha=1.0).weight
    theirs = torchvision_transforms.CutMix(num_classes=1)
    torch.manual_seed(0)
    expected = [theirs.make_params([x[:1]])["lam_adjusted"] for _ in range(1000)]
    assert stats.ks_2samp(ours, expected).pvalue > 0.001


@pytest.mark.parametrize("mix", MIXES)
def test_targets_make_the_loss_of_both_labels(
    mix: Callable[..., augment.Mixed], photos: Make, seeded: Seeded
) -> None:
    labels = torch.arange(30) % 5
    mixed = mix(photos(30), labels, seeded())
    logits = torch.randn(30, 5, generator=seeded())
    for smoothing in (0.0, 0.1):
        own, other = (
            F.cross_entropy(logits, y, reduction="none", label_smoothing=smoothing)
            for y in (mixed.labels, mixed.partners)
        )
        expected = (mixed.weight * own + (1 - mixed.weight) * other).mean()
        loss = F.cross_entropy(logits, mixed.targets(5), label_smoothing=smoothing)
        assert torch.allclose(loss, expected)


@pytest.mark.parametrize("mix", MIXES)
def test_what_cannot_be_is_refused(
    mix: Callable[..., augment.Mixed], photos: Make, seeded: Seeded
) -> None:
    with pytest.raises(ConfigError, match="alpha is 0, but it must be above 0 and finite"):
        mix(photos(2), torch.arange(2), seeded(), alpha=0)
    with pytest.raises(ShapeError, match=r"labels are \(3,\), but 2 pictures need \(2,\)"):
        mix(photos(2), torch.arange(3), seeded())
