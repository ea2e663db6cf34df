from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from convatlas.data import augment
from convatlas.data.augment import ColourBasis, pca
from convatlas.errors import ArgumentTypeError, ConfigError, ShapeError

Make = Callable[..., Tensor]
Seeded = Callable[..., torch.Generator]

#: nothing like the unit axes, and lengths that show whether they are used as they are
BASIS = ColourBasis(
    torch.tensor([0.2, 0.05, 0.01]),
    torch.linalg.qr(torch.tensor([[1.0, 2, 3], [1, -1, 0], [2, 0, -1]]))[0],
)


def by_numpy(images: Tensor) -> np.ndarray:
    """The covariance of all pixels in [0, 1], in two passes."""
    pixels = images.permute(1, 0, 2, 3).flatten(1).double().numpy() / 255
    return np.cov(pixels, bias=True)


def test_the_basis_is_that_of_all_pixels(photos: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    x = photos(50, h=9, w=13)
    basis = ColourBasis.measure(x)
    values, vectors = basis.values.numpy(), basis.vectors.numpy()
    assert (np.diff(values) < 0).all()
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(vectors * values @ vectors.T, by_numpy(x), atol=1e-7)
    assert (vectors[np.abs(vectors).argmax(0), range(3)] > 0).all()
    monkeypatch.setattr(pca, "_BLOCK", 7 * 9 * 13 * 3)  # eight blocks, the last one smaller
    assert torch.equal(ColourBasis.measure(x).values, basis.values)
    assert torch.equal(ColourBasis.measure(x).vectors, basis.vectors)


def test_an_array_mapped_from_a_file_and_floats_do_as_well(photos: Make, tmp_path: Path) -> None:
    x = photos(20)
    np.save(tmp_path / "pictures.npy", x.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "pictures.npy", mmap_mode="c"))
    basis = ColourBasis.measure(x)
    assert torch.equal(ColourBasis.measure(mapped).values, basis.values)
    assert torch.allclose(ColourBasis.measure(x.double() / 255).values, basis.values)


def test_of_each_image_by_itself(photos: Make) -> None:
    x = photos(6)
    each = ColourBasis.measure(x, per_image=True)
    assert each.values.shape == (6, 3)
    for i in range(6):
        alone = ColourBasis.measure(x[i : i + 1])
        assert torch.allclose(each.values[i], alone.values)
        assert torch.allclose(each.vectors[i], alone.vectors, atol=1e-6)


def test_one_colour_by_the_papers_formula(seeded: Seeded) -> None:
    """p₁·α₁λ₁ + p₂·α₂λ₂ + p₃·α₃λ₃, the same for all pixels of a picture."""
    x = torch.full((5, 3, 4, 4), 0.5)
    added = augment.pca_colour(x, seeded(), BASIS) - x
    alpha = 0.1 * torch.randn(5, 3, generator=seeded())
    for picture, a in zip(added, alpha, strict=True):
        expected = sum(BASIS.vectors[:, k] * a[k] * BASIS.values[k] for k in range(3))
        assert torch.allclose(picture, expected.view(3, 1, 1).expand(3, 4, 4), atol=1e-7)


def test_the_colours_have_the_covariance_they_should(seeded: Seeded) -> None:
    n = 20_000
    colours = pca.draw_colour(n, seeded(), BASIS, 0.1).double()
    along = colours @ BASIS.vectors.double() / (0.1 * BASIS.values)  # α / σ: standard normal
    assert along.mean(0).abs().max() < 4 / n**0.5
    assert (along.T @ along / n - torch.eye(3)).abs().max() < 4 * (2 / n) ** 0.5


def test_a_basis_for_each_image_colours_that_image(photos: Make, seeded: Seeded) -> None:
    x = photos(4)
    each = ColourBasis.measure(x, per_image=True)
    colours = pca.draw_colour(4, seeded(), each, 1.0)
    for i in range(4):
        one = ColourBasis(each.values[i], each.vectors[i])
        assert torch.allclose(colours[i], pca.draw_colour(4, seeded(), one, 1.0)[i])
    assert torch.equal(augment.pca_colour(x, seeded(), each, 1.0), pca.add_colour(x, colours))


def test_bytes_are_the_rounded_floats_and_black_and_white_are_kept_to(
    photos: Make, seeded: Seeded
) -> None:
    x = photos(64)
    floats = augment.pca_colour(x / 255, seeded(), BASIS, sigma=2)
    levels = augment.pca_colour(x, seeded(), BASIS, sigma=2)
    assert floats.min() == 0
    assert floats.max() == 1
    assert levels.min() == 0
    assert levels.max() == 255
    assert (levels - 255 * floats).abs().max() < 0.5 + 1e-4


def test_no_variance_no_change(seeded: Seeded) -> None:
    x = torch.full((3, 3, 5, 5), 77, dtype=torch.uint8)
    basis = ColourBasis.measure(x)
    assert basis.values.tolist() == [0, 0, 0]
    assert torch.equal(augment.pca_colour(x, seeded(), basis), x)


def test_what_cannot_be_is_refused(photos: Make, seeded: Seeded) -> None:
    with pytest.raises(ShapeError, match=r"PCA colour takes RGB .* are \(2, 1, 32, 32\)"):
        augment.pca_colour(photos(2, c=1), seeded(), BASIS)
    with pytest.raises(ShapeError, match="PCA colour takes RGB"):
        ColourBasis.measure(photos(2, c=1))
    with pytest.raises(ConfigError, match=r"sigma is -0\.1"):
        augment.pca_colour(photos(2), seeded(), BASIS, sigma=-0.1)
    with pytest.raises(ArgumentTypeError, match=r"torch\.int16"):
        ColourBasis.measure(photos(2).short())
