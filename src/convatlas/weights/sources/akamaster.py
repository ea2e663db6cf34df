"""The residual networks for CIFAR-10 of akamaster/pytorch_resnet_cifar10."""

from __future__ import annotations

from convatlas.weights.sources.row import Pretrained

#: depth, sha-256, bytes, top-1. The hashes and sizes are of the repository's files; of the last
#: two only what their names say is known.
_FILES = (
    (20, "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8", 1_099_231, 91.73),
    (32, "d509ac1820d7f25398913559d7e81a13229b1e7adc5648e3bfa5e22dc137f850", 1_890_043, 92.63),
    (44, "014dd6541728a1c700b1642ab640e211dc6eb8ed507d70697458dc8f8a0ae2e4", 2_680_855, 93.10),
    (56, "4bfd97631478d6b638d2764fd2baff3edb1d7d82252d54439343b6596b9b5367", 3_471_733, 93.39),
    (110, "1d1ed7c2", None, 93.68),
    (1202, "f3b1deed", None, 93.82),
)


def _row(depth: int, sha256: str, size: int | None, top1: float) -> Pretrained:
    project = "https://github.com/akamaster/pytorch_resnet_cifar10"
    return Pretrained(
        id=f"resnet{depth}.akamaster",
        net=f"resnet{depth}",
        url=f"{project}/raw/master/pretrained_models/resnet{depth}-{sha256[:8]}.th",
        sha256=sha256,
        size=size,
        top1=top1,
        resize=32,
        crop=32,
        licence="BSD-2-Clause",
        citation=f"Idelbayev, “Proper ResNet implementation for CIFAR10”, {project} (2018)",
        num_classes=10,
        data="CIFAR-10",
    )


ROWS = tuple(_row(*file) for file in _FILES)
