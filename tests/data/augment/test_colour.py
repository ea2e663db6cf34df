from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from scipy import stats
from torch import Tensor

from convatlas.data import augment
from convatlas.data.augment.colour import ADJUSTMENTS, apply_jitter, draw_jitter
from convatlas.errors import ArgumentTypeError, ConfigError, ShapeError

Make = Callable[..., Tensor]
Seeded = Callable[..., torch.Generator]

RANGES = {"brightness": 0.8, "contrast": 0.8, "saturation": 1.5, "hue": 0.5}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ADJUSTMENTS)
def test_each_adjustment_is_torchvisions(
    torchvision_transforms: ModuleType, photos: Make, name: str, channels: int
) -> None:
    adjust = getattr(torchvision_transforms.functional, f"adjust_{name}")
    low, high = (-0.5, 0.5) if name == "hue" else (0, 2.5)
    amounts = torch.linspace(low, high, 21)
    x = photos(21, c=channels)
    unit = ADJUSTMENTS[name](x / 255, amounts, 1.0)
    levels = ADJUSTMENTS[name](x.float(), amounts, 255.0)
    assert torch.allclose(levels / 255, unit, atol=1e-6)
    for picture, amount, ours in zip(x, amounts.tolist(), unit, strict=True):
        expected = adjust(picture / 255, amount)
        # float32 in another order; a hue is a quotient that grows it where colours are nearly grey
        assert torch.allclose(ours, expected, atol=2e-5 if name == "hue" else 2e-6)


def test_a_jitter_is_torchvisions_adjustments_in_the_order_drawn(
    torchvision_transforms: ModuleType, photos: Make, seeded: Seeded
) -> None:
    x = photos(48)
    drawn = draw_jitter(x, seeded(), RANGES)
    floats, levels = apply_jitter(x / 255, drawn), apply_jitter(x, drawn)
    assert torch.equal(levels, augment.jitter(x, seeded(), **RANGES))
    # rounded once, at the end
    assert (levels - 255 * floats).abs().max() < 0.5 + 1e-2
    for i, picture in enumerate(x / 255):
        for which in drawn.orders[drawn.order[i]]:
            name = tuple(ADJUSTMENTS)[which]
            adjust = getattr(torchvision_transforms.functional, f"adjust_{name}")
            picture = adjust(picture, drawn.amounts[i, which].item())
        # where two channels are nearly equal a hue may take either branch
        assert torch.allclose(floats[i], picture, atol=1e-4)


def test_amounts_are_even_over_their_ranges(photos: Make, seeded: Seeded) -> None:
    x = photos(1).expand(3000, -1, -1, -1)
    amounts = draw_jitter(x, seeded(), RANGES).amounts
    for column, (low, high) in zip(
        amounts.T, [(0.2, 1.8), (0.2, 1.8), (0, 2.5), (-0.5, 0.5)], strict=True
    ):
        assert stats.kstest(column, "uniform", args=(low, high - low)).pvalue > 0.001
    assert stats.spearmanr(amounts).pvalue[*torch.triu_indices(4, 4, 1)].min() > 0.001


def test_orders_are_equally_likely_and_hold_what_has_a_range(photos: Make, seeded: Seeded) -> None:
    x = photos(1).expand(2400, -1, -1, -1)
    drawn = draw_jitter(x, seeded(), RANGES)
    assert len(set(drawn.orders)) == 24
    assert stats.chisquare(drawn.order.bincount(minlength=24)).pvalue > 0.001
    assert draw_jitter(x, seeded(), RANGES | {"contrast": 0, "hue": 0}).orders == ((0, 2), (2, 0))


def test_without_ranges_nothing_changes(photos: Make, seeded: Seeded) -> None:
    x = photos(4)
    assert torch.equal(augment.jitter(x, seeded()), x)
    grey = photos(4, c=1)
    assert torch.equal(augment.jitter(grey, seeded(), saturation=0.9, hue=0.5), grey)


def test_half_precision_comes_back_as_such(photos: Make, seeded: Seeded) -> None:
    x = photos(8) / 255
    half = augment.jitter(x.bfloat16(), seeded(), brightness=0.4)
    assert half.dtype == torch.bfloat16
    # twice rounded to 8 bits
    assert torch.allclose(half.float(), augment.jitter(x, seeded(), brightness=0.4), atol=2**-7)


def test_what_cannot_be_is_refused(photos: Make, seeded: Seeded) -> None:
    x = photos(2)
    with pytest.raises(ConfigError, match=r"hue is 0\.6, .* at least 0 and at most 0\.5"):
        augment.jitter(x, seeded(), hue=0.6)
    with pytest.raises(ConfigError, match=r"contrast is -1, .* finite"):
        augment.jitter(x, seeded(), contrast=-1)
    with pytest.raises(ShapeError, match=r"jitter takes grey .* or RGB .* \(2, 2, 32, 32\)"):
        augment.jitter(x[:, :2], seeded(), hue=0.1)
    with pytest.raises(ArgumentTypeError, match=r"pixels are torch\.int64"):
        augment.jitter(x.long(), seeded(), hue=0.1)
