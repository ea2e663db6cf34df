"""Tar shards in the WebDataset convention: written whole, and streamed without unpacking.

::

    listing or arrays ──shard_files, shard_arrays──▶ OUT/train-000000.tar … test-….tar  index.json

    index ──order──▶ positions ──reading──▶ samples ──decoding──▶ Stream.batches

=============  ====================================================================================
file           idea
=============  ====================================================================================
``tar``        archives, a member at a time
``samples``    members of one key are a labelled picture
``index``      what the shards hold, without reading them
``writing``    all shards or none (`sharding`: files as they are, arrays as PNG)
``order``      which pictures come when, by arithmetic on positions
``reading``    those pictures, undecoded, from any position on
``decoding``   bytes to pixels, by threads
``stream``     a rank's batches and its position
``counting``   shards that others wrote (`pattern`: how they are named)
``loading``    all of it as a `Dataset`
=============  ====================================================================================
"""

from __future__ import annotations

from convatlas.data.shards.loading import claims, load
from convatlas.data.shards.sharding import shard_arrays, shard_files
from convatlas.data.shards.stream import Stream

__all__ = ["Stream", "claims", "load", "shard_arrays", "shard_files"]
