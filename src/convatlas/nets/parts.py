"""What the families share: the three rooms of a network, and the small parts they are made of."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.errors import ConfigError
from convatlas.nets import sizes

Norm = Literal["batch", "layer", "instance", "group", "none"]
Activation = Literal["relu", "gelu", "sigmoid", "tanh"]


class Net(nn.Module):
    """A classifier of three rooms, walked in this order: ``stem``, ``stages``, ``head``.

    The stem takes pixels to the first feature map, ``stages`` is a sequence whose names are the
    paper's, and the head turns the last map into logits. Analysis, explanation and fine-tuning
    rely on these three names and on nothing else.

    Args:
        num_classes: logits a picture gets.
        in_channels: channels of a picture.
        input_size: side of the square picture, in pixels. A network with a dense head takes no
            other; for the rest it is the side its paper used.
    """

    stem: nn.Module
    stages: nn.Sequential
    head: nn.Module
    #: catalogue name and the options that build this very network again; set by `catalog.build`
    name: str = ""
    options: dict[str, Any]

    def __init__(self, num_classes: int, in_channels: int, input_size: int) -> None:
        super().__init__()
        for label, value in (
            ("num_classes", num_classes),
            ("in_channels", in_channels),
            ("input_size", input_size),
        ):
            if value < 1:
                raise ConfigError(f"{label} is {value}, but it must be at least 1")
        self.num_classes, self.in_channels, self.input_size = num_classes, in_channels, input_size
        self.options = {}

    def features(self, x: Tensor) -> Tensor:
        """The last feature map, ``(N, C, H, W)``, of pictures ``(N, in_channels, H, W)``."""
        features: Tensor = self.stages(self.stem(x))
        return features

    def forward(self, x: Tensor) -> Any:
        """Logits ``(N, num_classes)`` of pictures ``(N, in_channels, H, W)``.

        Raises:
            ShapeError: the pictures do not fit; the message names the layer, shows the arithmetic
                and says the smallest side that works.
        """
        try:
            return self.walk(x)
        except (RuntimeError, ValueError) as error:  # torch knows the sizes, but not what they mean
            explained = sizes.explain(self, x, error)
            if explained is error:
                raise
            raise explained from error

    def walk(self, x: Tensor) -> Any:
        """`forward` without the explanations: what a subclass with more than one exit overrides."""
        return self.head(self.features(x))

    def deployed(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Options and weights of the network as it is saved: what only training needs is gone."""
        return dict(self.options), self.state_dict()


def chain(**layers: nn.Module | None) -> nn.Sequential:
    """A sequence with names: ``chain(conv=…, norm=…, relu=…)``; what is None is left out."""
    named = nn.Sequential()
    for name, layer in layers.items():
        if layer is not None:
            named.add_module(name, layer)
    return named


def norm(kind: Norm, channels: int, dense: bool = False) -> nn.Module | None:
    """The normalisation of a feature map ``(N, C, H, W)``, or of ``(N, C)`` where ``dense``.

    ``"layer"`` on a map is GroupNorm with one group (Wu and He 2018, section 3). ``"group"`` takes
    32 groups, or as many as divide the channels. ``"instance"`` has nothing to average over in a
    dense layer and leaves it bare there. ``"none"`` is None, so that `chain` leaves it out.
    """
    if kind not in get_args(Norm):
        raise ConfigError(f"norm is {kind!r}, but it must be one of {', '.join(get_args(Norm))}")
    if kind == "none" or (kind == "instance" and dense):
        return None
    if kind == "batch":
        return nn.BatchNorm1d(channels) if dense else nn.BatchNorm2d(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    return nn.GroupNorm(1 if kind == "layer" else math.gcd(32, channels), channels)


def activation(kind: Activation) -> nn.Module:
    """ReLU in place (its input is never needed again), or one of those before and after it."""
    match kind:
        case "relu":
            return nn.ReLU(inplace=True)
        case "gelu":
            return GELU()
        case "sigmoid":
            return nn.Sigmoid()
        case "tanh":
            return nn.Tanh()
    known = ", ".join(get_args(Activation))
    raise ConfigError(f"activation is {kind!r}, but it must be one of {known}")


class GELU(nn.GELU):
    """``y = x Φ(x)`` (Hendrycks and Gimpel 2016), at the same speed for maps of either layout.

    On a processor PyTorch takes oneDNN's kernel only for numbers in the order of their indices, so
    a channels-last map is handed over as what it is in memory, ``(N, H, W, C)``: in bfloat16 that
    takes about two thirds of the time (docs/notes/fast-recipe.md).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Same shape and layout out as in."""
        if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return super().forward(x)


class LocalResponseNorm(nn.Module):
    """Each activation divided by what its neighbours in channel order do at the same place.

    ``b = a / (k + α Σ a²)^β`` over ``size`` channels (Krizhevsky et al. 2012, section 3.3).
    PyTorch divides α by the window's size, so the paper's 1e-4 is its 5e-4.

    Args:
        towers: groups of channels that do not see each other: AlexNet's two GPUs.
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        towers: int = 1,
    ) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k, self.towers = size, alpha, beta, k, towers

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in, ``(N, C, H, W)``."""
        n, c, h, w = x.shape
        # contiguous first: a channels-last map cannot be split into towers without a copy
        within = x.contiguous().view(n * self.towers, c // self.towers, h, w)
        y = F.local_response_norm(within, self.size, self.alpha * self.size, self.beta, self.k)
        return y.view(n, c, h, w)

    def extra_repr(self) -> str:
        """The paper's constants, as ``print(net)`` shows them."""
        return (
            f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, towers={self.towers}"
        )


class SqueezeExcitation(nn.Module):
    """Each channel of a map weighted by what the whole map holds.

    ``y = x · 2σ(W₂ ReLU(W₁ mean(x)))``, the mean of each channel over its places (Hu et al.,
    "Squeeze-and-Excitation Networks", 2018, section 3). Their gate is σ; twice that is one where
    nothing is known, so that a map begins about as it is.

    Args:
        channels: of the map.
        reduction: of them, to the hidden units; the paper has 16, for wider maps.
    """

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, max(1, channels // reduction))
        self.fc2 = nn.Linear(self.fc1.out_features, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in, ``(N, C, H, W)``."""
        # not .mean(): its gradient would be a map of its own, and in a layout of its own
        means = x.sum((2, 3)) / x.shape[2:].numel()
        weights = 2 * torch.sigmoid(self.fc2(F.relu(self.fc1(means))))
        return x * weights[:, :, None, None]


def global_average_pool() -> nn.Sequential:
    """One number a channel, ``(N, C, H, W) → (N, C)`` (Lin et al. 2013, section 3.2)."""
    return chain(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())


def init_kaiming(module: nn.Module) -> None:
    """He et al. 2015: fan-out normal for convolutions; normalisation starts as the identity."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def init_xavier(module: nn.Module) -> None:
    """Glorot and Bengio 2010: uniform for convolutions and dense layers; biases zero."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
