"""airbench94 with Muon, on a CPU: the best known way to 94 % on CIFAR-10 in little arithmetic.

Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024), and Jordan et al., "Muon" (2024),
which trains its kernels. Written anew from what they describe: a frozen first layer that whitens
2×2 patches, six convolutions that begin as the identity, normalisation with biases and without
scales, mirroring by turns, and a prediction from six views of each picture.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPOCHS = 8
_BATCH = 2000
_PATCHED = 5000  # pictures whose patches are whitened
_EPSILON = 5e-4  # on the eigenvalues of those
_BIAS_LR, _HEAD_LR, _KERNEL_LR = 0.053, 0.67, 0.24
_MOMENTUM, _KERNEL_MOMENTUM = 0.85, 0.6
_DECAY = 2e-6 * _BATCH
_SMOOTHING = 0.2
_SHIFT = 2
_WHITEN_EPOCHS = 3  # in which the first layer's bias learns


class Outcome(NamedTuple):
    """Test accuracy in percent, and the seconds of training and of the one evaluation."""

    accuracy: float
    training: float
    evaluating: float


class Airbench(nn.Module):
    """The network: pictures ``(N, 3, 32, 32)`` to logits ``(N, 10)``."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.weight.requires_grad_(False)
        widths = (24, 64, 256, 256)
        self.groups = nn.Sequential(*(group(a, b) for a, b in pairwise(widths)), nn.MaxPool2d(3))
        self.head = nn.Linear(widths[-1], num_classes, bias=False)
        self.head.weight.data /= self.head.weight.data.std()

    def forward(self, x: Tensor, whiten_learns: bool = True) -> Tensor:
        """Logits; the first layer's bias gets a gradient only while it learns."""
        bias = self.whiten.bias
        assert bias is not None
        x = F.conv2d(x, self.whiten.weight, bias if whiten_learns else bias.detach())
        x = self.groups(F.gelu(x)).flatten(1)
        logits: Tensor = self.head(x) / x.shape[1]
        return logits


def group(c_in: int, c_out: int) -> nn.Sequential:
    """Two convolutions, the first one before a pool, and biases in place of the scales."""
    return nn.Sequential(
        convolution(c_in, c_out),
        nn.MaxPool2d(2),
        normalisation(c_out),
        nn.GELU(),
        convolution(c_out, c_out),
        normalisation(c_out),
        nn.GELU(),
    )


def convolution(c_in: int, c_out: int) -> nn.Conv2d:
    """Its first channels pass their input on."""
    layer = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[:c_in])
    return layer


def normalisation(channels: int) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad_(False)
    return layer


def whiten(layer: nn.Conv2d, images: Tensor) -> None:
    """Make the first layer answer with uncorrelated numbers of equal size, and their negatives.

    Args:
        layer: 24 kernels of 3×2×2.
        images: normalised, ``(N, 3, H, W)``.
    """
    patches = F.unfold(images[:_PATCHED].float(), 2).transpose(1, 2).reshape(-1, 12)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    kernels = (vectors / (values + _EPSILON).sqrt()).T.flip(0).view(12, 3, 2, 2)
    layer.weight.data.copy_(torch.cat([kernels, -kernels]))
    assert layer.bias is not None
    layer.bias.data.zero_()


