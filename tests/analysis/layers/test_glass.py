"""What there is to see in a layer, held against PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from convatlas.analysis.layers import examples
from convatlas.analysis.layers.glass import look
from convatlas.analysis.layers.page import page
from convatlas.analysis.layers.result import Findings, Look
from convatlas.analysis.layers.spec import read_layer
from convatlas.errors import ConfigError, UnknownNameError


def seen(text: str, shape: tuple[int, ...] | None = None, weights: str | None = None) -> Findings:
    found = look(read_layer(text), shape, weights).found
    assert found is not None
    return found


def ramp(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, 1 + torch.Size(shape).numel(), dtype=torch.float64).view(shape)


def test_a_convolution_is_its_matrix() -> None:
    found = seen("conv2d")
    (matrix,) = found.matrices.values()
    assert matrix.shape == (4, 16)
    assert matrix[0].tolist() == [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0, 0]
    expected = F.conv2d(ramp(1, 4, 4), ramp(1, 1, 3, 3))
    assert torch.equal(found.numbers["output"], expected)
    assert torch.equal(matrix @ ramp(16), expected.flatten())


def test_the_transposed_matrix_does_not_invert() -> None:
    found = seen("conv_transpose2d s=2")
    convolution, transposed = found.matrices.values()
    assert torch.equal(convolution.T, transposed)
    assert transposed.shape == (25, 4)
    y, back = (values for name, values in found.numbers.items() if " · " in name)
    weight = ramp(1, 1, 3, 3)
    assert torch.equal(y, F.conv_transpose2d(ramp(1, 1, 2, 2), weight, stride=2)[0])
    assert torch.equal(back, F.conv2d(y, weight, stride=2))
    assert back.shape == (1, 2, 2)
    assert not torch.equal(back, ramp(1, 2, 2))
    assert "not its inverse" in found.notes[0]
    between = next(v for name, v in found.numbers.items() if "zeros between" in name)
    assert between.tolist() == [[[1, 0, 2], [0, 0, 0], [3, 0, 4]]]


def test_nothing_is_said_to_be_lost_where_it_comes_back() -> None:
    found = seen("conv_transpose2d k=1")
    assert found.notes == ()
    assert torch.equal(found.numbers["and back, C · output"], ramp(1, 2, 2))


def test_options_reach_the_numbers() -> None:
    found = seen("conv2d k=3 s=2 p=1 d=2 g=2 out=4", (2, 9, 9))
    x, weight = ramp(2, 9, 9), ramp(4, 1, 3, 3)
    expected = F.conv2d(x, weight, stride=2, padding=1, dilation=2, groups=2)
    assert torch.equal(found.numbers["output"], expected)
    found = seen("avg_pool2d k=3 s=2 p=1 ceil_mode=yes count_include_pad=no", (1, 6, 6))
    expected = F.avg_pool2d(ramp(1, 6, 6), 3, 2, 1, ceil_mode=True, count_include_pad=False)
    torch.testing.assert_close(found.numbers["output"], expected)


def test_unpooling_shows_what_is_lost() -> None:
    found = seen("maxpool2d return_indices=yes")
    x, y, indices, back, lost = found.numbers.values()
    assert indices.tolist() == [[[5, 7], [13, 15]]]
    assert torch.equal(back, F.max_unpool2d(y, indices, 2))
    assert torch.equal(back + lost, x)
    assert found.notes[0].startswith("4 of 16 numbers come back, each to its place; the other 12")


@pytest.mark.parametrize(
    "text", ["maxpool2d k=3 s=1", "maxpool2d k=3 s=2 d=2", "maxpool2d k=3 s=2 p=1 ceil_mode=yes"]
)
def test_what_overlapping_windows_choose_twice_comes_back_once(text: str) -> None:
    found = seen(f"{text} return_indices=yes", (2, 6, 7))
    x, _, indices, back, lost = found.numbers.values()
    assert back.shape == x.shape
    assert torch.equal(back + lost, x)
    kept = int((back > 0).sum())
    assert kept == sum(len(set(channel.flatten().tolist())) for channel in indices)
    assert found.notes[0].startswith(f"{kept} of 84 numbers come back")


@pytest.mark.parametrize("text", ["max_unpool2d", "max_unpool2d k=3 s=2 p=1 output_size=4x3"])
def test_unpooling_alone_takes_the_places_of_a_ramp(text: str) -> None:
    found = seen(text)
    x, indices, y = found.numbers.values()
    options = read_layer(text).options
    pooled, places = F.max_pool2d(
        ramp(1, *y.shape[1:]),
        options["kernel"],
        options["stride"],
        options["padding"],
        return_indices=True,
    )
    assert pooled.shape == x.shape
    assert torch.equal(indices, places)


def test_batch_norm_worked_out() -> None:
    found = seen("batch_norm")
    x = ramp(2, 2, 2, 2)
    mean, variance = torch.zeros(2).double(), torch.ones(2).double()
    y = F.batch_norm(x, mean, variance, training=True)
    numbers = found.numbers
    assert numbers["mean μ"].tolist() == [6.5, 10.5]
    assert numbers["variance σ²"].tolist() == [17.25, 17.25]
    torch.testing.assert_close(numbers["output (γ = 1, β = 0)"], y)
    torch.testing.assert_close(numbers["undone by γ = √(σ² + ε), β = μ"], x)
    torch.testing.assert_close(numbers["moving mean after one step from 0"], mean)
    torch.testing.assert_close(numbers["moving variance after one step from 1"], variance)
    torch.testing.assert_close(
        numbers["output in evaluation, with the moving ones"], F.batch_norm(x, mean, variance)
    )
    assert found.notes[0] == "averages over N, H, W: 8 numbers for each channel, 2 in all"
    assert "(1 − 6.5)/√(17.25 + 1e-05) = −1.324" in found.notes[1]
    assert "8/7 times as large" in found.notes[-1]


@pytest.mark.parametrize(
    ("text", "shape", "means", "over"),
    [
        ("layer_norm", (4, 1, 2), 2, "C, H, W: 8 numbers for each picture"),
        ("instance_norm", (4, 1, 2), 8, "H, W: 2 numbers for each channel of each picture"),
        ("group_norm", (4, 1, 2), 4, "C/2, H, W: 4 numbers for each group"),
        ("batch_norm", (4,), 4, "N: 2 numbers for each channel"),
        ("layer_norm", (4,), 2, "C: 4 numbers for each picture"),
    ],
)
def test_what_each_normalisation_averages_over(
    text: str, shape: tuple[int, ...], means: int, over: str
) -> None:
    found = seen(text, shape)
    assert found.numbers["mean μ"].shape == (means,)
    assert f"averages over {over}" in found.notes[0]
    parts = found.numbers["mean μ"]
    assert parts.mean().item() == ramp(2, *shape).mean().item()


def test_dropout_keeps_the_mean_in_training_and_the_numbers_in_evaluation() -> None:
    found = seen("dropout p=0.25", (40, 40))
    x, training, evaluation = found.numbers.values()
    assert torch.equal(evaluation, x)
    kept = training != 0
    torch.testing.assert_close(training[kept], x[kept] / 0.75)
    assert kept.double().mean().item() == pytest.approx(0.75, abs=0.05)  # 4.6 deviations of 0.011
    assert torch.equal(seen("dropout p=0.25", (40, 40)).numbers["output in training"], training)


def test_the_drawing_of_dropout_leaves_the_random_state() -> None:
    before = torch.random.get_rng_state()
    seen("dropout")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_activation_tells_its_facts() -> None:
    found = seen("relu")
    x, y, slope = found.numbers.values()
    assert torch.equal(y, F.relu(x))
    assert torch.equal(slope, (x > 0).double())
    assert "range: 0 to ∞" in found.notes
    assert "saturates: nowhere" in found.notes
    assert "dies: from −∞ to 0, where the derivative is exactly 0" in found.notes
    notes = seen("sigmoid").notes
    assert "saturates: towards −∞ and towards ∞" in notes
    assert any("0.5 where x is standard normal, so that it is not centred" in n for n in notes)
    assert "mean: 0 where x is standard normal" in seen("tanh").notes


def test_softmax_and_its_loss() -> None:
    _, p, jacobian = seen("softmax").numbers.values()
    torch.testing.assert_close(p, F.softmax(ramp(4), dim=0))
    torch.testing.assert_close(jacobian.sum(1), torch.zeros(4).double(), atol=1e-15, rtol=0)
    assert list(seen("softmax", (145,)).numbers) == ["x", "p"]
    found = seen("cross_entropy target=1")
    loss = F.cross_entropy(ramp(4), torch.tensor(1)).item()
    assert f"= {loss:.4g}" in found.notes[0]


def test_local_response_norm_fills_in_its_formula() -> None:
    found = seen("lrn alpha=3 k=2 beta=0.5")
    torch.testing.assert_close(
        found.numbers["output"],
        F.local_response_norm(ramp(1, 5, 1, 1), 3, 3.0, 0.5, 2.0)[0],
    )
    assert "y = x / (2 + 3/3 · Σ x²)^0.5" in found.notes[0]


def test_the_named_weights() -> None:
    assert examples.ones((1, 1, 2)).tolist() == [[[1, 1]]]
    assert examples.rows((2, 1, 2)).tolist() == [[[1, 1]], [[2, 2]]]
    assert examples.edge((1, 1, 3)).tolist() == [[[-1, 0, 1]]]
    assert examples.edge((1, 1, 4)).tolist() == [[[-1, -1, 1, 1]]]
    assert seen("linear").numbers["output"].tolist() == [6, 12, 18, 24]
    assert seen("conv2d", weights="ones").numbers["output"].tolist() == [[[54, 63], [90, 99]]]


@pytest.mark.parametrize(
    ("text", "weights", "error", "said"),
    [
        ("conv2d", "ramps", UnknownNameError, "unknown weights 'ramps': did you mean ramp"),
        ("conv2d k=1", "edge", ConfigError, "the kernel is 1 wide"),
        ("maxpool2d", "ones", ConfigError, "max_pool2d has no kernel"),
        ("conv2d x2", None, ConfigError, "x2 repeats the layer"),
    ],
)
def test_what_cannot_be_looked_at(
    text: str, weights: str | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as raised:
        look(read_layer(text), None, weights)
    assert said in str(raised.value)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16)])
def test_a_picture_as_the_input(shape: tuple[int, ...], tmp_path: Path) -> None:
    """An edge kernel answers where the picture grows brighter rightwards, and there alone."""
    levels = np.zeros((16, 16), np.uint8)
    levels[:, 8:] = 255
    Image.fromarray(levels).save(tmp_path / "step.png")
    found = look(read_layer("conv2d out=1"), shape, "edge", tmp_path / "step.png")
    assert found.image
    assert found.found is not None
    answer = found.found.numbers["output"][0]
    assert found.found.numbers["input"].unique().tolist() == [0, 1]
    assert answer[:, 6:8].unique().tolist() == [pytest.approx(3.0 * shape[0])]
    assert answer[:, :6].abs().max() + answer[:, 8:].abs().max() == 0


@pytest.mark.parametrize("shape", [(2, 8, 8), (1, 8, 9), (1, 8)])
def test_a_picture_has_one_or_three_channels_and_is_square(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="1 or 3 channels x side x side"):
        look(read_layer("dropout"), shape, image=Path("nowhere.png"))


@pytest.mark.parametrize(
    "text",
    [
        "conv2d out=1000000000",
        "conv2d k=1000000000 p=500000000",
        "conv2d p=1000000 s=1000000",
        "conv_transpose2d k=1000000000",
        "max_unpool2d s=100000000",
        "max_pool2d k=3 s=1 p=1",
        "lrn size=1000000000",
        "adaptive_avg_pool2d output_size=100000000",
    ],
)
def test_what_is_too_large_is_told_without_numbers(text: str) -> None:
    layer = read_layer(text)
    found = look(layer, (1, 5000, 5000) if layer.kind.name == "max_pool2d" else None)
    assert found.found is None
    assert "too large for an example in numbers" in page(found)
    assert json.loads(json.dumps(found.to_dict()))["numbers"] == {}


def written(text: str, shape: tuple[int, ...] | None = None) -> str:
    return page(look(read_layer(text), shape))


def test_a_page_shows_everything() -> None:
    said = written("conv2d")
    assert "output      1×4×4 → 1×2×2\n            ⌊(4+2·0−3)/1⌋+1 = 2" in said
    assert "parameters  1·1·3·3 = 9" in said
    assert "MACs        (1·2·2)·(1·3·3) = 36" in said
    assert "H and W alike\n    0 ← 0 1 2\n    1 ← 1 2 3" in said
    assert "  1 2 3 · 4 5 6 · 7 8 9 · · · · ·\n" in said
    assert max(map(len, said.splitlines())) <= 100


def test_a_page_tells_axes_apart_and_marks_padding() -> None:
    said = written("conv2d k=3 p=1 s=2", (1, 5, 40))
    assert "H: ⌊(5+2·1−3)/2⌋+1 = 3" in said
    assert "  H\n    0 ← [−1] 0 1\n" in said
    assert "… and so on to 19" in said
    assert "[ ] is padding" in said
    assert "too large to be written out; it can be drawn" in said


def test_a_page_describes_what_is_large() -> None:
    assert "\n  from 1 to 900, mean 450.5" in written("max_pool2d", (1, 30, 30))
    assert "    0 ← 0 1 2 … 19\n" in written("conv1d k=20", (1, 30))


def test_a_gap_of_a_transposed_convolution_is_zero() -> None:
    assert "1 ← none: it is 0" in written("conv_transpose1d k=1 s=2", (1, 3))


def test_json_holds_every_number() -> None:
    found: Look = look(read_layer("conv2d"))
    told = json.loads(json.dumps(found.to_dict()))
    assert told["layer"] == "conv2d"
    assert told["output"] == [1, 2, 2]
    assert told["arithmetic"]["H"] == "⌊(4+2·0−3)/1⌋+1 = 2"
    assert told["macs"] == {"value": 36, "formula": "(1·2·2)·(1·3·3)"}
    assert told["feeds"]["W"] == [[0, 1, 2], [1, 2, 3]]
    assert told["numbers"]["output"]["values"] == [[[348, 393], [528, 573]]]
    large = look(read_layer("max_pool2d"), (1, 200, 200)).to_dict()["numbers"]["input"]
    assert (large["values"], large["min"], large["max"]) == (None, 1, 40000)
