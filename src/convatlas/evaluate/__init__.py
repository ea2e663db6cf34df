"""How good a classifier is."""

from __future__ import annotations

from convatlas.evaluate.probes import probe
from convatlas.evaluate.report import ClassScore, Report, evaluate, place_classes, score
from convatlas.evaluate.unseen import unseen

__all__ = ["ClassScore", "Report", "evaluate", "place_classes", "probe", "score", "unseen"]
