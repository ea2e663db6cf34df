"""Augmentation of a whole batch at once, on the device where it lies.

Each function takes pictures ``(N, C, H, W)`` and returns a new batch; each picture gets a draw of
its own from ``generator``, which may live on another device than the pictures, and the same seed
draws the same. Where a function has a ``draw_`` beside it, that one only draws and ``apply_``
only applies, so that what was drawn can be looked at or used elsewhere.

======================  ==================================  ===========================
file                    functions                           pixels
======================  ==================================  ===========================
``geometry``            `flip`, `mirror`, `shift`, `crop`   uint8 or any float
``boxes``               `resized_crop` and its boxes        uint8 or any float
``corners``             `five_crops`, `ten_crops`           uint8 or any float
``erasing``             `erase`, `random_erase`             uint8 or any float
``mixing``              `mixup`, `cutmix`                   uint8 or any float
``colour``              `jitter`                            uint8 or float in [0, 1]
``pca``                 `pca_colour`                        uint8 or float in [0, 1]
``trivial``             `trivial_augment`                   uint8
======================  ==================================  ===========================

Zero is what lies outside a picture: black in uint8, the mean after normalising.
"""

from __future__ import annotations

from convatlas.data.augment.boxes import crop_box, draw_boxes, resized_crop
from convatlas.data.augment.colour import jitter
from convatlas.data.augment.corners import five_crops, one_of_ten, ten_crops
from convatlas.data.augment.erasing import erase, random_erase
from convatlas.data.augment.geometry import crop, flip, mirror, shift
from convatlas.data.augment.mixing import Mixed, cutmix, mixup
from convatlas.data.augment.pca import ColourBasis, pca_colour
from convatlas.data.augment.trivial import trivial_augment

__all__ = [
    "ColourBasis",
    "Mixed",
    "crop",
    "crop_box",
    "cutmix",
    "draw_boxes",
    "erase",
    "five_crops",
    "flip",
    "jitter",
    "mirror",
    "mixup",
    "one_of_ten",
    "pca_colour",
    "random_erase",
    "resized_crop",
    "shift",
    "ten_crops",
    "trivial_augment",
]
