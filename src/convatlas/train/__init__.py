"""From a network and a data set to a trained classifier."""

from __future__ import annotations

from convatlas.train.config import Config
from convatlas.train.fit import fit
from convatlas.train.recipes import RECIPES, recipe
from convatlas.train.run import Run

__all__ = ["RECIPES", "Config", "Run", "fit", "recipe"]
