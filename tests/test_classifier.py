from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor, nn

from convatlas.classifier import Classifier, holds_classifier
from convatlas.data import Preprocess
from convatlas.errors import DataError, ModelError, ShapeError
from convatlas.nets.build import build

SPEC = Preprocess(16, 18, 3, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
CLASSES = ("cat", "dog", "eel")


def pictures(count: int, side: int = 20, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def atlas(name: str = "resnet20", **options: Any) -> Classifier:
    torch.manual_seed(0)
    net = build(name, num_classes=3, **options)
    with torch.no_grad():  # averages of a network that has seen something
        net.train()(torch.rand(4, 3, net.input_size, net.input_size))
    return Classifier(net, SPEC, CLASSES, {"data": "none", "accuracy": 0.5})


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return atlas(width=4)


class Own(nn.Module):
    """A network of one's own, with two layers that share their weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.second = nn.Conv2d(3, 3, 3, padding=1)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)).mean((2, 3))


# ---------------------------------------------------------------------------------- the file


def test_a_file_of_ours_is_told_from_others_by_its_header(
    classifier: Classifier, tmp_path: Path
) -> None:
    ours, plain, text = (tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.txt"))
    classifier.save(ours)
    safetensors.torch.save_file(classifier.net.state_dict(), plain)
    text.write_text("no tensors")
    found = [holds_classifier(path) for path in (ours, plain, text, tmp_path / "none")]
    assert found == [True, False, False, False]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet20", {"width": 4, "norm": "group", "shortcut": "A", "input_size": 16}),
        ("vgg11", {"conv_arch": ((1, 4), (1, 8)), "width": 1.0, "input_size": 16}),
        ("lenet_bn", {"in_channels": 3, "input_size": 16}),
    ],
)
def test_loaded_again_it_answers_the_same_bit_for_bit(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """Through a layout that the file does not know, too."""
    before = atlas(name, **options)
    before.net.to(memory_format=torch.channels_last)
    expected = before.logits(pictures(5))
    after = Classifier.load(before.save(tmp_path / "new" / "model.safetensors"))
    assert torch.equal(after.logits(pictures(5)), expected)
    assert (after.preprocess, after.classes, after.card) == (SPEC, CLASSES, before.card)
    assert after.net.name == name
    assert not after.net.training
    assert torch.equal(Classifier.load(tmp_path / "new").logits(pictures(5)), expected)


def test_googlenet_is_saved_without_its_auxiliary_heads(tmp_path: Path) -> None:
    before = atlas("googlenet", input_size=79)
    before.preprocess = Preprocess(79, 79, 3, SPEC.mean, SPEC.std)
    path = before.save(tmp_path / "model.safetensors")
    tensors = safetensors.torch.load_file(path)
    assert not [name for name in tensors if "aux" in name]
    after = Classifier.load(path)
    assert not after.net.aux
    assert torch.equal(after.logits(pictures(2)), before.logits(pictures(2)))
    assert len(before.net.aux) == 2  # the network that goes on training keeps its own


def header_of(path: Path) -> dict[str, Any]:
    """As the format's documentation says: 8 bytes of length, then JSON."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["convatlas"])


def test_the_header_can_be_read_without_us(classifier: Classifier, tmp_path: Path) -> None:
    header = header_of(classifier.save(tmp_path / "m.safetensors"))
    assert header["format"] == 1
    assert header["net"]["name"] == "resnet20"
    assert (header["net"]["options"]["width"], header["net"]["options"]["num_classes"]) == (4, 3)
    assert header["preprocess"] == {
        "size": 16,
        "resize": 18,
        "channels": 3,
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.25, 0.3],
    }
    assert header["classes"] == list(CLASSES)
    assert header["card"] == {"data": "none", "accuracy": 0.5}


def test_a_network_of_your_own(tmp_path: Path) -> None:
    before = Classifier(Own(), SPEC, CLASSES)
    path = before.save(tmp_path / "own.safetensors")
    after = Classifier.load(path, net=Own())
    assert torch.equal(after.logits(pictures(3)), before.logits(pictures(3)))
    assert after.net.first.weight is after.net.second.weight
    with pytest.raises(ModelError, match=r"a network of your own \(.*Own\).*load\(path, net=…\)"):
        Classifier.load(path)


def test_a_model_is_replaced_whole_or_not_at_all(classifier: Classifier, tmp_path: Path) -> None:
    path = classifier.save(tmp_path / "m.safetensors")
    before = path.read_bytes()
    broken = Classifier(Own(), SPEC, CLASSES, {"card": object()})
    with pytest.raises(TypeError):
        broken.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as raised:
        Classifier.load(path, **options)
    said = str(raised.value)
    assert "\n" not in said
    assert len(said) < 600
    assert str(path) in said
    return said


def rewritten(path: Path, change: Callable[[dict[str, Any]], None] | str) -> Path:
    """The same tensors under another header."""
    if isinstance(change, str):
        text = change
    else:
        header = header_of(path)
        change(header)
        text = json.dumps(header)
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, {"convatlas": text})
    return path


