from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas.data import Preprocess
from convatlas.errors import ConfigError, DataError, ShapeError

RGB = Preprocess(8, 8, 3, (0.0,) * 3, (1.0,) * 3)
GREY = Preprocess(8, 8, 1, (0.0,), (1.0,))


def fitting(size: int, resize: int | None = None, channels: int = 3) -> Preprocess:
    return Preprocess(size, resize or size, channels, (0.0,) * channels, (1.0,) * channels)


def noise(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


# ------------------------------------------------------------------------------------------ fit


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("side", "size"), [(28, 96), (28, 224), (96, 28), (37, 31), (250, 64)])
def test_resizing_is_pillows_to_one_level(channels: int, side: int, size: int) -> None:
    # both do the same sums in integers; torch rounds between the two passes as Pillow does, and
    # where they differ it is by the last bit of a weight: one level, on noise, the hardest case
    pixels = noise(channels, side, side)
    ours = fitting(size, channels=channels).fit(pixels)
    image = Image.fromarray(pixels.permute(1, 2, 0).squeeze(-1).numpy())
    theirs = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    theirs = theirs.reshape(size, size, channels).transpose(2, 0, 1)
    assert np.abs(ours.numpy().astype(int) - theirs.astype(int)).max() <= 1


def triangle(n: int, m: int) -> np.ndarray:
    """Weights (m, n) of linear interpolation whose kernel widens as the picture shrinks."""
    scale = n / m
    width = max(scale, 1.0)
    centre = (np.arange(m) + 0.5) * scale
    distance = np.abs(np.arange(n)[None] + 0.5 - centre[:, None]) / width
    weights = np.maximum(1 - distance, 0)
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize(("height", "width", "size"), [(20, 30, 50), (90, 61, 17)])
def test_resizing_is_the_formula(height: int, width: int, size: int) -> None:
    pixels = noise(3, height, width)
    short = min(height, width)
    tall, wide = size * height // short, size * width // short
    exact = triangle(height, tall) @ pixels.double().numpy() @ triangle(width, wide).T
    top, left = round((tall - size) / 2), round((wide - size) / 2)
    exact = exact[:, top : top + size, left : left + size]
    # rounded after each of the two passes: half a level each, and 1/128 from weights of 8 bits
    # and more
    assert np.abs(fitting(size).fit(pixels).numpy() - exact).max() <= 1.1


@pytest.mark.parametrize(("side", "size"), [(28, 96), (96, 28), (37, 31)])
def test_in_float32_as_on_other_devices_it_differs_by_one_level(side: int, size: int) -> None:
    pixels = noise(2, 3, side, side)
    exact = torch.nn.functional.interpolate(
        pixels.float(), (size, size), mode="bilinear", antialias=True
    )
    difference = fitting(size).fit(pixels).int() - exact.round().clamp(0, 255).int()
    assert difference.abs().max() == 1


def test_what_fits_is_returned_as_it_is() -> None:
    pixels = noise(4, 3, 8, 8)
    assert RGB.fit(pixels).data_ptr() == pixels.data_ptr()


def test_the_centre_is_cut_where_torchvision_cuts_it() -> None:
    pixels = torch.arange(13).byte().expand(3, 10, 13)
    # torchvision: left = int(round((13 - 10) / 2)) = 2, Python rounding halves to even
    assert fitting(10).fit(pixels)[0, 0].tolist() == list(range(2, 12))
    assert fitting(6, 10).fit(pixels)[0, 0].tolist() == list(range(4, 10))
    assert fitting(6, 10).fit(pixels.mT.contiguous())[0, :, 0].tolist() == list(range(4, 10))


def test_a_batch_is_fitted_as_its_pictures_are() -> None:
    pixels = noise(2, 5, 3, 17, 23)
    whole = fitting(12, 14).fit(pixels)
    assert whole.shape == (2, 5, 3, 12, 12)
    assert torch.equal(whole[1, 3], fitting(12, 14).fit(pixels[1, 3]))


