"""What is said, in one line, of a source that does not fit a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from convatlas.nets.googlenet import GoogLeNet
from convatlas.weights.keymaps import Place
from convatlas.weights.nearest import likeness, nearest

_ALIKE = 0.5  # share of shapes below which no network is named


def who(net: nn.Module) -> str:
    """The network's name in the catalogue, or its class."""
    return getattr(net, "name", "") or type(net).__name__


def times(shape: Iterable[int]) -> str:
    """``64×3×7×7``."""
    return "×".join(map(str, shape)) or "one number"


def listed(names: Iterable[str]) -> str:
    """All of up to three names, or two of them and how many more."""
    first, *rest = names = list(names) or ["nothing"]
    if len(rest) < 3:
        return ", ".join(names)
    return f"{first}, {rest[0]} and {len(rest) - 1} more"


def advice(net: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """What to build for these weights, as far as their shapes tell."""
    name, share = nearest(tensors)
    own = likeness(net.state_dict(), tensors)
    if max(own, share) < _ALIKE:
        return "no network of the catalogue has such shapes"
    if own >= share:
        return f"the rest fits {who(net)}: take the whole file, or build it as it was trained"
    if name == who(net):
        return f"build {name} with the options that these weights were trained with"
    return f"its shapes fit {name} best ({share:.0%} of the kernels): build that"


def missing(net: nn.Module, said: str, names: list[str], tensors: Mapping[str, Tensor]) -> str:
    """The source lacks ``names``, as it would call them."""
    if isinstance(net, GoogLeNet) and all("aux" in name for name in names):
        what_to_do = "build the network with aux=False"
    else:
        what_to_do = advice(net, tensors)
    return f"{said} lacks tensors of {who(net)} ({listed(names)}): {what_to_do}"


def unexpected(net: nn.Module, said: str, names: list[str], tensors: Mapping[str, Tensor]) -> str:
    """The network has no place for ``names``."""
    return (
        f"{said} holds tensors that {who(net)} has no place for ({listed(names)}): "
        f"{advice(net, tensors)}"
    )


def strange(net: nn.Module, said: str, reason: str, tensors: Mapping[str, Tensor]) -> str:
    """No name is known, and by order and shape the source does not fit, for a ``reason``."""
    return (
        f"no name in {said} ({listed(tensors)}) is one of {who(net)}'s, nor does it fit by order "
        f"and shape: {reason}; {advice(net, tensors)}"
    )


def misshapen(
    net: nn.Module, said: str, name: str, place: Place, tensors: Mapping[str, Tensor]
) -> str:
    """What the source has for the tensor ``name`` is of another shape."""
    ours, theirs = place.shape, tuple(tensors[place.name].shape)
    first = next(n for n, tensor in net.state_dict().items() if tensor.dim() > 1)
    classes = getattr(net, "num_classes", None)
    if name.startswith("head.") and ours[1:] == theirs[1:] and ours[0] == classes:
        what_to_do = f"build it with num_classes={theirs[0]}"
    elif name.startswith("head.") and ours[0] == theirs[0]:
        what_to_do = "build it with the input_size that these weights were trained at"
    elif name == first and (ours[0], *ours[2:]) == (theirs[0], *theirs[2:]):
        what_to_do = f"build it with in_channels={theirs[1]}"
    else:
        what_to_do = advice(net, tensors)
    return (
        f"{place.name} in {said} is {times(theirs)}, and {who(net)} takes {times(ours)} "
        f"({name}): {what_to_do}"
    )
