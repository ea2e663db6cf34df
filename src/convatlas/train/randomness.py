"""The random states of a process that a network may draw from: Python's, NumPy's and PyTorch's."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Let every generator of this process begin anew.

    Args:
        seed: from 0 to 2⁶³ − 1; NumPy, which takes no more, gets its last 32 bits.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - a network's own code may draw from this one
    torch.manual_seed(seed)


def random_state(device: torch.device) -> dict[str, Any]:
    """Where the generators are now: tensors and plain JSON.

    Args:
        device: of the network, whose own generator is among them.
    """
    version, numbers, gauss = random.getstate()
    numpy: dict[str, Any] = dict(np.random.get_state(legacy=False))  # noqa: NPY002
    mersenne = numpy["state"]
    state = {
        "python": {"version": version, "numbers": torch.tensor(numbers), "gauss": gauss},
        "numpy": numpy | {"state": mersenne | {"key": torch.tensor(mersenne["key"].tolist())}},
        "torch": torch.get_rng_state(),
    }
    if device.type != "cpu":
        state["device"] = torch.get_device_module(device).get_rng_state()
    return state


def load_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Go on where `random_state` was taken.

    Args:
        state: what it returned, on the same kind of device.
        device: of the network.
    """
    python, numpy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["numbers"].tolist()), python["gauss"]))
    key = np.array(numpy["state"]["key"].tolist(), dtype=np.uint32)
    np.random.set_state(numpy | {"state": numpy["state"] | {"key": key}})  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if device.type != "cpu" and "device" in state:
        torch.get_device_module(device).set_rng_state(state["device"])
