"""``convatlas env``: what a bug report needs."""

from __future__ import annotations

from typing import Any

from convatlas.cli.screen import console, print_json

_LIBRARIES = (
    "convatlas",
    "torch",
    "numpy",
    "pillow",
    "safetensors",
    "tyro",
    "rich",
    "scikit-learn",
    "matplotlib",
)


def env(json: bool = False) -> None:
    """Print versions, processor, threads, devices and the cache's place, for a bug report.

    Args:
        json: print JSON.
    """
    found = describe()
    if json:
        print_json(found)
        return
    width = max(map(len, found))
    for name, value in found.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {one}" for key, one in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        console().print(f"{name:{width}}  {value if value != '' else '-'}", markup=False)


def describe() -> dict[str, Any]:
    """The same as JSON types."""
    import os
    import platform
    from importlib.metadata import version

    from convatlas.files import cache_dir
    from convatlas.train.record import machine

    here = machine()
    return {
        "system": here["system"],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _LIBRARIES},
        "processor": here["processor"],
        "features": processor_features(),
        "kernels": here["capability"],
        "cores": os.cpu_count(),
        "threads": here["threads"],
        "devices": _devices(),
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("CONVATLAS_", "OMP_", "MKL_", "ONEDNN_"))
        },
        "cache": str(cache_dir()),
    }


#: by the name that Linux gives to a feature of the processor: what decides here about speed
_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 bf16",
    "amx_tile": "AMX",
    "amx_bf16": "AMX bf16",
    "amx_int8": "AMX int8",
    "asimd": "NEON",
    "bf16": "Arm bf16",
    "sve": "SVE",
}


def processor_features(cpuinfo: str | None = None) -> list[str]:
    """What the processor can do for us; empty where the system does not say.

    Args:
        cpuinfo: the text of Linux's ``/proc/cpuinfo``; read where it is not given.
    """
    from pathlib import Path

    if cpuinfo is None:
        try:
            cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        except OSError:
            return []
    lines = [line.partition(":") for line in cpuinfo.splitlines()]
    flags = next((v.split() for k, _, v in lines if k.strip() in ("flags", "Features")), [])
    return [label for flag, label in _FEATURES.items() if flag in flags]


def _devices() -> list[str]:
    """The processor, and what torch can compute on beside it."""
    import torch

    if torch.cuda.is_available():
        gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    else:
        gpus = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *gpus]
