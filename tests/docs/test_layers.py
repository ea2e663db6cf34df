"""The pages of docs/layers: all are listed; their code, pictures and networks are real."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from convatlas.nets import lenet, parts
from convatlas.nets.build import build
from convatlas.nets.catalog import CATALOG

LAYERS = Path(__file__).parents[2] / "docs" / "layers"
DRAW, IMAGES = LAYERS.parent / "pictures", LAYERS.parent / "images" / "layers"
PAGES = sorted(
    page.stem
    for page in LAYERS.glob("*.md")
    if page.stem != "index" and not page.stem.endswith(".zh-CN")
)
#: kept small, since a picture stays in the history for ever
MOST_BYTES = 100_000


def text(page: str, ending: str = ".md") -> str:
    return (LAYERS / f"{page}{ending}").read_text(encoding="utf-8")


def in_the_atlas(page: str, ending: str = ".md", label: str = "**In the atlas:**") -> set[str]:
    """The networks named in the paragraph that says where a layer appears."""
    (paragraph,) = (p for p in text(page, ending).split("\n\n") if p.startswith(label))
    return set(re.findall(r"`(\w+)`", paragraph))


# ------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("ending", [".md", ".zh-CN.md"])
def test_the_index_lists_every_page(ending: str) -> None:
    index = text("index", ending)
    (toctree,) = re.findall(r"^```{toctree}\n:hidden:\n(.*?)^```$", index, re.DOTALL | re.MULTILINE)
    names = [f"{name}.md" for name in toctree.split()]
    assert sorted(names) == sorted(f"{page}{ending}" for page in PAGES)
    assert re.findall(r"^\| \[[^]]+\]\((\S+)\) \|", index, re.MULTILINE) == names, "in the table"


@pytest.mark.parametrize("page", PAGES)
def test_its_code_is_included_from_the_source(page: str) -> None:
    source = text(page)
    included = re.findall(r"^```{literalinclude} (\S+)\n:pyobject: (\w+)$", source, re.MULTILINE)
    for file, name in included:
        assert re.search(rf"^def {name}\(", (LAYERS / file).read_text("utf-8"), re.MULTILINE)
        assert f"]({file})" in source, "a link for those who read where nothing is included"
    assert included


# ---------------------------------------------------------------------------------- the pictures


def thumbnail(path: Path) -> NDArray[np.float64]:
    """In grey and so small that it does not matter how a machine draws its letters."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L").resize((32, 32), Image.Resampling.BOX), np.float64)


@pytest.mark.slow
def test_every_picture_shown_is_made_and_every_one_made_is_shown(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", DRAW, tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    shown = {name for page in PAGES for name in re.findall(r"/images/layers/([^)]+)", text(page))}
    assert {path.name for path in tmp_path.iterdir()} == shown
    assert {path.name for path in IMAGES.iterdir()} == shown
    for path in tmp_path.iterdir():
        made, kept = thumbnail(path), thumbnail(IMAGES / path.name)
        assert made.std() > 10, "there is something on it"
        assert np.abs(made - kept).mean() < 3, f"{path.name} is not what `make pictures` draws"
        assert (IMAGES / path.name).stat().st_size < MOST_BYTES


# ---------------------------------------------------------------------------------- the networks


def contains(
    *kinds: type[nn.Module], where: Callable[..., bool] = lambda module: True
) -> Callable[[nn.Module], bool]:
    """Whether a network has a module of one of these kinds, of which more is true."""
    return lambda net: any(isinstance(m, kinds) and where(m) for m in net.modules())


def overlaps(pool: nn.MaxPool2d) -> bool:
    return pool.kernel_size > pool.stride


#: by page: whether a network is one that the page may name
HAS: dict[str, Callable[[nn.Module], bool]] = {
    "average-pooling": contains(nn.AvgPool2d, nn.AdaptiveAvgPool2d),
    "batch-norm": contains(nn.BatchNorm1d, nn.BatchNorm2d),
    "convolution": contains(nn.Conv2d),
    "convolution-1x1": contains(nn.Conv2d, where=lambda conv: conv.kernel_size == (1, 1)),
    "cross-entropy": lambda net: True,  # every one is trained with it
    "dilated-convolution": contains(nn.Conv2d, where=lambda conv: conv.dilation != (1, 1)),
    "dropout": contains(nn.Dropout),
    "grouped-convolution": contains(nn.Conv2d, where=lambda conv: conv.groups > 1),
    "leaky-relu": contains(nn.LeakyReLU, nn.PReLU, nn.RReLU),
    "linear": contains(nn.Linear),
    "local-response-norm": contains(parts.LocalResponseNorm),
    "max-pooling": contains(nn.MaxPool2d),
    "max-unpooling": contains(nn.MaxUnpool2d),
    "normalisations": contains(nn.BatchNorm2d),
    "relu": contains(nn.ReLU),
    "sigmoid": contains(nn.Sigmoid),
    "softmax": lambda net: not contains(nn.Softmax, nn.LogSoftmax)(net),  # it is in the loss
    "tanh": contains(nn.Tanh, lenet.ScaledTanh),
    "transposed-convolution": contains(nn.ConvTranspose2d),
}


@cache
def network(name: str) -> nn.Module:
    with torch.device("meta"):
        return build(name)


@pytest.mark.parametrize("page", PAGES)
def test_the_networks_it_names_have_the_layer(page: str) -> None:
    named = in_the_atlas(page)
    assert named == in_the_atlas(page, ".zh-CN.md", "**图谱中：**")
    assert {name for name in named if not HAS[page](network(name))} == set()


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if not in_the_atlas(page)])
def test_where_it_names_none_there_is_none(page: str) -> None:
    assert [name for name in CATALOG if HAS[page](network(name))] == []


def test_pooling_overlaps_where_its_page_says_so() -> None:
    for name in ("alexnet", "nin", "googlenet"):
        assert contains(nn.MaxPool2d, where=overlaps)(network(name))
    assert not contains(nn.MaxPool2d, where=overlaps)(network("vgg16"))