def test_a_strip_does_not_fill_the_memory() -> None:
    pixels = torch.zeros(3, 1, 60_000, dtype=torch.uint8)
    assert fitting(224).fit(pixels).shape == (3, 224, 224)
    assert fitting(224).fit(pixels.mT.contiguous()).shape == (3, 224, 224)


def test_other_pixels_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"the pictures are \(2, 1, 8, 8\), but \(…, 3, h, w\)"):
        RGB.fit(noise(2, 1, 8, 8))
    with pytest.raises(DataError, match=r"pixels are torch\.float32"):
        RGB.fit(torch.zeros(3, 8, 8))


# ------------------------------------------------------------------------------ measure, normalise


def test_mean_and_deviation_are_those_of_all_pixels() -> None:
    images = noise(7, 3, 9, 11)
    spec = Preprocess.measure(images, 8, 10)
    pixels = images.double().numpy() / 255
    np.testing.assert_allclose(spec.mean, pixels.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(spec.std, pixels.std((0, 2, 3)), rtol=1e-12)
    assert (spec.size, spec.resize, spec.channels) == (8, 10, 3)


def test_normalised_pixels_have_mean_0_and_deviation_1() -> None:
    images = noise(50, 3, 8, 8)
    x = Preprocess.measure(images, 8)(images)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(x.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-6, rtol=0)


def test_normalise_is_the_formula_and_keeps_its_input() -> None:
    spec = Preprocess(2, 2, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    pixels = noise(3, 2, 2)
    before = pixels.clone()
    exact = (pixels.double() / 255 - torch.tensor(spec.mean).double()[:, None, None]) / (
        torch.tensor(spec.std).double()[:, None, None]
    )
    torch.testing.assert_close(spec.normalise(pixels).double(), exact, atol=1e-6, rtol=0)
    assert torch.equal(pixels, before)


def test_normalise_gives_the_same_numbers_in_either_layout() -> None:
    spec = Preprocess(5, 5, 3, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    batch = noise(4, 3, 5, 7)
    flat = spec.normalise(batch)
    last = torch.empty(4, 3, 5, 7).to(memory_format=torch.channels_last)
    assert torch.equal(spec.normalise(batch, out=last), flat)
    assert torch.equal(last, flat)  # it is where it was asked to go
    assert torch.equal(spec.normalise(batch.to(memory_format=torch.channels_last)), flat)


def test_a_channel_without_variation_is_centred_only() -> None:
    images = torch.full((3, 1, 4, 4), 51, dtype=torch.uint8)
    spec = Preprocess.measure(images, 4)
    assert spec.std == (1.0,)
    assert spec(images).abs().max() < 1e-6


# ------------------------------------------------------------------------------------- as numbers


def test_it_survives_json() -> None:
    spec = Preprocess.measure(noise(3, 3, 5, 5), 224, 256)
    assert Preprocess.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize("change", [{"colour": 1}, {"mean": None}])
def test_a_dictionary_of_other_things_is_refused(change: dict) -> None:
    values = GREY.to_dict() | change
    values = {name: value for name, value in values.items() if value is not None}
    with pytest.raises(ConfigError, match="size, resize, channels, mean, std were expected"):
        Preprocess.from_dict(values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 0}, "size is 0"),
        ({"resize": 7}, "resize is 7, but it must be at least 8"),
        ({"mean": (0.0, 0.0)}, "one number for each of the 1 channels"),
        ({"std": (0.0,)}, "each must be above 0"),
        ({"std": (math.nan,)}, "each must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(change: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Preprocess.from_dict(GREY.to_dict() | change)


# ---------------------------------------------------------------------------------------- decode


def picture(tmp_path: Path, image: Image.Image, name: str = "x.png", **options) -> Path:
    image.save(tmp_path / name, **options)
    return tmp_path / name


def test_files_and_pictures_are_decoded_alike(tmp_path: Path) -> None:
    pixels = noise(5, 7, 3).numpy()
    path = picture(tmp_path, Image.fromarray(pixels))
    for source in (path, str(path), Image.fromarray(pixels)):
        assert np.array_equal(RGB.decode(source), pixels.transpose(2, 0, 1))


def test_colour_becomes_grey_by_luma(tmp_path: Path) -> None:
    pixels = noise(5, 7, 3).numpy()
    grey = GREY.decode(Image.fromarray(pixels)).numpy()[0]
    assert np.abs(grey - pixels @ (0.299, 0.587, 0.114)).max() < 0.6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_upright(tmp_path: Path, orientation: int) -> None:
    upright = noise(4, 6).numpy()
    # how a camera stores the picture so that the viewer's transform brings it upright
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),  # is turned 90° clockwise to be shown
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = picture(tmp_path, Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    assert np.array_equal(GREY.decode(path)[0], upright)


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), mode=None).convert("P")
    image.putpalette([10, 20, 30, 200, 150, 100] + [0] * 762)
    path = picture(tmp_path, image)
    assert RGB.decode(path)[:, 0].T.tolist() == [[10, 20, 30], [200, 150, 100]]


def test_what_is_transparent_shows_white(tmp_path: Path) -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    path = picture(tmp_path, Image.fromarray(rgba))
    assert RGB.decode(path)[:, 0].T.tolist() == [[255, 0, 0], [255, 255, 255], [127, 127, 127]]
    grey = np.array([[[40, 255], [40, 0]]], np.uint8)
    path = picture(tmp_path, Image.fromarray(grey))
    with Image.open(path) as file:
        assert file.mode == "LA"
    assert GREY.decode(path).flatten().tolist() == [40, 255]
    assert RGB.decode(path)[:, 0].T.tolist() == [[40] * 3, [255] * 3]


def test_a_transparent_palette_entry_shows_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 200, 150, 100] + [0] * 762)
    path = picture(tmp_path, image, transparency=1)
    assert RGB.decode(path)[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]