def test_what_is_no_model_is_said_in_one_line(classifier: Classifier, tmp_path: Path) -> None:
    assert "there is no model at" in refused(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match=r"there is no model at .*model\.safetensors: give a run"):
        Classifier.load(tmp_path)
    path = classifier.save(tmp_path / "m.safetensors")
    whole = path.read_bytes()
    for content in (b"", b"junk", b"junk" * 100, whole[:7], whole[:100], whole[:-1], whole + b"x"):
        path.write_bytes(content)
        assert "is not a whole safetensors file" in refused(path)
    safetensors.torch.save_file({"a": torch.ones(2)}, path)
    assert "holds tensors but no ConvAtlas header" in refused(path)
    safetensors.torch.save_file({"a": torch.ones(2)}, path, {"format": "pt"})
    assert "`load_weights` may read it" in refused(path)


def test_another_format_and_a_damaged_header(classifier: Classifier, tmp_path: Path) -> None:
    path = classifier.save(tmp_path / "m.safetensors")
    assert "has header format 2, and this version reads 1: update" in refused(
        rewritten(path, lambda header: header.update(format=2))
    )
    for text in ("{", "[]", "{}", "7"):
        path = classifier.save(tmp_path / "m.safetensors")
        assert "has a header that cannot be read" in refused(rewritten(path, text))


def test_a_header_that_is_not_the_tensors(classifier: Classifier, tmp_path: Path) -> None:
    path = classifier.save(tmp_path / "m.safetensors")

    def rename(header: dict[str, Any]) -> None:
        header["net"]["name"] = "resnet21"

    assert "cannot be rebuilt: unknown network 'resnet21'" in refused(rewritten(path, rename))
    path = classifier.save(tmp_path / "m.safetensors")

    def widen(header: dict[str, Any]) -> None:
        header["net"]["options"]["width"] = 5

    said = refused(rewritten(path, widen))
    assert "does not fit the network" in said
    assert "size mismatch" in said
    path = classifier.save(tmp_path / "m.safetensors")
    assert "Missing key" in refused(path, net=Own())


# ------------------------------------------------------------------------------- the answers


def save(path: Path, pixels: Tensor, **options: Any) -> Path:
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path, **options)
    return path


