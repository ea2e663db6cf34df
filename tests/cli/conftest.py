"""A model that knows the digits a little, trained once by the command itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from convatlas import data
from convatlas.cli import main


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run on ``digits``: look, and do not write."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    argv = ["train", "lenet_bn", "digits", "--epochs", "6", "--batch-size", "64", "--lr", "0.1"]
    assert main([*argv, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Test pictures of ``digits`` as files: a folder for each class, three in each."""
    root = tmp_path_factory.mktemp("digits")
    test = data.load("digits").test
    for label, name in enumerate(test.classes):
        (root / name).mkdir()
        for i in (test.labels == label).nonzero().flatten()[:3].tolist():
            Image.fromarray(test.images[i, 0].numpy()).save(root / name / f"{i}.png")
    (root / "notes.txt").write_text("no picture")
    return root
