"""What torchvision's published weights were trained with: its reference script's two recipes."""

from __future__ import annotations

from convatlas.nets.catalog import Row
from convatlas.train.config import Config


def torchvision_v1(row: Row) -> Config:
    """The weights ``IMAGENET1K_V1``: 90 epochs of SGD, ÷ 10 every 30.

    torchvision, ``references/classification/README.md``: 8 GPUs with 32 pictures each; AlexNet and
    VGG without batch normalisation at .01, and ResNeXt for 100 epochs. ResNet-50 comes to
    76.130 % top-1, VGG-16 to 71.592 %, AlexNet (`alexnet_owt`) to 56.522 %.
    """
    epochs = 100 if row.family == "ResNeXt" else 90
    bare = row.family in ("AlexNet", "VGG") and row.options.get("norm", "none") == "none"
    return Config(
        recipe="torchvision-v1",
        epochs=epochs,
        batch_size=256,
        size="paper",
        resize=256,
        crop="resized",
        flip=True,
        optimizer="sgd",
        lr=0.01 if bare else 0.1,
        momentum=0.9,
        nesterov=False,
        weight_decay=1e-4,
        decay_everything=True,
        schedule="step",
        drops=((30 / epochs, 0.1), (60 / epochs, 0.01), (90 / epochs, 0.001))[: (epochs - 1) // 30],
    )


def torchvision_v2() -> Config:
    """The weights ``IMAGENET1K_V2``: 600 epochs with all that helps; ResNet-50 to 80.858 % top-1.

    Vryniotis, "How to Train State-Of-The-Art Models Using TorchVision's Latest Primitives" (2021).
    8 GPUs with 128 pictures each. It trains at 176 pixels what is evaluated at 224 (FixRes). The
    average moves at every step, and torchvision's 32 times as far at every 32nd. Left out: repeated
    augmentation, which shows a picture four times in one batch.
    """
    epochs, batch_size = 600, 1024
    return Config(
        recipe="torchvision-v2",
        epochs=epochs,
        batch_size=batch_size,
        size="paper",
        resize=232,
        crop="resized",
        early_share=1.0,
        early_scale=176 / 224,
        flip=True,
        trivial=True,
        random_erase=0.1,
        mixup=0.2,
        cutmix=1.0,
        label_smoothing=0.1,
        optimizer="sgd",
        lr=0.5,
        momentum=0.9,
        nesterov=False,
        weight_decay=2e-5,
        schedule="cosine",
        warmup=5 / epochs,
        ema=1 - 2e-5 * batch_size / epochs,
    )
