"""ConvAtlas: an atlas of the classic convolutional networks.

This is the whole public list. A name is looked up when it is first used, so that importing the
package costs nothing: ``import convatlas`` alone does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convatlas import data, errors, nets, ops
    from convatlas.analysis.trace import Trace, trace
    from convatlas.classifier import Classifier
    from convatlas.data import Dataset, ImageSet, Preprocess
    from convatlas.errors import ConvAtlasError
    from convatlas.nets.build import build
    from convatlas.nets.catalog import CATALOG
    from convatlas.nets.parts import Net
    from convatlas.train.fit import fit
    from convatlas.train.run import Run
    from convatlas.weights.export import export_state
    from convatlas.weights.load import load_weights

    __version__: str

__all__ = [
    "CATALOG",
    "Classifier",
    "ConvAtlasError",
    "Dataset",
    "ImageSet",
    "Net",
    "Preprocess",
    "Run",
    "Trace",
    "__version__",
    "build",
    "data",
    "errors",
    "export_state",
    "fit",
    "load_weights",
    "nets",
    "ops",
    "trace",
]

#: where each name is defined; a module of that very name is meant where there is no colon
_HOMES = {
    "CATALOG": "nets.catalog:CATALOG",
    "Classifier": "classifier:Classifier",
    "ConvAtlasError": "errors:ConvAtlasError",
    "Dataset": "data:Dataset",
    "ImageSet": "data:ImageSet",
    "Net": "nets.parts:Net",
    "Preprocess": "data:Preprocess",
    "Run": "train.run:Run",
    "Trace": "analysis.trace:Trace",
    "build": "nets.build:build",
    "data": "data",
    "errors": "errors",
    "export_state": "weights.export:export_state",
    "fit": "train.fit:fit",
    "load_weights": "weights.load:load_weights",
    "nets": "nets",
    "ops": "ops",
    "trace": "analysis.trace:trace",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        found: Any = version("convatlas")
    elif name in _HOMES:
        module, _, attribute = _HOMES[name].partition(":")
        found = importlib.import_module(f"convatlas.{module}")
        found = getattr(found, attribute) if attribute else found
    else:
        raise AttributeError(f"module 'convatlas' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
