"""Winograd's 3×3 convolution beside oneDNN's direct one: forward and backward, in float32.

    python benchmarks/winograd.py
    python benchmarks/winograd.py vgg11 resnet50 --rounds 7    # whole steps of these networks only

First single layers, channels-last and with all threads, whether or not `pays` expects a gain there;
then whole training steps of networks, where it decides layer by layer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from machine import describe
from steps import Way, Work, measure, told
from torch import Tensor
from trial import BATCHES

from convatlas.nets.catalog import find
from convatlas.ops import conv2d_winograd
from convatlas.train import Config
from convatlas.train.allocator import keeping_freed_memory
from convatlas.train.engine import Engine
from convatlas.train.winograd import pays

LAYERS = (  # pictures, channels in and out, side
    (64, 256, 256, 16),
    (64, 256, 256, 8),
    (64, 64, 256, 16),
    (16, 128, 128, 28),
    (16, 256, 256, 14),
    (64, 64, 64, 32),
    (16, 512, 512, 7),
    (64, 32, 64, 32),
)
NETS = ("vgg11", "nin", "bn_inception", "resnet18", "resnet50")


def layer(
    name: str, convolve: Callable[..., Tensor], pictures: int, inputs: int, outputs: int, side: int
) -> Way:
    """Forward and backward through one layer, with the gradients of pictures and kernels."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(pictures, inputs, side, side, generator=draw)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    kernels = torch.randn(outputs, inputs, 3, 3, generator=draw)
    kernels = kernels.contiguous(memory_format=torch.channels_last).requires_grad_()

    def step() -> float:
        started = time.perf_counter()
        y = convolve(x, kernels, padding=1)
        torch.autograd.grad(y, (x, kernels), y.detach())
        return time.perf_counter() - started

    return Way(name, step, keeping_freed_memory)


def gain(ours: Way, direct: Way, batch: int, rounds: int) -> str:
    """How many times as fast as the direct one, as the table has it."""
    measure([ours, direct], batch, rounds)
    return told(ours.beside(direct))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("nets", nargs="*", choices=["all", *BATCHES], default="all")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    every = "all" in options.nets
    print(describe())
    print(
        "\n| what, side, batch | beside direct convolution | expected to pay |\n" + "|---" * 3 + "|"
    )
    for pictures, inputs, outputs, side in LAYERS if every else ():
        shape = (pictures, inputs, outputs, side)
        ours = layer("Winograd", conv2d_winograd, *shape)
        ratio = gain(ours, layer("direct", torch.conv2d, *shape), pictures, options.rounds)
        size = torch.Size((pictures, inputs, side, side)), torch.Size((outputs, inputs, 3, 3))
        expected = "yes" if pays(*size) else "no"
        print(f"| {inputs} → {outputs}, {side}, {pictures} | {ratio} | {expected} |", flush=True)
    config = Config(lr=1e-3)
    for name in NETS if every else options.nets:
        work = Work(name, find(name).input_size, BATCHES[name], torch.device("cpu"))
        ours, direct = (
            work.ours(name, Engine("float32", "channels-last", winograd=winograd), config)
            for winograd in (True, False)
        )
        ratio = gain(ours, direct, work.batch, options.rounds)
        print(f"| {name}, {work.side}, {work.batch} | {ratio} | |", flush=True)


if __name__ == "__main__":
    main()
