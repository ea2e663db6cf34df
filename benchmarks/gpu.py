"""ResNet-50 on a GPU: compiled, in bf16 and channels-last, beside plain autocast and float32.

    python benchmarks/gpu.py                                          # on the GPU that is there
    python benchmarks/gpu.py --device cpu --net lenet_bn --side 28 --batch 8 --rounds 1

Our steps are those that `fit` makes with compiled=True; the plain ones are a short loop's
(`peers/plain.py`), contiguous unless they say otherwise, and as the network stands. All learn
from the same made-up batch, which is on the device already.
"""

from __future__ import annotations

import torch
from steps import Work, arguments, report

from convatlas.train import Config
from convatlas.train.engine import Engine
from convatlas.train.optim import best_device


def main() -> None:
    parser = arguments(__doc__, batch=256)
    parser.add_argument("--device", type=torch.device, default=best_device())
    options = parser.parse_args()
    work = Work(options.net, options.side, options.batch, options.device)
    config = Config(optimizer="sgd", lr=1e-3, compiled=True)
    engine = Engine("bfloat16", "channels-last")
    nchw = torch.contiguous_format
    ways = (
        work.ours(f"ConvAtlas, {engine}, compiled", engine, config),
        work.plain("plain, bfloat16 autocast, channels-last", torch.bfloat16, torch.channels_last),
        work.plain("plain, bfloat16 autocast", torch.bfloat16, nchw),
        work.plain("plain, float32", torch.float32, nchw),
    )
    report(work, ways, options.rounds)


if __name__ == "__main__":
    main()
