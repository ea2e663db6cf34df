"""A network, its preprocessing and its class names, kept in one self-describing file.

The file is safetensors: plain tensors, and a header of JSON that says which network of the
catalogue they belong to, how a picture becomes its input, and what its answers are called.
Nothing in it is ever executed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, TypeAlias

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from convatlas import files
from convatlas.data import Pictures, Preprocess
from convatlas.errors import ConvAtlasError, ModelError
from convatlas.nets.build import build
from convatlas.nets.parts import Net

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "str | Path | Image"

_FORMAT = 1  # of the header; a reader refuses what it does not know
_HEADER = "convatlas"


@dataclass(frozen=True)
class Prediction:
    """What a classifier answers for one picture.

    Attributes:
        picture: the file it was asked about, or None for a picture in memory.
        label: the likeliest class.
        probability: its softmax probability.
        top: the likeliest classes (at most five) with their probabilities, best first.
    """

    picture: Path | None
    label: str
    probability: float
    top: tuple[tuple[str, float], ...]


@dataclass
class Classifier:
    """Everything it takes to get from an image file to a class name.

    Attributes:
        net: pictures ``(N, C, size, size)`` to logits ``(N, len(classes))``.
        preprocess: the one path from an image to a tensor.
        classes: names, in the order of the logits.
        card: how it came about (data, recipe, accuracy, versions): free JSON.
    """

    net: nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...]
    card: dict[str, Any] = field(default_factory=dict)

    def logits(self, pixels: Tensor | Pictures, batch_size: int = 256) -> Tensor:
        """Logits ``(N, K)``, float32 on the CPU, of uint8 pictures ``(N, C, h, w)``.

        The network is in evaluation mode meanwhile; afterwards it is as it was.

        Raises:
            ModelError: the network answers with something else.
            ShapeError: the pictures' channels are not the network's.
        """
        return self._logits(pixels, batch_size, self.preprocess)

    @torch.inference_mode()
    def _logits(
        self, pixels: Tensor | Pictures, batch_size: int, prepare: Callable[[Tensor], Tensor]
    ) -> Tensor:
        device = next((p.device for p in self.net.parameters()), torch.device("cpu"))
        modes = [(module, module.training) for module in self.net.modules()]
        self.net.eval()
        try:
            answers = [
                self._answer(prepare(pixels[start : start + batch_size].to(device))).float().cpu()
                for start in range(0, len(pixels), batch_size)
            ]
        finally:
            for module, training in modes:
                module.training = training
        return torch.cat(answers) if answers else torch.empty(0, len(self.classes))

    def _answer(self, inputs: Tensor) -> Tensor:
        if isinstance(self.net, Net):  # the faster layout; another's `view` may not take it
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        outputs = self.net(inputs)
        wanted = (len(inputs), len(self.classes))
        if isinstance(outputs, Tensor) and outputs.shape == wanted:
            return outputs
        found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ModelError(
            f"the network answers {wanted[0]} pictures with {found}, but one logit for each of "
            f"{wanted[1]} classes makes {wanted}: build it with num_classes={wanted[1]}"
        )

    def predict(self, pictures: Iterable[Picture], batch_size: int = 64) -> list[Prediction]:
        """One answer a picture, in order.

        Args:
            pictures: image files, or pictures as Pillow holds them.
            batch_size: pictures that go through the network at once.

        Raises:
            DataError: a file that is no readable image, by name.
        """
        return list(self.stream(pictures, batch_size))

    def stream(self, pictures: Iterable[Picture], batch_size: int = 64) -> Iterator[Prediction]:
        """`predict`, an answer at a time: for more pictures than memory holds."""
        waiting = iter(pictures)
        while batch := list(islice(waiting, batch_size)):
            pixels = torch.stack([self.preprocess.fit(self.preprocess.decode(p)) for p in batch])
            logits = self._logits(pixels, batch_size, self.preprocess.normalise)
            for picture, row in zip(batch, logits.softmax(dim=1), strict=True):
                best = row.topk(min(5, len(self.classes)))
                top = tuple(
                    (self.classes[i], p)
                    for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
                )
                name = Path(picture) if isinstance(picture, str | Path) else None
                yield Prediction(name, top[0][0], top[0][1], top)

    def save(self, path: str | Path) -> Path:
        """Write the file, all at once or not at all; what only training needs is left out.

        Raises:
            StorageError: the disk is full or may not be written; an older file stays whole.
        """
        if isinstance(self.net, Net) and self.net.name:
            options, tensors = self.net.deployed()
            net = {"name": self.net.name, "options": options}
        else:
            tensors, net = self.net.state_dict(), {"name": "", "class": _class_name(self.net)}
        header = {
            "format": _FORMAT,
            "net": net,
            "preprocess": self.preprocess.to_dict(),
            "classes": list(self.classes),
            "card": self.card,
        }
        # copies, because safetensors takes neither other layouts nor weights that two layers share
        plain = {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in tensors.items()
        }
        blob = safetensors.torch.save(plain, {_HEADER: json.dumps(header)})
        files.write_bytes(Path(path), blob)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path, net: nn.Module | None = None) -> Classifier:
        """Read a file that `save` wrote; the network comes in evaluation mode.

        Args:
            path: the file, or a run folder that holds ``model.safetensors``.
            net: the network to fill, for one that is not of the catalogue.

        Raises:
            ModelError: no such file, not a model of ours, damaged, or a network that does not fit.
        """
        path = Path(path)
        path = path / "model.safetensors" if path.is_dir() else path
        header = _read_header(path)
        net = net if net is not None else _rebuild(path, header["net"])
        try:
            net.load_state_dict(safetensors.torch.load_file(path))
        except RuntimeError as error:
            reason = shorten(str(error), 300, placeholder=" …")
            raise ModelError(f"{path} does not fit the network: {reason}") from None
        return cls(
            net.eval(),
            Preprocess.from_dict(header["preprocess"]),
            tuple(header["classes"]),
            header["card"],
        )


def holds_classifier(path: Path) -> bool:
    """Whether a file is one that `Classifier.save` wrote, by its header alone."""
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            return _HEADER in (opened.metadata() or {})
    except (safetensors.SafetensorError, OSError):  # a file of another kind, or none
        return False


def _class_name(net: nn.Module) -> str:
    return f"{type(net).__module__}.{type(net).__qualname__}"


def _read_header(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ModelError(f"there is no model at {path}: give a run folder or a .safetensors file")
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is not a whole safetensors file ({error}): copy it again"
        ) from None
    if _HEADER not in metadata:
        raise ModelError(
            f"{path} holds tensors but no ConvAtlas header: it is not a model saved here, "
            "but `load_weights` may read it into a network"
        )
    try:
        header: dict[str, Any] = json.loads(metadata[_HEADER])
        found = header["format"]
    except (ValueError, TypeError, KeyError):
        raise ModelError(f"{path} has a header that cannot be read: copy it again") from None
    if found != _FORMAT:
        raise ModelError(
            f"{path} has header format {found}, and this version reads {_FORMAT}: update convatlas"
        )
    return header


def _rebuild(path: Path, description: dict[str, Any]) -> nn.Module:
    if not description["name"]:
        raise ModelError(
            f"{path} holds a network of your own ({description['class']}): make one and pass it, "
            "Classifier.load(path, net=…)"
        )
    try:
        return build(description["name"], **description["options"])
    except ConvAtlasError as error:
        raise ModelError(f"{path} cannot be rebuilt: {error}") from None
