"""The pages of docs/layers: their examples run, their pictures and networks are real."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from convatlas import ops
from convatlas.cli import main
from convatlas.nets import lenet, parts
from convatlas.nets.build import build
from convatlas.nets.catalog import CATALOG

DOCS = Path(__file__).parents[2] / "docs"
IMAGES = DOCS / "images" / "layers"
PAGES = sorted(
    page.stem
    for page in (DOCS / "layers").glob("*.md")
    if page.stem != "index" and not page.stem.endswith(".zh-CN")
)
#: kept small, since a picture stays in the history for ever
MOST_BYTES = 100_000


def text(page: str, chinese: bool = False) -> str:
    name = f"{page}.zh-CN.md" if chinese else f"{page}.md"
    return (DOCS / "layers" / name).read_text(encoding="utf-8")


def fenced(source: str, kind: str = "[^\n]*") -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", source, re.DOTALL | re.MULTILINE)


def headings(source: str) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", source, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^(#+) ", prose, re.MULTILINE)


def pictures(source: str) -> list[str]:
    return re.findall(r"!\[[^]]*\]\(([^)]+)\)", source)


def formulas(source: str) -> list[str]:
    return re.findall(r"\$\$.*?\$\$", source, re.DOTALL)


def in_the_atlas(source: str, label: str = "**In the atlas:**") -> set[str]:
    """The networks named in the paragraph that says where a layer appears."""
    (paragraph,) = (p for p in source.split("\n\n") if p.startswith(label))
    return set(re.findall(r"`(\w+)`", paragraph)) & set(CATALOG)


# ------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("page", PAGES)
def test_its_examples_print_what_they_say(page: str) -> None:
    code = "\n".join(fenced(text(page), "python"))
    names = {"torch": torch, "ops": ops}  # as the index says
    examples = doctest.DocTestParser().get_doctest(code, names, page, None, 0)
    assert examples.examples
    failed, _ = doctest.DocTestRunner().run(examples)
    assert not failed


@pytest.mark.parametrize("page", ["index", *PAGES])
def test_the_chinese_page_has_the_same_code_formulas_pictures_and_headings(page: str) -> None:
    english, chinese = text(page), text(page, chinese=True)
    for part in (headings, pictures, formulas):
        assert part(english) == part(chinese)
    if page == "index":  # whose lists of pages name those of its own language
        assert fenced(english, "python") == fenced(chinese, "python")
        listed = fenced(english, "{toctree}")[0].split()[1:]
        assert fenced(chinese, "{toctree}")[0].split()[1:] == [f"{name}.zh-CN" for name in listed]
        assert sorted(listed) == PAGES
    else:
        assert fenced(english) == fenced(chinese)
        assert in_the_atlas(english) == in_the_atlas(chinese, "**图谱中：**")


@pytest.mark.parametrize("page", ["index", *PAGES])
@pytest.mark.parametrize("chinese", [False, True])
def test_its_links_lead_somewhere_and_stay_in_its_language(page: str, chinese: bool) -> None:
    links = re.findall(r"(?<!!)\[[^]]*\]\(([^)#]+)[^)]*\)", text(page, chinese))
    other, *rest = [link for link in links if "://" not in link]
    assert other == (f"{page}.md" if chinese else f"{page}.zh-CN.md")
    for link in rest:
        assert (DOCS / "layers" / link).exists(), link
        if link.endswith(".md"):
            assert link.endswith(".zh-CN.md") == chinese


@pytest.mark.parametrize("page", PAGES)
def test_its_code_is_included_from_the_source(page: str) -> None:
    source = text(page)
    included = re.findall(r"^```{literalinclude} (\S+)\n:pyobject: (\w+)$", source, re.MULTILINE)
    for file, name in included:
        assert re.search(rf"^def {name}\(", (DOCS / "layers" / file).read_text(), re.MULTILINE)
        assert f"]({file})" in source, "a link for those who read where nothing is included"
    assert included or page == "normalisations"  # which compares four pages' worth of code


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_it_mentions_run(
    page: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # where pictures are drawn
    for command in re.findall(r"`convatlas (layer[^`]+)`", text(page)):
        assert main(shlex.split(command)) == 0, capsys.readouterr().err


# ---------------------------------------------------------------------------------- the pictures


@pytest.mark.slow
def test_every_picture_shown_is_made_and_every_one_made_is_shown(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", DOCS / "pictures", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    shown = {Path(picture).name for page in PAGES for picture in pictures(text(page))}
    assert {path.name for path in tmp_path.iterdir()} == shown
    assert {path.name for path in IMAGES.iterdir()} == shown
    for path in tmp_path.iterdir():
        with Image.open(path) as made, Image.open(IMAGES / path.name) as kept:
            assert kept.size == pytest.approx(made.size, rel=0.1)  # letters differ a little
            darkest, brightest = made.convert("L").getextrema()
            assert darkest < 128 < brightest, "there is something on it"
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
    named = in_the_atlas(text(page))
    assert {name for name in named if not HAS[page](network(name))} == set()


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if not in_the_atlas(text(page))])
def test_where_it_names_none_there_is_none(page: str) -> None:
    assert [name for name in CATALOG if HAS[page](network(name))] == []


def test_pooling_overlaps_where_its_page_says_so() -> None:
    for name in ("alexnet", "nin", "googlenet"):
        assert contains(nn.MaxPool2d, where=overlaps)(network(name))
    assert not contains(nn.MaxPool2d, where=overlaps)(network("vgg16"))


# --------------------------------------------------------------------------------- all of them


@pytest.mark.slow
def test_the_documents_build_without_a_warning(tmp_path: Path) -> None:
    for module in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(module, reason=f"{module} is not installed: documents are not built")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-b", "html", "-d"]
    built = subprocess.run(
        [*command, tmp_path / "trees", DOCS, tmp_path / "html"], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "html" / "layers" / "convolution.html").read_text(encoding="utf-8")
    assert "ngchwij,gocij-&gt;ngohw" in page, "the code is included"
