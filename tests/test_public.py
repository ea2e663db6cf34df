"""The public list, exactly: a name that comes or goes is a decision, so it is made here too."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from types import ModuleType

import pytest

import convatlas as ca

PUBLIC = {
    "build",
    "trace",
    "load_weights",
    "export_state",
    "fit",
    "Classifier",
    "Net",
    "Trace",
    "Run",
    "CATALOG",
    "Preprocess",
    "ImageSet",
    "Dataset",
    "ConvAtlasError",
    "nets",
    "ops",
    "data",
    "errors",
    "__version__",
}


def test_the_public_list_is_this_one() -> None:
    assert set(ca.__all__) == PUBLIC
    assert dir(ca) == sorted(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_name_is_there_and_documented(name: str) -> None:
    found = getattr(ca, name)
    if callable(found) or isinstance(found, ModuleType):
        assert found.__doc__
        assert found.__name__.rpartition(".")[2] == name


def test_what_is_not_on_the_list_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'rezeptiv'"):
        _ = ca.rezeptiv


def test_the_version_is_that_of_the_distribution() -> None:
    assert ca.__version__ == version("convatlas")


def test_importing_the_package_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, convatlas, convatlas.cli, convatlas.nets.catalog\n"
        "heavy = ('torch', 'numpy', 'matplotlib', 'sklearn')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