def test_a_prediction_is_preprocessing_then_the_network(
    classifier: Classifier, tmp_path: Path
) -> None:
    """By hand, with Pillow's pixels; a wide picture, so that there is something to cut."""
    wide = pictures(1)[0][:, :, :].repeat(1, 1, 2)
    path = save(tmp_path / "wide.png", wide)
    pixels = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None]
    short = nn.functional.interpolate(pixels, (18, 36), mode="bilinear", antialias=True)
    cut = short[:, :, 1:17, 10:26]
    mean, std = (torch.tensor(v)[:, None, None] for v in (SPEC.mean, SPEC.std))
    with torch.no_grad():
        share = classifier.net.eval()((cut / 255 - mean) / std).softmax(1)[0]
    (found,) = classifier.predict([path])
    assert found.picture == path
    assert found.label == CLASSES[share.argmax()]
    assert found.probability == pytest.approx(share.max().item(), abs=1e-6)
    expected = {
        name: pytest.approx(p, abs=1e-6) for name, p in zip(CLASSES, share.tolist(), strict=True)
    }
    assert dict(found.top) == expected
    assert [p for _, p in found.top] == sorted((p for _, p in found.top), reverse=True)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_photograph_is_seen_upright(
    orientation: int, classifier: Classifier, tmp_path: Path
) -> None:
    """The pixels as a camera held so writes them, and its note of it (Exif 2.3, tag 274)."""
    picture = pictures(1)[0]
    upright = Image.fromarray(picture.permute(1, 2, 0).numpy())
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[274] = orientation
    stored = upright.transpose(turn[orientation]) if orientation in turn else upright
    stored.save(tmp_path / "photo.png", exif=exif)
    (turned,), (plain,) = (
        classifier.predict([tmp_path / "photo.png"]),
        classifier.predict([upright]),
    )
    assert turned.top == plain.top
    assert plain.picture is None


def test_answers_come_in_order_whatever_the_batch(classifier: Classifier, tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.png", p) for i, p in enumerate(pictures(5))]
    found = classifier.predict(paths, batch_size=2)
    assert [one.picture for one in found] == paths
    for one, path in zip(found, paths, strict=True):
        alone = classifier.predict([str(path)])[0]
        assert one.label == alone.label
        assert one.probability == pytest.approx(alone.probability, abs=1e-6)
    assert len({one.probability for one in found}) == 5
    assert classifier.predict([]) == []


def test_a_stream_reads_no_further_than_it_is_asked(classifier: Classifier, tmp_path: Path) -> None:
    good = save(tmp_path / "good.png", pictures(1)[0])
    answers = classifier.stream(iter([good, good, tmp_path / "none.png"]), batch_size=2)
    assert next(answers).picture == good
    assert next(answers).picture == good
    with pytest.raises(DataError, match=r"none\.png does not exist"):
        next(answers)


def test_five_answers_of_many(tmp_path: Path) -> None:
    class Ten(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.arange(10.0).expand(len(x), 10)

    made = Classifier(Ten(), SPEC, tuple("abcdefghij"))
    (one,) = made.predict([Image.new("RGB", (20, 20))])
    assert [name for name, _ in one.top] == list("jihgf")
    assert sum(p for _, p in one.top) < 1


def test_logits_leave_the_network_as_it_was(classifier: Classifier) -> None:
    net = classifier.net.train()
    frozen = next(m for m in net.modules() if isinstance(m, nn.BatchNorm2d)).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    logits = classifier.logits(pictures(5), batch_size=2)
    assert net.training
    assert not frozen.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
    net.eval()
    torch.testing.assert_close(classifier.logits(pictures(5)), logits, rtol=0, atol=1e-6)
    assert logits.dtype == torch.float32
    assert classifier.logits(pictures(0)).shape == (0, 3)


def test_a_network_that_answers_something_else(classifier: Classifier) -> None:
    fewer = Classifier(classifier.net, SPEC, ("cat", "dog"))
    with pytest.raises(ModelError, match=r"\(5, 3\), but one logit for each of 2 classes"):
        fewer.logits(pictures(5))


def test_other_channels(classifier: Classifier) -> None:
    with pytest.raises(ShapeError, match="this model takes 3 channels"):
        classifier.logits(pictures(2)[:, :1])
    grey = Image.new("L", (20, 20), 77)  # a file becomes what the model takes
    colour = Image.new("RGB", (20, 20), (77, 77, 77))
    assert classifier.predict([grey])[0].top == classifier.predict([colour])[0].top
