from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

#: page faults of the second of two equal allocations above glibc's limit for its own memory
FAULTS = """
import resource, sys, torch
from convatlas.memory import keep_freed
print(keep_freed() if sys.argv[1] == "keep" else None)
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(12_000_000).fill_(1.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def ran(how: str, **variables: str) -> tuple[str, int]:
    command = [sys.executable, "-c", FAULTS, how]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | variables
    )
    said, faults = done.stdout.split()
    return said, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_second_batch_takes_the_memory_of_the_first() -> None:
    """48 MB are 11,719 pages of 4 KiB; where the system has larger ones, they are fewer."""
    said, faults = ran("keep")
    assert said == "True"
    assert faults < 10
    assert ran("as it is")[1] >= 20


def test_what_the_user_has_set_is_left_alone() -> None:
    assert ran("keep", MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"
