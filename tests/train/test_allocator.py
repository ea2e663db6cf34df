from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from convatlas.train.allocator import keeping_freed_memory

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")

PROGRAM = """
import resource
import torch
from convatlas.train.allocator import keeping_freed_memory

torch.set_num_threads(1)

def faults():
    def step():
        blocks = [torch.ones(6_000_000) for _ in range(4)]  # of 24 MB each

    for _ in range(3):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 10**6

print(megabytes())
for _ in range(2):
    print(faults())
    with keeping_freed_memory():
        print(faults(), megabytes())
    print(megabytes())
"""


@pytest.mark.slow
@glibc
def test_pages_stay_while_it_lasts_and_go_back_afterwards() -> None:
    """By itself: a process of its own, for what has been freed in this one would play a part."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    begun, *numbers = map(int, done.stdout.split())
    # without it: 100,000 pages, or, where something small holds the heap open, no way back
    for _, within, then, after in (numbers[:4], numbers[4:]):
        assert within < 100
        assert then > begun + 90
        assert after < begun + 20


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", None)
    with keeping_freed_memory():
        pass


@glibc
def test_what_is_raised_inside_comes_out() -> None:
    with pytest.raises(KeyError), keeping_freed_memory():
        raise KeyError
