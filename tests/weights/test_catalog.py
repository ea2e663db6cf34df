"""The catalogue beside its sources: torchvision's enumerations, timm's configurations."""

from __future__ import annotations

import math
import subprocess
import sys
from types import ModuleType

import pytest
import torch

from convatlas.errors import UnknownNameError
from convatlas.nets.build import build
from convatlas.nets.catalog import CATALOG
from convatlas.weights.catalog import PRETRAINED, Pretrained, find
from convatlas.weights.keymaps import Naming, keymap

TORCHVISION = [row for row in PRETRAINED.values() if row.id.partition(".")[2][:4] == "tv_v"]
AKAMASTER = [row for row in PRETRAINED.values() if row.id.endswith(".akamaster")]
HUB = [row for row in PRETRAINED.values() if row not in (*TORCHVISION, *AKAMASTER)]
#: networks of the atlas, and torchvision's names for them
NETS = {
    "alexnet_owt": "alexnet",
    "googlenet_bn": "googlenet",
    **{row.net: row.net for row in TORCHVISION if row.net not in ("alexnet_owt", "googlenet_bn")},
}


def ids(rows: list[Pretrained]) -> list[str]:
    return [row.id for row in rows]


# ----------------------------------------------------------------------------------- torchvision


def test_every_file_of_torchvision_for_our_networks_is_there(
    torchvision_models: ModuleType,
) -> None:
    known = {
        f"{net}.tv_{weights.name[-2:].lower()}": weights.url
        for net, name in NETS.items()
        for weights in torchvision_models.get_model_weights(name)
        if weights.name.startswith("IMAGENET1K_V")
    }
    assert {row.id: row.url for row in TORCHVISION} == known
    assert len(known) == 25


@pytest.mark.parametrize("row", TORCHVISION, ids=ids(TORCHVISION))
def test_a_row_is_what_torchvision_says(row: Pretrained, torchvision_models: ModuleType) -> None:
    name = f"IMAGENET1K_V{row.id[-1]}"
    weights = torchvision_models.get_model_weights(NETS[row.net])[name]
    transforms = weights.transforms()
    assert row.top1 == weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert row.size is not None
    assert row.size / 2**20 == pytest.approx(weights.meta["_file_size"], abs=5e-7)
    assert row.url.endswith(f"-{row.sha256}.pth")
    assert len(row.sha256) == 8
    assert [row.resize] == transforms.resize_size
    assert [row.crop] == transforms.crop_size
    assert row.interpolation == transforms.interpolation.value
    assert row.num_classes == len(weights.meta["categories"])
    assert not row.caveat
    if row.net != "googlenet_bn":
        assert (list(row.mean), list(row.std)) == (transforms.mean, transforms.std)


def test_googlenet_sees_what_torchvisions_transform_input_gives(
    torchvision_models: ModuleType,
) -> None:
    """That net normalises ImageNet's way first and then anew, which amounts to our numbers."""
    row = find("googlenet_bn.tv_v1")
    theirs = torchvision_models.GoogLeNet(transform_input=True, init_weights=False)
    transforms = torchvision_models.GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    pixels = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    mean, std, own_mean, own_std = (
        torch.tensor(numbers)[:, None, None]
        for numbers in (transforms.mean, transforms.std, row.mean, row.std)
    )
    # in float32, of values below 2: a few units in the last place
    torch.testing.assert_close(
        (pixels - own_mean) / own_std,
        theirs._transform_input((pixels - mean) / std),
        rtol=0,
        atol=1e-6,
    )


# ------------------------------------------------------------------------------------------ timm


def test_every_file_of_timms_hub_for_our_networks_is_there(timm_models: ModuleType) -> None:
    own = {row.net for row in (*TORCHVISION, *HUB)}
    known = {name for name in timm_models.list_pretrained() if name.partition(".")[0] in own}
    assert {row.id for row in HUB} == known - {"resnet50.bamboo"}
    bamboo = timm_models.get_pretrained_cfg("resnet50.bamboo")
    assert (bamboo.num_classes, bamboo.license) == (0, None)


@pytest.mark.parametrize("row", HUB, ids=ids(HUB))
def test_a_row_is_what_timm_says(row: Pretrained, timm_models: ModuleType) -> None:
    config = timm_models.get_pretrained_cfg(row.id)
    assert row.url == f"https://huggingface.co/{config.hf_hub_id}/resolve/main/model.safetensors"
    assert row.licence.lower() == config.license
    assert row.non_commercial == ("-nc" in config.license)
    assert (row.mean, row.std) == (config.mean, config.std)
    assert row.interpolation == config.interpolation
    assert bool(row.caveat) == (config.interpolation != "bilinear")
    assert row.num_classes == config.num_classes
    # of the two sizes that timm knows, the one that is 224, with its share of the resized side
    share = {config.test_input_size: config.test_crop_pct, config.input_size: config.crop_pct}
    assert row.resize == math.floor(row.crop / share[3, row.crop, row.crop])
    if config.paper_ids and "ra4" not in row.id:  # a recipe of timm's own, younger than the paper
        assert config.paper_ids in row.citation
    assert (row.sha256, row.size) == ("", None)


def test_both_measured_the_same_weights() -> None:
    """timm has torchvision's files, too, and its own figure for each."""
    compared = 0
    for row in TORCHVISION:
        tag = {"tv_v1": "tv_in1k", "tv_v2": "tv2_in1k"}[row.id.partition(".")[2]]
        if copy := PRETRAINED.get(f"{row.net}.{tag}"):
            # libraries decode and resize a little differently: 25 pictures of 50,000 are 0.05
            # points; where they cut out another part of the picture, it is more
            apart = 0.05 if copy.resize == row.resize else 0.3
            assert copy.top1 == pytest.approx(row.top1, abs=apart)
            compared += 1
    assert compared == len(TORCHVISION) - 2  # timm has neither AlexNet nor this GoogLeNet


# ----------------------------------------------------------------------------------------- all


@pytest.mark.parametrize("row", AKAMASTER, ids=ids(AKAMASTER))
def test_a_row_of_akamasters(row: Pretrained) -> None:
    assert f"{row.net}-{row.sha256[:8]}.th" in row.url
    assert len(row.sha256) == (8 if row.size is None else 64)
    assert (row.num_classes, row.crop, row.resize) == (10, 32, 32)


@pytest.mark.parametrize("row", PRETRAINED.values(), ids=PRETRAINED)
def test_its_network_takes_its_pictures(row: Pretrained) -> None:
    assert row.id.startswith(f"{row.net}.")
    assert row.crop == CATALOG[row.net].input_size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "naming"),
    [(TORCHVISION, "torchvision"), (HUB, "timm"), (AKAMASTER[:-1], "akamaster")],
)
def test_its_network_has_names_for_its_tensors(rows: list[Pretrained], naming: Naming) -> None:
    for row in {row.net: row for row in rows}.values():
        with torch.device("meta"):
            net = build(row.net, num_classes=row.num_classes, **row.options)
        assert len(keymap(net, naming)) == len(net.state_dict())


def test_an_unknown_id_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown pretrained weights .*resnet50\.tv_v2"):
        find("resnet50.v2")


def test_the_catalogue_needs_no_torch() -> None:
    code = "import sys, convatlas.weights.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
