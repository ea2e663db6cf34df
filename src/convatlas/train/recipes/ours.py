"""Our own recipes."""

from __future__ import annotations

from convatlas.train.config import Config


def fast() -> Config:
    """A good accuracy soon, on an ordinary CPU: few epochs, one cycle of the learning rate.

    Nothing is augmented: in three epochs there is no time to learn by heart, and what pictures look
    like in a mirror is one more thing to learn. Longer runs want ``flip`` or ``shift``. A batch is
    just large enough for two cores to share (docs/notes/fast-recipe.md has what was tried).
    """
    return Config(recipe="fast", epochs=3, batch_size=128, early_share=0.5)


def sprint() -> Config:
    """A small network with batch normalisation on small pictures, in two epochs with Muon.

    Orthogonal steps learn in two epochs what SGD's learn in three (docs/notes/fast-recipe.md). What
    they cost grows with the cube of a layer's channels: networks with many are for `fast`.
    """
    return Config(recipe="sprint", epochs=2, batch_size=128, optimizer="muon", early_share=0.3)


def transfer() -> Config:
    """From pretrained weights: the size of the data set decides what trains, and how long.

    Batches are small, because few pictures have to make enough steps, and pretrained weights need
    many small corrections more than a few large ones. The settings that stay open are settled in
    `strategy.settled` and `optim.settle`. Training goes on to the end: the learning rate falls to
    zero there, and a validation part of few pictures would pick the best epoch by chance.
    """
    return Config(
        recipe="transfer",
        strategy="auto",
        epochs=15,
        batch_size=32,
        repeat=None,
        stage_decay=0.7,
        flip=True,
    )
