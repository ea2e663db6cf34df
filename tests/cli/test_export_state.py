from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from convatlas.classifier import Classifier
from convatlas.cli import main
from convatlas.data import Preprocess
from convatlas.nets.build import build


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A run folder, as far as it is asked for here."""
    torch.manual_seed(0)
    way = Preprocess(64, 72, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    Classifier(build("resnet18", num_classes=3), way, ("cat", "dog", "[red]")).save(
        tmp_path / "run" / "model.safetensors"
    )
    return tmp_path / "run"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_what_is_printed_builds_the_same_network_there(
    library: str,
    suffix: str,
    model: Path,
    tmp_path: Path,
    torchvision_models: ModuleType,
    timm_models: ModuleType,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / f"weights{suffix}"
    assert main(["export-state", str(model), str(out), "--for", library]) == 0
    printed, errors = capsys.readouterr()
    assert errors == ""
    assert "# pictures: short side to 72, centre 64×64, in [0, 1]," in printed
    assert "# classes: cat, dog, [red]\n" in printed

    import safetensors.torch
    import torchvision

    room: dict[str, object] = {
        "torch": torch,
        "timm": timm_models,
        "torchvision": torchvision,
        "safetensors": safetensors,
    }
    exec(printed, room)
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        found: Tensor = room["net"].eval()(x)  # type: ignore[attr-defined]
        expected = Classifier.load(model).net(x)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_what_cannot_be_is_one_line(
    model: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv, said in (
        ([trained, "a.pth", "--for", "timm"], "timm has no lenet_bn"),
        ([model, "a.onnx", "--for", "timm"], "a.onnx must end in .pth"),
        ([tmp_path, "a.pth", "--for", "timm"], "there is no model at"),
    ):
        assert main(["export-state", *map(str, argv)]) == 2
        errors = capsys.readouterr().err
        assert said in errors
        assert errors.count("\n") == 1


def test_the_library_must_be_named(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-state", str(model), "a.pth"]) == 2
    assert "--for" in capsys.readouterr().err
