from __future__ import annotations

import torch

from convatlas.ops.standardise import standardise


def test_mean_0_and_variance_a_little_below_1() -> None:
    x = 2 * torch.randn(50, 3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = standardise(x + 5, (0, 2), eps=0.1)
    zeros = torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(y.mean((0, 2)), zeros, rtol=0, atol=1e-14)
    variance = x.var((0, 2), correction=0)
    found = y.var((0, 2), correction=0)
    torch.testing.assert_close(found, variance / (variance + 0.1), rtol=1e-13, atol=0)


def test_the_form_of_a_distribution_stays() -> None:
    """Two values stay two values: standardised is not normal."""
    y = standardise(torch.tensor([0.0, 0.0, 0.0, 1.0]), (0,), eps=0.0)
    assert y.unique().numel() == 2
    torch.testing.assert_close(y, torch.tensor([-1.0, -1.0, -1.0, 3.0]) / 3**0.5)
