"""Two real processes, a tower in each, against the network in one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from convatlas.errors import ConfigError
from convatlas.nets.alexnet import AlexNet
from convatlas.nets.build import build
from convatlas.train.towers import Link, crossing_bytes, gradient_bytes

_DOCS = Path(__file__).parents[2] / "docs"
# it writes by how much a half of each thing differs, as a share of the largest number of the whole
_PROGRAM = """
    import json
    import torch
    from torch.nn import functional as F
    from convatlas.errors import ConfigError
    from convatlas.nets.build import build
    from convatlas.train.distributed import joined
    from convatlas.train.towers import Link, Tower, crossing_bytes

    options, batch = {options}, {batch}
    with joined(90) as ranks:
        torch.manual_seed(0)
        net = build("alexnet", init="default", **options).eval()  # in towers, dropout is their own
        link = Link()
        tower = Tower(net, link).eval()
        pixels = torch.randn(batch, 3, net.input_size, net.input_size)
        labels = torch.arange(batch) % net.num_classes
        logits = tower(pixels)
        F.cross_entropy(logits, labels).backward()
        sent = link.sent
        whole = net(pixels)
        F.cross_entropy(whole, labels).backward()

        def apart(mine, expected, all):
            return float((mine - expected).abs().max() / all.abs().max())

        off = {{"logits": apart(logits, whole, whole)}}
        for name, parameter in tower.named_parameters():
            gradient = net.get_parameter(name).grad
            off[name] = apart(parameter.grad, gradient.chunk(2)[ranks.rank], gradient)
        again = all(torch.equal(w, net.get_parameter(n)) for n, w in {whole}.items())
        refused = []
        for wrong in {wrong}:
            try:
                Tower(build("alexnet", **{{**options, **wrong}}), link)
            except ConfigError as error:
                refused.append(str(error))
        found = dict(
            off=off, again=again, sent=sent, expected=crossing_bytes(net, batch), refused=refused
        )
        open(f"{{ranks.rank}}.json", "w").write(json.dumps(found))
"""


def compare(
    processes: Any,
    options: dict[str, Any],
    batch: int,
    whole: str = "{}",
    wrong: tuple[dict[str, int], ...] = (),
) -> list[list[str]]:
    """Forward and backward to 1e-5, for the sums are in another order; what was refused."""
    said = processes.run(_PROGRAM.format(options=options, batch=batch, whole=whole, wrong=wrong))
    refused = []
    for rank in range(2):
        path = processes.folder / f"{rank}.json"
        assert path.exists(), said[rank]
        found = json.loads(path.read_text())
        assert len(found["off"]) == 1 + 2 * 8  # logits, and weights and biases of eight layers
        assert max(found["off"].values()) < 1e-5, found["off"]
        assert found["again"]
        assert found["sent"] == found["expected"]
        refused.append(found["refused"])
    return refused


@pytest.mark.slow
def test_two_towers_are_the_network(processes: Any) -> None:
    small = {"channels": (4, 8, 12, 12, 8), "hidden": 20, "num_classes": 6, "input_size": 67}
    wrong = ({"num_classes": 7}, {"towers": 1})
    for lines in compare(processes, small, 5, "tower.whole()", wrong):
        assert lines == [
            "two towers have 7 units or classes between them: it must be an even number",
            "alexnet has one tower, and the paper's alexnet has two: take that",
        ]


@pytest.mark.slow
def test_as_published(processes: Any) -> None:
    """Pictures of 227×227, 61 million parameters."""
    compare(processes, {}, batch=2)


def test_one_process_has_no_towers() -> None:
    with pytest.raises(ConfigError, match="two towers need two processes, and there are 1"):
        Link()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scaling.md", "scaling.zh-CN.md"])
def test_the_table_of_the_docs(name: str) -> None:
    net = build("alexnet")
    assert isinstance(net, AlexNet)
    text = (_DOCS / name).read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d,]+) \| ([\d.,]+) MB \| ([\d.,]+) MB \|$", text, re.MULTILINE)
    assert len(rows) >= 3
    for pictures, towers, copies in rows:
        batch = int(pictures.replace(",", ""))
        assert towers == f"{crossing_bytes(net, batch) / 1e6:,.1f}"
        assert copies == f"{gradient_bytes(net, 2) / 1e6:,.1f}"
