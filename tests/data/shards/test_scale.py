"""A hundred thousand pictures and four readers: none twice, none lost, and memory stays flat."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from convatlas.data.shards.index import Index

COUNT = 100_000

RANK = """
import json, sys
from convatlas.data.shards import Stream
from convatlas.data.shards.index import Index
from pathlib import Path
folder, rank, world, epoch = Path(sys.argv[1]), *map(int, sys.argv[2:])
stream = Stream(Index.read(folder / "index.json"), rank=rank, world=world, epoch=epoch)
print(json.dumps([int(sample.member[:9]) for sample in stream.undecoded()]))
"""

MEMORY = """
import json, resource, sys
from convatlas.data.shards import Stream
from convatlas.data.shards.index import Index
from pathlib import Path
stream = Stream(Index.read(Path(sys.argv[1]) / "index.json"), side=8)
peaks = []
for number, (pixels, labels) in enumerate(stream.batches(100)):
    if number % 100 == 99:
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(json.dumps(peaks))
"""


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> list[int]:
    found: list[int] = json.loads(process.communicate()[0])
    return found


@pytest.mark.slow
def test_a_hundred_thousand_by_four_processes(numbered: Callable[..., Index]) -> None:
    folder = numbered(COUNT, 10).shards[0].path.parent  # ten shards are not a multiple of four
    ranks = [said(process) for process in [child(RANK, folder, rank, 4, 1) for rank in range(4)]]
    assert [len(one) for one in ranks] == [COUNT // 4] * 4
    assert Counter(key for one in ranks for key in one) == dict.fromkeys(range(COUNT), 1)
    peaks = said(child(MEMORY, folder))
    assert len(peaks) == 10
    # in kB; the last 90,000 are 180 MB of shards, and 50 MB as samples, were they kept
    assert peaks[-1] - peaks[0] < 10_000
