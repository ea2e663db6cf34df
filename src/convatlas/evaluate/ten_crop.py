"""Ten looks at each picture: the corners, the centre and their mirrors, averaged."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from convatlas.classifier import Classifier
from convatlas.data import Pictures, augment
from convatlas.errors import ConfigError

_TEN = 10


def ten_crop_logits(
    classifier: Classifier, pixels: Tensor | Pictures, batch_size: int = 256
) -> Tensor:
    """The logarithm of the mean of ten crops' probabilities, float32 ``(N, K)``.

    Krizhevsky et al. 2012, section 4.1: at test time the network's softmax is averaged over the
    five crops and their mirrors. Its logarithm is as good as logits: a softmax gives it back.

    Args:
        classifier: whose pictures are resized to more than its network takes.
        pixels: uint8 pictures ``(N, C, h, w)``.
        batch_size: crops that go through the network at once, about.

    Raises:
        ConfigError: the network takes the whole of the resized picture.
    """
    spec = classifier.preprocess
    if spec.resize == spec.size:
        raise ConfigError(
            f"crops of {spec.size} out of pictures of {spec.resize} are all the same one: ten "
            "crops need a model that was trained with resize above its size (256 and 224, say)"
        )
    square = replace(spec, size=spec.resize)
    of_crops = replace(classifier, preprocess=replace(spec, resize=spec.size))
    step = max(batch_size // _TEN, 1)
    answers = []
    for start in range(0, len(pixels), step):
        crops = augment.ten_crops(square.fit(pixels[start : start + step]), spec.size)
        softmax = of_crops.logits(crops.flatten(0, 1), batch_size).softmax(dim=1)
        answers.append(softmax.view(len(crops), _TEN, -1).mean(dim=1))
    smallest = torch.finfo(torch.float32).tiny  # of a class that all ten rule out
    return torch.cat(answers).clamp(min=smallest).log()
