"""Optimisers that PyTorch does not have, or not for kernels."""

from __future__ import annotations

from convatlas.train.optimizers.alexnet import AlexNetSGD
from convatlas.train.optimizers.muon import Muon

__all__ = ["AlexNetSGD", "Muon"]
