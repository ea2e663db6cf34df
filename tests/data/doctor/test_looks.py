"""The hash against the definition in SciPy, and against what is done to photographs."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from scipy.fft import dctn
from torch import Tensor

from convatlas.data.doctor.looks import look
from convatlas.data.doctor.near import RADIUS, alike

Picture = Callable[..., Image.Image]


def tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def test_the_hash_is_the_cosine_transforms_signs(picture: Picture) -> None:
    image = picture(0, (32, 32)).convert("L")
    levels = dctn(np.asarray(image, np.float64), type=2)
    order = sorted((r + c, r, c) for r in range(32) for c in range(32))[1:65]
    lowest = np.array([levels[r, c] for _, r, c in order])
    expected = "".join("1" if level > np.median(lowest) else "0" for level in lowest)
    assert f"{look(torch.from_numpy(np.array(image))[None])[0]:064b}" == expected
    assert expected.count("1") == 32


def test_a_grey_picture_looks_as_its_rgb_does(picture: Picture) -> None:
    grey = picture(1).convert("L")
    one, other = look(torch.from_numpy(np.array(grey))[None]), look(tensor(grey))
    assert one[0] == other[0]
    assert (one[1] == other[1]).all()


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.LANCZOS)


def recompressed(image: Image.Image) -> Image.Image:
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=50)
    return Image.open(kept)


def brighter(image: Image.Image) -> Image.Image:
    return ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(0.8)).enhance(0.9)


@pytest.mark.parametrize("change", [smaller, recompressed, brighter])
def test_what_is_changed_a_little_is_still_known(
    picture: Picture, change: Callable[[Image.Image], Image.Image]
) -> None:
    """At least 95 of 100; and no two of the hundred are taken for each other."""
    originals = [picture(seed, (96, 96)) for seed in range(100)]
    seen = [look(tensor(image)) for image in [*originals, *map(change, originals)]]
    groups = alike(
        np.array([one for one, _ in seen], np.uint64), np.array([thumb for _, thumb in seen])
    )
    assert all(group == [group[0], group[0] + 100] for group in groups)
    assert len(groups) >= 95


def test_the_radius_is_what_the_search_is_made_for() -> None:
    assert RADIUS <= 6, "of more bits, fewer than two bytes need be the same"
