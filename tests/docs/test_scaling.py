"""The arithmetic of the page on many machines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from convatlas.nets.build import build
from convatlas.train.towers import gradient_bytes

_DOCS = Path(__file__).parents[2] / "docs"
# what the page takes for granted
_PICTURES, _BYTES, _RATE, _DECODED = 1_281_167, 115e3, 2500, 340
_GPUS = (1, 8, 64)


@pytest.mark.parametrize("name", ["scaling.md", "scaling.zh-CN.md"])
def test_every_row_follows_from_what_is_taken_for_granted(name: str) -> None:
    text = (_DOCS / name).read_text(encoding="utf-8")
    found = re.findall(r"^\| [^|]+ \| ([\d,.]+) \| ([\d,.]+) \| ([\d,.]+) \|$", text, re.MULTILINE)
    with torch.device("meta"):
        net = build("resnet50")
    assert f"{sum(p.numel() for p in net.parameters()):,}" in text
    batches = [int(batch.replace(",", "")) for batch in found[0]]
    shares = [batch // gpus for batch, gpus in zip(batches, _GPUS, strict=True)]
    speeds = [_RATE * gpus for gpus in _GPUS]
    machine = [_RATE * min(gpus, 8) for gpus in _GPUS]
    sent = [gradient_bytes(net, gpus) for gpus in _GPUS]
    rows = [
        [f"{batch:,}" for batch in batches],
        [f"{share}" for share in shares],
        [f"{_PICTURES // batch:,}" for batch in batches],
        [f"{_RATE / share:.1f}" for share in shares],
        [f"{speed:,}" for speed in speeds],
        [f"{90 * _PICTURES / speed / 3600:.2f}" for speed in speeds],
        [f"{rate * _BYTES / 1e9:.2f}" for rate in machine],
        [f"{rate / _DECODED:.1f}" for rate in machine],
        [f"{one / 1e6:.1f}" for one in sent],
        [f"{one * _RATE / share / 1e9:.2f}" for one, share in zip(sent, shares, strict=True)],
    ]
    assert [list(row) for row in found] == rows
