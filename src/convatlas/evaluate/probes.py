"""Linear probes: how much of new classes can be told from each stage of a trained network.

Alain and Bengio, "Understanding intermediate layers using linear classifier probes" (2016): a
linear classifier is trained on a layer's features, and the network is not. Early stages serve any
task, late ones their own (Yosinski et al. 2014, "How transferable are features in deep neural
networks?").
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas import progress
from convatlas.classifier import Classifier
from convatlas.data import ImageSet
from convatlas.errors import ModelError
from convatlas.nets.parts import Net

_GRID = 4  # a map is averaged over so many cells each way: stages compare at any map size
_BATCH = 64


def probe(classifier: Classifier, train: ImageSet, test: ImageSet) -> dict[str, float]:
    """The test accuracy of a linear classifier on the features of the stem and of each stage.

    Args:
        classifier: a network of the atlas with the preprocessing it was trained with. Its own
            classes do not matter.
        train, test: pictures of the new classes.

    Returns:
        From 0 to 1 by the stage's name, in the order a picture meets them; ``pixels`` comes first,
        what can be told without a network.

    Raises:
        ModelError: the network has no stages.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    learned, held_out = stage_features(classifier, train), stage_features(classifier, test)
    scores = {}
    for stage, features in learned.items():
        linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        linear.fit(features.numpy(), train.labels.numpy())
        scores[stage] = float(linear.score(held_out[stage].numpy(), test.labels.numpy()))
    return scores


@torch.inference_mode()
def stage_features(classifier: Classifier, images: ImageSet) -> dict[str, Tensor]:
    """What each stage makes of each picture, averaged over a 4 × 4 grid: ``(N, D)`` by its name.

    The network is in evaluation mode meanwhile; afterwards it is as it was.

    Raises:
        ModelError: the network has no stages.
    """
    net = classifier.net
    if not isinstance(net, Net):
        raise ModelError(
            f"{type(net).__name__} is no network of the atlas: its stages are not known"
        )
    stages: list[tuple[str, nn.Module]] = [("stem", net.stem), *net.stages.named_children()]
    found: dict[str, list[Tensor]] = {name: [] for name in ("pixels", *dict(stages))}
    device, training = next(net.parameters()).device, net.training
    net.eval()
    try:
        with progress.bar(f"features of {images.name}", len(images)) as advance:
            for start in range(0, len(images), _BATCH):
                pixels = images.take(slice(start, start + _BATCH)).to(device)
                x = classifier.preprocess(pixels)
                found["pixels"].append(_pooled(x))
                for name, stage in stages:
                    x = stage(x)
                    found[name].append(_pooled(x))
                advance(len(pixels))
    finally:
        net.train(training)
    return {name: torch.cat(parts) for name, parts in found.items()}


def _pooled(x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x, _GRID).flatten(1).float().cpu()
