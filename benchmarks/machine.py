"""The machine that a table was made on, in one line."""

from __future__ import annotations

import os
import platform
from datetime import date

import torch

#: what decides the pace of convolutions, on x86 and on Arm, as PyTorch spells it
FEATURES = ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16", "neon", "sve", "bf16")


def describe() -> str:
    """CPU model, cores, features, PyTorch and date: without them a speed means nothing."""
    cpu = torch.cpu.get_capabilities()
    features = [name for name in FEATURES if cpu.get(name)]
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    facts = (
        cpu.get("cpu_name") or platform.processor() or platform.machine(),
        f"{os.cpu_count()} cores ({torch.get_num_threads()} threads)",
        " ".join(features) + (f", oneDNN held to {limit}" if limit else ""),
        f"torch {torch.__version__}",
        f"Python {platform.python_version()}",
        platform.system(),
        date.today().isoformat(),
    )
    return ", ".join(fact for fact in facts if fact)
