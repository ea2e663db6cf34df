"""Training steps by code that PyTorch writes for one network: ``torch.compile``."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from typing import cast

import torch
from torch import nn

from convatlas.errors import ConfigError


def check_compiler(device: torch.device) -> None:
    """See that there is what `compile_steps` needs, which it would miss in the first step only.

    Raises:
        ConfigError: there is none.
    """
    if device.type == "cpu":  # as torch._inductor looks for one
        usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
        names = [os.environ.get("CXX", usual)]
    else:  # as Triton does
        names = [os.environ.get("CC", "gcc"), "clang"]
    if not any(map(shutil.which, names)):
        raise ConfigError(
            f"compiled is True, but there is no compiler here ({' or '.join(names)}): install one "
            "(apt install g++, say), or leave compiled out"
        )


def compile_steps(net: nn.Module) -> nn.Module:
    """What answers as the network does, with its weights, by code written at the first call.

    Each shape of input, and each choice of what is trained, has code of its own: code for any
    shape would depend on the shapes before, and a resumed run could come out otherwise.
    """
    with warnings.catch_warnings():
        # what PyTorch imports here is older than its own advice
        warnings.simplefilter("ignore", DeprecationWarning)
        return cast(nn.Module, torch.compile(net, dynamic=False))