class Muon(torch.optim.Optimizer):
    """Orthogonal steps for kernels, whose norms are held at the root of their number."""

    def __init__(self, kernels: list[nn.Parameter], lr: float, momentum: float) -> None:
        super().__init__(kernels, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of each kernel."""
        for settings in self.param_groups:
            for kernel in settings["params"]:
                state, momentum = self.state[kernel], settings["momentum"]
                moved = state.setdefault("moved", torch.zeros_like(kernel))
                moved.mul_(momentum).add_(kernel.grad)
                matrix = kernel.grad.add(moved, alpha=momentum).flatten(1)
                kernel.mul_(math.sqrt(len(kernel)) / kernel.norm())
                kernel.add_(orthogonal(matrix).view_as(kernel), alpha=-settings["lr"])


def orthogonal(matrix: Tensor, steps: int = 3) -> Tensor:
    """Newton and Schulz's iteration, its coefficients chosen for three steps' sake."""
    tall = len(matrix) > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    answer: Tensor = x.T if tall else x
    return answer


def batches(
    images: Tensor, labels: Tensor, epoch: int, flipped: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """An epoch in a new order, moved by up to two pixels; every other epoch shows mirror images.

    Args:
        images: normalised, ``(N, 3, H, W)``.
        labels: ``(N,)``.
        epoch: from 0.
        flipped: bool ``(N,)``: which of them the first epoch mirrors.
    """
    side, padded = images.shape[-1], F.pad(images, (_SHIFT,) * 4, "reflect")
    size = min(_BATCH, len(images))
    for chosen in torch.randperm(len(images))[: len(images) // size * size].split(size):  # type: ignore[no-untyped-call]
        mirrored = flipped[chosen] ^ (epoch % 2 == 1)
        x = padded[chosen]
        x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
        top, left = torch.randint(2 * _SHIFT + 1, (2, len(chosen)))
        moved = torch.empty_like(x[..., :side, :side])
        for y, z in {*zip(top.tolist(), left.tolist(), strict=True)}:
            here = (top == y) & (left == z)
            moved[here] = x[here, :, y : y + side, z : z + side]
        yield moved.contiguous(memory_format=torch.channels_last), labels[chosen]


def predict(net: nn.Module, images: Tensor) -> Tensor:
    """Logits ``(N, 10)``: half of them of the pictures, half of them moved by a pixel, mirrored.

    Args:
        net, images: what answers, and of what, ``(N, 3, H, W)``.
    """

    def both(x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        mean: Tensor = (net(x) + net(x.flip(-1))) / 2
        return mean

    found = []
    with torch.no_grad():
        for x in images.split(_BATCH):  # type: ignore[no-untyped-call]
            side, padded = x.shape[-1], F.pad(x, (1,) * 4, "reflect")
            moved = sum(both(padded[..., i : i + side, i : i + side]) for i in (0, 2))
            found.append(both(x) / 2 + moved / 4)
    return torch.cat(found)


def train(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    seed: int,
    epochs: int = EPOCHS,
    dtype: torch.dtype = torch.bfloat16,
) -> Outcome:
    """Train and test once.

    Args:
        train, test: uint8 ``(N, 3, 32, 32)`` and int64 ``(N,)``.
        seed: of everything that is drawn.
        epochs: passes over the training pictures.
        dtype: of weights and activations; without bf16 instructions float32 is much faster.
    """
    started = time.perf_counter()
    torch.manual_seed(seed)
    pixels = train[0].float() / 255
    mean, std = pixels.mean((0, 2, 3), keepdim=True), pixels.std((0, 2, 3), keepdim=True)
    images, labels = ((pixels - mean) / std).to(dtype), train[1]
    net = Airbench()
    whiten(net.whiten, images)
    net.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    kernels = [p for p in net.parameters() if p.dim() == 4 and p.requires_grad]
    first = net.whiten.bias
    assert first is not None
    biases = [p for n, p in net.groups.named_parameters() if p.requires_grad and p.dim() == 1]
    rest = [
        {"params": [first], "lr": _BIAS_LR, "weight_decay": _DECAY / _BIAS_LR},
        {"params": biases, "lr": _BIAS_LR, "weight_decay": _DECAY / _BIAS_LR},
        {"params": [net.head.weight], "lr": _HEAD_LR, "weight_decay": _DECAY / _HEAD_LR},
    ]
    optimizers = (
        torch.optim.SGD(rest, momentum=_MOMENTUM, nesterov=True),
        Muon(kernels, _KERNEL_LR, _KERNEL_MOMENTUM),
    )
    rates = [(part, part["lr"]) for one in optimizers for part in one.param_groups]
    each = max(1, len(images) // _BATCH)
    flipped, step = torch.rand(len(images)) < 0.5, 0
    for epoch in range(epochs):
        for x, y in batches(images, labels, epoch, flipped):
            for settings, rate in rates:
                over = min(_WHITEN_EPOCHS, epochs) if settings["params"][0] is first else epochs
                settings["lr"] = rate * max(0.0, 1 - step / (over * each))
            logits = net(x, whiten_learns=epoch < _WHITEN_EPOCHS)
            loss = F.cross_entropy(logits.float(), y, label_smoothing=_SMOOTHING, reduction="sum")
            loss.backward()  # type: ignore[no-untyped-call]
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            step += 1
    net.eval()
    trained = time.perf_counter()
    answers = predict(net, ((test[0].float() / 255 - mean) / std).to(dtype)).argmax(1)
    accuracy = 100 * (answers == test[1]).double().mean().item()
    return Outcome(accuracy, trained - started, time.perf_counter() - trained)
