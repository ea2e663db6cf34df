"""Early stopping: training ends when the validation pictures have not been named better for long.

Prechelt, "Early Stopping — But When?" (1998): the model that is kept is the best one, and not the
one that training happened to end with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from convatlas.data import Dataset, ImageSet
from convatlas.data.split import stratified
from convatlas.errors import ConfigError


class Patience:
    """The best model of the epochs so far.

    Args:
        epochs: without a better one, after which training stops; None to keep no model.
    """

    def __init__(self, epochs: int | None) -> None:
        self.epochs = epochs
        self.weights: dict[str, Tensor] = {}

    def see(self, history: Sequence[Mapping[str, Any]], net: nn.Module) -> None:
        """Keep the network's weights, if the last epoch is the best one."""
        if self.epochs is not None and best_epoch(history) == len(history):
            self.weights = {name: w.detach().clone() for name, w in net.state_dict().items()}

    def ended(self, history: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the best epoch lies too far back."""
        return self.epochs is not None and len(history) - best_epoch(history) >= self.epochs


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    """The number of the epoch with the best validation accuracy, the lower loss among equals."""

    def merit(row: Mapping[str, Any]) -> tuple[float, float]:
        return row["val_accuracy"], -row["val_loss"]

    return 1 + max(range(len(history)), key=lambda i: merit(history[i]), default=-1)


def with_validation(data: Dataset, seed: int) -> Dataset:
    """The data set with a validation part: if it has none, a fifth of the training pictures.

    To stop, or to choose, where the test pictures are named best would be to learn from them.

    Args:
        data: it may have such a part already.
        seed: of what is held back.

    Raises:
        ConfigError: shards without such a part.
        DataError: a class has a single picture.
    """
    if data.val is not None:
        return data
    if not isinstance(data.train, ImageSet):
        raise ConfigError(
            "patience and sweeps need validation pictures, and shards are not taken apart: shard a "
            "folder that has a folder val"
        )
    kept, held = stratified(data.train.labels, data.train.classes, seed)
    note = f"{len(held)} of {len(data.train)} training pictures are held back for validation"
    return replace(
        data,
        train=data.train.subset(kept),
        val=data.train.subset(held),
        notes=(*data.notes, note),
        listing=data.listing and data.listing.watching(held),
    )
