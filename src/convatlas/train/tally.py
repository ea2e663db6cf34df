"""What an epoch has come to so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """Sums over the steps of an epoch: pictures, loss, right answers, and where the time went."""

    images: int = 0
    loss: float = 0.0
    right: int = 0
    waiting: float = 0.0
    computing: float = 0.0

    def row(self) -> dict[str, float]:
        """Means a picture, pictures a second, and the share of time spent waiting for data."""
        seconds = self.waiting + self.computing
        return {
            "train_loss": self.loss / self.images,
            "train_accuracy": self.right / self.images,
            "images_per_second": self.images / seconds,
            "waiting": self.waiting / seconds,
        }
