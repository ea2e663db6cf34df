"""How good a classifier is."""

from __future__ import annotations

from convatlas.evaluate.report import ClassScore, Report, evaluate, place_classes, score

__all__ = ["ClassScore", "Report", "evaluate", "place_classes", "score"]
