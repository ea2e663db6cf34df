"""Pictures: from a source to an `ImageSet`, and from a picture to what a network gets.

::

    load(source) ──▶ Dataset(train, test) ──augment──▶ Preprocess ──▶ float32 (N, C, size, size)
"""

from __future__ import annotations

from convatlas.data import augment
from convatlas.data.imageset import Dataset, ImageSet
from convatlas.data.layouts import list_pictures, pictures_in
from convatlas.data.listing import Listing
from convatlas.data.pictures import Pictures
from convatlas.data.preprocess import Preprocess
from convatlas.data.shards import Stream
from convatlas.data.sources import SOURCES, download_size, load

__all__ = [
    "SOURCES",
    "Dataset",
    "ImageSet",
    "Listing",
    "Pictures",
    "Preprocess",
    "Stream",
    "augment",
    "download_size",
    "list_pictures",
    "load",
    "pictures_in",
]
