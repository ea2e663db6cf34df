"""The last layer alone, on features that the frozen body computes once: seconds, not hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from convatlas import progress
from convatlas.classifier import Classifier
from convatlas.data import ImageSet, Pictures, Preprocess, Stream
from convatlas.data.augment.draws import chance
from convatlas.evaluate import Report, place_classes, score
from convatlas.nets.parts import Net
from convatlas.train.config import Config
from convatlas.train.engine import Engine
from convatlas.train.feed import Feed
from convatlas.train.loop import Loop
from convatlas.train.strategy import halves
from convatlas.train.tally import Tally

HEAD_ENGINE = Engine("float32", "channels-last")  # nothing to try: a layer takes no time
_BATCH = 64  # pictures that go through the body at once
_DRAWN = ("shift", "erase", "random_erase", "colour", "jitter", "trivial", "mixup", "cutmix")


def make_loop(
    net: nn.Module,
    images: ImageSet | Stream,
    preprocess: Preprocess,
    config: Config,
    engine: Engine,
) -> Loop:
    """The loop of a run: a `HeadLoop` where features can be cached, else a `Loop`."""
    if cacheable(net, images, config) and isinstance(net, Net) and isinstance(images, ImageSet):
        return HeadLoop(net, images, preprocess, config, engine)
    return Loop(net, images, preprocess, config, engine)


def cacheable(net: nn.Module, images: ImageSet | Stream, config: Config) -> bool:
    """Whether all that the last layer would ever see fits in memory: one view a picture, or two.

    With an augmentation beyond mirroring, each epoch shows the body something new, and it has to
    run again; so it has for a stream of shards, which need not fit. An average is of whole
    networks.
    """
    drawn = config.crop != "centre" or any(getattr(config, name) for name in _DRAWN)
    return (
        config.strategy == "head"
        and isinstance(net, Net)
        and isinstance(images, ImageSet)
        and not drawn
        and not config.ema
    )


class HeadLoop(Loop):
    """A `Loop` whose batches are features of the pictures instead of the pictures.

    The body is in evaluation mode and sees what prediction sees, the centre of each picture, and
    with ``flip`` its mirror image as well. A last layer that is trained so is the one that it
    would be below a frozen body.

    Args:
        net, images, preprocess, config, engine: as of `Loop`.
    """

    feed: Feed

    def __init__(
        self,
        net: Net,
        images: ImageSet,
        preprocess: Preprocess,
        config: Config,
        engine: Engine,
    ) -> None:
        self.body, head = halves(net)
        settings = replace(config, flip=False, flip_turns=False, early_share=0.0)
        super().__init__(head, images, preprocess, settings, engine)
        self.pictures, self.mirrored = images.images, config.flip
        self.known: dict[ImageSet, Tensor] = {}  # features of other sets

    def epoch(self) -> Iterator[Tally]:
        """As of `Loop`; the first one computes the features."""
        if self.feed.images is self.pictures:
            views = [self._features(self.pictures)]
            if self.mirrored:
                views.append(self._features(self.pictures, mirror=True))
            self.feed.images = torch.stack(views, dim=1)
        yield from super().epoch()

    def inputs(self, pixels: Tensor, labels: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """One view of each picture, and what the loss is made of.

        Args:
            pixels: features ``(N, views, …)``.
            labels: ``(N,)``; they may become ``(N, K)``, as `Augmentation` says.
            number: of the step, which changes nothing here.
        """
        if self.mirrored:
            second = chance(0.5, len(pixels), self.augment.noise, pixels.device)
            seen = torch.where(
                second.view(-1, *(1,) * (pixels.dim() - 2)), pixels[:, 1], pixels[:, 0]
            )
        else:
            seen = pixels[:, 0]
        return self.augment(seen, labels)

    def score(self, classifier: Classifier, images: ImageSet) -> Report:
        """As `evaluate`; the body sees each set once."""
        place = torch.tensor(place_classes(images.classes, classifier.classes))
        if images not in self.known:
            self.known[images] = self._features(images.images)
        self.net.eval()
        with torch.no_grad():
            logits = self.net(self.known[images]).float().cpu()
        self.net.train()
        return score(logits, place[images.labels], classifier.classes)

    def state_dict(self) -> dict[str, Any]:
        """As of `Loop`, with the body, which a resumed run has no other source for."""
        return super().state_dict() | {"body": self.body.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As of `Loop`."""
        super().load_state_dict(state)
        self.body.load_state_dict(state["body"])

    @torch.no_grad()
    def _features(self, pictures: Tensor | Pictures, mirror: bool = False) -> Tensor:
        """What the body makes of pictures: ``(N, …)``, on its device."""
        self.body.eval()
        found = []
        with progress.bar("features", len(pictures)) as advance:
            for start in range(0, len(pictures), _BATCH):
                pixels = pictures[start : start + _BATCH].to(self.device)
                inputs = self.preprocess(pixels.flip(-1) if mirror else pixels)
                found.append(self.body(inputs.contiguous(memory_format=torch.channels_last)))
                advance(len(pixels))
        return torch.cat(found)