def test_16_bits_become_8_and_white_stays_white(tmp_path: Path) -> None:
    levels = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    path = picture(tmp_path, Image.fromarray(levels))
    assert GREY.decode(path).flatten().tolist() == [0, 0, 1, 1, 128, 255]
    assert RGB.decode(path)[2].flatten().tolist() == [0, 0, 1, 1, 128, 255]


def test_1_bit_is_black_and_white(tmp_path: Path) -> None:
    path = picture(tmp_path, Image.fromarray(np.array([[True, False]])))
    assert GREY.decode(path).flatten().tolist() == [255, 0]


def test_inks_become_light(tmp_path: Path) -> None:
    path = picture(tmp_path, Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "x.tif")
    assert RGB.decode(path)[:, 0, 0].tolist() == [0, 255, 255]


def refused(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        RGB.decode(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    assert "cannot be read as a picture" in refused(tmp_path / "text.jpg")
    path = picture(tmp_path, Image.fromarray(noise(64, 64, 3).numpy()), "cut.jpg")
    path.write_bytes(path.read_bytes()[:-500])
    assert "truncated" in refused(path)
    path = picture(tmp_path, Image.fromarray(noise(64, 64, 3).numpy()), "cut.png")
    path.write_bytes(path.read_bytes()[:-500])
    refused(path)


def test_levels_without_a_range_are_refused(tmp_path: Path) -> None:
    image = Image.fromarray(np.full((2, 2), 0.5, np.float32))
    assert "floating-point" in refused(picture(tmp_path, image, "x.tif"))
    image = Image.fromarray(np.full((2, 2), 70_000, np.int32))
    assert "exceed 16 bits" in refused(picture(tmp_path, image, "x.tif"))


def test_a_model_of_two_channels_has_no_picture_files() -> None:
    spec = Preprocess(2, 2, 2, (0.0, 0.0), (1.0, 1.0))
    with pytest.raises(ConfigError, match="not the 2 of this model"):
        spec.decode("x.png")
