"""ResNet-50 on a CPU: as `convatlas train` would hold its numbers, beside plain float32.

    python benchmarks/resnet50.py

The trial chooses number format, layout and threads, as it does at the start of each run. The plain
steps are a short loop's (`peers/plain.py`), in both layouts. All learn from the same made-up batch.
"""

from __future__ import annotations

import torch
from machine import CPU
from steps import Work, arguments, report

from convatlas.train import Config
from convatlas.train.allocator import keeping_freed_memory
from convatlas.train.trial import choose


def main() -> None:
    options = arguments(__doc__, batch=16).parse_args()
    work = Work(options.net, options.side, options.batch, CPU)
    config = Config(optimizer="sgd", lr=1e-3)
    with keeping_freed_memory():
        engine = choose(work.build(), *work.pictures(), config)
    ways = (
        work.ours(f"ConvAtlas, {engine}", engine, config),
        work.plain("plain, float32, channels-last", torch.float32, torch.channels_last),
        work.plain("plain, float32, contiguous", torch.float32, torch.contiguous_format),
    )
    report(work, ways, options.rounds)


if __name__ == "__main__":
    main()
