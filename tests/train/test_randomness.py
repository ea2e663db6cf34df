from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch

from convatlas.train.checkpoint import Checkpoints
from convatlas.train.randomness import load_random_state, random_state, seed_all

CPU = torch.device("cpu")


def drawn() -> list[float]:
    """Of each generator, an even number of normal ones too, half of which they keep for later."""
    return [
        random.random(),
        random.gauss(0, 1),
        np.random.rand(),  # noqa: NPY002
        np.random.randn(),  # noqa: NPY002
        *torch.rand(3).tolist(),
        torch.randn(()).item(),
    ]


def test_the_draws_go_on(tmp_path: Path) -> None:
    seed_all(5)
    drawn()
    Checkpoints(tmp_path).write(random_state(CPU))
    expected = [drawn(), drawn()]
    seed_all(6)
    drawn()
    load_random_state(Checkpoints(tmp_path).latest().state, CPU)
    assert [drawn(), drawn()] == expected


def test_a_seed_begins_all_of_them_anew() -> None:
    seed_all(2**63 - 1)
    first = drawn()
    seed_all(2**63 - 1)
    assert drawn() == first
    seed_all(1)
    assert not set(drawn()) & set(first)
