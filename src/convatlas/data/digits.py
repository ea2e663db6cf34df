"""scikit-learn's handwritten digits: 1,797 grey pictures of 8×8, in the package itself.

They are the test half of the UCI set of Alpaydin and Kaynak (1998), with levels from 0 to 16.
"""

from __future__ import annotations

from pathlib import Path

import torch

from convatlas.data.imageset import Dataset, ImageSet
from convatlas.data.split import stratified


class Digits:
    """Needs no network: what a first run falls back to."""

    name = "digits"

    def download_size(self, data_dir: Path | None) -> int:
        """Nothing."""
        return 0

    def load(self, data_dir: Path | None, side: int | None, seed: int) -> Dataset:
        """Levels scaled to 0…255, a fifth of each class held back."""
        from sklearn.datasets import load_digits

        raw = load_digits()
        images = torch.from_numpy(raw.images * (255 / 16)).round().byte()[:, None]
        labels = torch.from_numpy(raw.target).long()
        classes = tuple(map(str, raw.target_names))
        train, test = stratified(labels, classes, seed)
        return Dataset(
            self.name,
            ImageSet("digits train", images[train], labels[train], classes),
            ImageSet("digits test", images[test], labels[test], classes),
        )
