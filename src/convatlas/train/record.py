"""What a run folder says of how the run was made, so that another can make it again."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convatlas.data import Dataset, ImageSet, Stream
from convatlas.nets.parts import Net
from convatlas.train.distributed import here
from convatlas.train.engine import Engine
from convatlas.train.run import Run
from convatlas.train.shards import draws
from convatlas.weights.adapt import Adapted
from convatlas.weights.catalog import PRETRAINED

_LIBRARIES = ("convatlas", "torch", "numpy", "pillow", "safetensors")


def describe(name: str, net: nn.Module, data: Dataset, run: Run) -> dict[str, Any]:
    """What is known of a run before its first step, as plain JSON types."""
    device = next(net.parameters()).device
    return {
        "net": {"name": name, "options": net.options if isinstance(net, Net) else {}},
        "data": {
            "name": data.name,
            "root": None if data.listing is None else str(data.listing.root.resolve()),
            "classes": list(data.train.classes),
            "train": _part(data.train),
            "test": _part(data.test),
        }
        | ({} if data.val is None else {"val": _part(data.val)})
        | ({} if data.origin is None else {"load": dict(data.origin)}),
        "preprocess": run.classifier.preprocess.to_dict(),
        "config": run.config.to_dict(),
        "engine": asdict(run.engine),
        "device": str(device),
        "beyond_the_seed": beyond_the_seed(net, run.engine, device),
        "versions": versions(),
        "git": git_revision(),
        "machine": machine(),
    }


def started_from(adapted: Adapted | None) -> dict[str, Any]:
    """What a run owes to pretrained weights: each tensor, and what became of it."""
    if adapted is None:
        return {}
    row, report = PRETRAINED.get(adapted.source), adapted.report
    return {
        "start": {
            "weights": adapted.source,
            "licence": row and row.licence,
            "read_as": {} if report is None else {pair.name: pair.source for pair in report.pairs},
            "reused": list(adapted.reused),
            "adapted": dict(adapted.adapted),
            "reset": dict(adapted.reset),
            "notes": list(adapted.notes),
        }
    }


def credit(description: Mapping[str, Any]) -> dict[str, Any]:
    """What a model says of the weights that its run began with."""
    start = description.get("start", {})
    said = {"weights": start.get("weights"), "weights_licence": start.get("licence")}
    return {name: value for name, value in said.items() if value}


def _part(images: ImageSet | Stream) -> dict[str, Any]:
    return {"n": len(images), "sha256": images.fingerprint()}


def beyond_the_seed(net: nn.Module, engine: Engine, device: torch.device) -> list[str]:
    """What a second run with the same seed may do otherwise, a line each."""
    lines = []
    if engine.trial:
        lines.append(
            f"a trial chose how numbers are held: precision={engine.precision} and "
            f"layout={engine.layout} choose the same"
        )
    if engine.shards > 1 and draws(net):
        lines.append("threads that share a batch draw from one random state, in no fixed order")
    if device.type != "cpu":
        lines.append(f"kernels of {device.type} add in no fixed order")
    return lines


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that touch the numbers."""
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in _LIBRARIES
    }


def machine() -> dict[str, Any]:
    """What the numbers were computed on."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "processes": here().world,
    }


def git_revision() -> str | None:
    """The commit of the working folder's repository, with ``+`` where it was changed since."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")
