"""The machine that a table was made on: what it is, and how fast it multiplies matrices."""

from __future__ import annotations

import os
import platform
import time
from datetime import date

import torch

#: what decides the pace of convolutions, on x86 and on Arm, as PyTorch spells it
FEATURES = ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16", "neon", "sve", "bf16")
CPU = torch.device("cpu")

_LARGEST = 8192  # side of a matrix
_LONGEST = 2.0  # seconds that a product may take


def describe(device: torch.device = CPU) -> str:
    """CPU model, cores, features, GPU, PyTorch and date: without them a speed means nothing."""
    cpu = torch.cpu.get_capabilities()
    features = [name for name in FEATURES if cpu.get(name)]
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    facts = (
        cpu.get("cpu_name") or platform.processor() or platform.machine(),
        f"{os.cpu_count()} cores ({torch.get_num_threads()} threads)",
        " ".join(features) + (f", oneDNN held to {limit}" if limit else ""),
        torch.cuda.get_device_name(device) if device.type == "cuda" else "",
        f"torch {torch.__version__}",
        f"Python {platform.python_version()}",
        platform.system(),
        date.today().isoformat(),
    )
    return ", ".join(fact for fact in facts if fact)


def peak(dtype: torch.dtype, device: torch.device = CPU) -> float:
    """Operations a second of the fastest product of two square matrices.

    The matrices grow as long as the machine gets through the next ones in two seconds; each size
    has three tries. A multiply-accumulate is two operations.
    """
    best, side = 0.0, 256
    while True:
        # not of ones, which cost less power, and so let a GPU keep a higher clock
        a = torch.randn(side, side, device=device).to(dtype)
        seconds = min(_seconds(a) for _ in range(3))
        best = max(best, 2 * side**3 / seconds)
        side *= 2
        if side > _LARGEST or 8 * seconds > _LONGEST:
            return best


def _seconds(a: torch.Tensor) -> float:
    started = time.perf_counter()
    (a @ a)[0, 0].item()  # a GPU has not begun before it is asked for a number
    return time.perf_counter() - started


if __name__ == "__main__":
    print(describe())
