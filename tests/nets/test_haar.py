from __future__ import annotations

import pytest
import torch
from torch import Tensor

from convatlas.nets.haar import haar_patches, patch_axes


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_axes_are_orthonormal(channels: int) -> None:
    axes = patch_axes(channels).double().flatten(1)
    torch.testing.assert_close(
        axes @ axes.T, torch.eye(4 * channels, dtype=axes.dtype), rtol=0, atol=1e-6
    )


def test_axes_of_grey_are_haars() -> None:
    signs = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    torch.testing.assert_close(patch_axes(1).flatten(1), signs / 2)


def test_the_first_axes_of_colour_are_brightness_then_red_against_blue() -> None:
    brightness, red_blue = (axis[:, 0, 0] for axis in patch_axes(3)[[0, 4]])
    assert brightness[0] > 0
    torch.testing.assert_close(brightness, brightness[:1].expand(3))
    torch.testing.assert_close(red_blue, red_blue[0] * torch.tensor([1.0, 0.0, -1.0]))


def correlations(x: Tensor) -> Tensor:
    """Between the columns of ``(N, D)``, each pair once, in size."""
    matrix = torch.corrcoef(x.T).abs()
    return matrix[tuple(torch.triu_indices(*matrix.shape, offset=1))]


def test_it_uncorrelates_the_patches_of_a_photograph() -> None:
    from sklearn.datasets import load_sample_images

    for picture in load_sample_images().images:
        x = torch.tensor(picture).permute(2, 0, 1)[None] / 255
        x = (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True)
        patches = torch.nn.functional.unfold(x, 2)[0].T
        stem = haar_patches(3, "batch").train()
        turned = stem.norm(stem.conv(x))[0].flatten(1).T
        torch.testing.assert_close(turned.std(0), torch.ones(24), rtol=1e-2, atol=0)
        assert correlations(patches).mean() > 0.7
        assert correlations(turned[:, :12]).mean() < 0.15
        torch.testing.assert_close(turned[:, :12], -turned[:, 12:], rtol=1e-4, atol=1e-4)
