from __future__ import annotations

from collections.abc import Callable

import pytest
import torch


@pytest.fixture
def seeded() -> Callable[..., torch.Generator]:
    """A generator by its seed."""

    def make(seed: int = 0) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    return make


@pytest.fixture
def numbered() -> Callable[..., torch.Tensor]:
    """Every pixel of every picture another number, from 1, so that each can be traced."""

    def make(n: int, c: int = 3, h: int = 8, w: int = 9) -> torch.Tensor:
        return torch.arange(1, n * c * h * w + 1, dtype=torch.float32).view(n, c, h, w)

    return make


@pytest.fixture
def photos() -> Callable[..., torch.Tensor]:
    """Pictures with smooth parts, edges, extreme values and noise, uint8 ``(n, c, h, w)``."""

    def make(n: int, c: int = 3, h: int = 32, w: int = 32, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.rand(n, c, 4, 4, generator=generator) * 400 - 70
        smooth = torch.nn.functional.interpolate(coarse, (h, w), mode="bicubic")
        noise = 12 * torch.randn(n, c, h, w, generator=generator)
        return (smooth + noise).round().clamp(0, 255).byte()

    return make
