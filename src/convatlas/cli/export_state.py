"""``convatlas export-state RUN|MODEL OUT --for torchvision|timm``: weights for another library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro


def export_state(
    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|MODEL")],
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")],
    /,
    *,
    library: Annotated[Literal["torchvision", "timm"], tyro.conf.arg(name="for")],
) -> None:
    """Write a trained network's weights under the names of torchvision or timm.

    Prints the lines that build the network there and load the file, and what pictures it expects.

    Args:
        model: a run folder, or a .safetensors file.
        out: the file to write: .pth, .pt or .safetensors.
        library: whose constructor is to load it.
    """
    from convatlas.classifier import Classifier
    from convatlas.cli.screen import console
    from convatlas.weights.export import constructor, save_state

    classifier = Classifier.load(model)
    call = constructor(classifier.net, library)
    save_state(classifier.net, out, library)
    load = f'torch.load("{out}", weights_only=True)'
    if out.suffix == ".safetensors":
        load = f'safetensors.torch.load_file("{out}")'
    say = console().print
    say(f"net = {call}")
    say(f"net.load_state_dict({load})")
    way = classifier.preprocess
    say(
        f"# pictures: short side to {way.resize}, centre {way.size}×{way.size}, in [0, 1], "
        f"minus {way.mean}, over {way.std}"
    )
    say(f"# classes: {', '.join(classifier.classes)}")
