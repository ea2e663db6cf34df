"""How good a classifier is."""

from __future__ import annotations

from convatlas.evaluate.report import ClassScore, Report, evaluate, score

__all__ = ["ClassScore", "Report", "evaluate", "score"]
