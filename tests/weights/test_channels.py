"""The first convolution for other channels, against timm's and against its definition."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.data import Preprocess
from convatlas.errors import ConfigError
from convatlas.weights.channels import carry, usual_rule

#: ImageNet's, and of grey pictures
RGB = Preprocess(16, 16, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
GREY = Preprocess(16, 16, 1, (0.3,), (0.2,))
#: what a training set of four channels was measured to have
FOUR = Preprocess(16, 16, 4, (0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8))


def kernel(channels: int = 3) -> Tensor:
    return torch.randn(8, channels, 3, 3, generator=torch.Generator().manual_seed(0))


def grey(channels: int) -> Tensor:
    one = torch.randint(0, 256, (2, 1, 16, 16), generator=torch.Generator().manual_seed(1))
    return one.byte().expand(-1, channels, -1, -1)


def maps(weight: Tensor, preprocess: Preprocess, padding: int) -> Tensor:
    pixels = preprocess.normalise(grey(preprocess.channels)).double()
    return F.conv2d(pixels, weight.double(), padding=padding)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_kernels_are_timms_where_all_channels_are_normalised_alike(
    channels: int, timm_models: object
) -> None:
    from timm.models import adapt_input_conv

    alike = Preprocess(16, 16, 3, (0.4,) * 3, (0.2,) * 3)
    measured = Preprocess(16, 16, channels, (0.1,) * channels, (0.3,) * channels)
    ours = carry(kernel(), alike, channels, "sum" if channels == 1 else "repeat", measured)
    torch.testing.assert_close(ours.kernel, adapt_input_conv(channels, kernel()))
    assert not ours.surplus.any()
    assert ours.mean == pytest.approx(((0.4,) * 3 + (0.1,) * 4)[:channels])
    assert ours.std == pytest.approx(((0.2,) * 3 + (0.3,) * 4)[:channels])


@pytest.mark.parametrize(("donor", "channels"), [(RGB, 1), (RGB, 4), (GREY, 3), (FOUR, 1)])
def test_summed_kernels_answer_a_grey_picture_as_the_donors_do(
    donor: Preprocess, channels: int
) -> None:
    weight = kernel(donor.channels)
    first = carry(weight, donor, channels, "sum")
    after = Preprocess(16, 16, channels, first.mean, first.std)
    assert first.kernel.shape == (8, channels, 3, 3)
    bare = maps(first.kernel, after, 0) - first.surplus.view(1, -1, 1, 1)
    # float32 normalises the pixels: a few parts in ten million, of answers up to 30
    torch.testing.assert_close(bare, maps(weight, donor, 0), atol=2e-5, rtol=0)

    # around the picture stand the donor's means: what the taps that fall there differ by
    means, stds = (torch.tensor(v, dtype=torch.float64) for v in (donor.mean, donor.std))
    taps = (weight * ((means - first.mean[0]) / stds).view(1, -1, 1, 1)).sum(1)
    padded = maps(first.kernel, after, 1) - first.surplus.view(1, -1, 1, 1)
    error = (padded - maps(weight, donor, 1)).abs().amax((0, 2, 3))
    assert (error <= taps.abs().sum((1, 2)) + 2e-5).all()
    if donor.channels == 1:
        assert error.max() < 2e-5


def test_the_one_mean_is_the_one_for_which_the_taps_differ_least() -> None:
    weight, first = kernel(), carry(kernel(), RGB, 1, "sum")
    means, stds = torch.tensor(RGB.mean), torch.tensor(RGB.std)

    def difference(mean: float) -> float:
        taps = (weight * ((means - mean) / stds).view(1, -1, 1, 1)).sum(1)
        return float((taps**2).sum())

    [mean] = first.mean
    assert min(RGB.mean) < mean < max(RGB.mean)
    assert difference(mean) < min(difference(mean - 0.003), difference(mean + 0.003))


def test_a_mean_stays_among_the_donors_when_kernels_see_colour_alone() -> None:
    opponent = kernel()
    opponent -= opponent.mean(1, keepdim=True)  # a grey picture is next to nothing to them
    [mean] = carry(opponent, RGB, 1, "sum").mean
    assert min(RGB.mean) <= mean <= max(RGB.mean)


@pytest.mark.parametrize("channels", [2, 4])
def test_kept_kernels_give_the_donors_answers_whatever_the_new_channel_shows(
    channels: int,
) -> None:
    measured = Preprocess(16, 16, channels, FOUR.mean[:channels], FOUR.std[:channels])
    first = carry(kernel(), RGB, channels, "keep", measured)
    both = min(channels, 3)
    assert torch.equal(first.kernel[:, :both], kernel()[:, :both])
    assert not first.kernel[:, both:].any()
    assert first.mean == RGB.mean[:both] + measured.mean[3:]
    assert first.std == RGB.std[:both] + measured.std[3:]


def test_the_usual_rule() -> None:
    pairs = ((3, 1), (1, 3), (1, 4), (3, 4), (3, 2), (4, 3))
    assert [usual_rule(*pair) for pair in pairs] == ["sum"] * 3 + ["keep"] * 3


@pytest.mark.parametrize("measured", [None, RGB])
def test_channels_whose_mean_nobody_knows_are_refused(measured: Preprocess | None) -> None:
    with pytest.raises(ConfigError, match=r"of 3 channels, not of 4: pass what .*measure"):
        carry(kernel(), RGB, 4, "keep", measured)


def test_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="'mean', but it must be sum, repeat, keep"):
        carry(kernel(), RGB, 4, "mean", FOUR)  # type: ignore[arg-type]
