from __future__ import annotations

from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.errors import ConfigError
from convatlas.nets import parts
from convatlas.nets.parts import LocalResponseNorm


def lrn_as_written(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """Section 3.3 of Krizhevsky et al., summed channel by channel."""
    y = torch.empty_like(x)
    channels = x.shape[1]
    for i in range(channels):
        window = x[:, max(0, i - size // 2) : min(channels - 1, i + size // 2) + 1]
        y[:, i] = x[:, i] / (k + alpha * window.square().sum(1)) ** beta
    return y


def test_lrn_is_the_papers_formula_with_the_papers_alpha() -> None:
    torch.manual_seed(0)
    x = 20 * torch.randn(2, 9, 3, 4, dtype=torch.float64)
    expected = lrn_as_written(x, 5, 1e-4, 0.75, 2.0)
    torch.testing.assert_close(LocalResponseNorm()(x), expected, rtol=1e-12, atol=0)


def test_lrn_of_two_towers_is_lrn_of_each() -> None:
    torch.manual_seed(0)
    x = 20 * torch.randn(2, 8, 3, 4, dtype=torch.float64)
    one = LocalResponseNorm(size=3, alpha=0.1)
    expected = torch.cat([one(x[:, :4]), one(x[:, 4:])], dim=1)
    both = LocalResponseNorm(size=3, alpha=0.1, towers=2)
    torch.testing.assert_close(both(x), expected, rtol=1e-12, atol=0)
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(both(last), expected, rtol=1e-12, atol=0)


def test_squeeze_excitation_is_torchvisions_with_a_gate_of_up_to_two(
    torchvision_models: ModuleType,
) -> None:
    torch.manual_seed(0)
    ours = parts.SqueezeExcitation(12).double()
    theirs = torchvision_models.efficientnet.SqueezeExcitation(
        12, 3, scale_activation=lambda: lambda x: 2 * x.sigmoid()
    )
    state = ours.state_dict()
    theirs.double().load_state_dict(
        {name: w[..., None, None] if w.dim() == 2 else w for name, w in state.items()}
    )
    x = 3 * torch.randn(2, 12, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=0)


def test_layer_norm_of_a_map_runs_over_channels_and_places() -> None:
    torch.manual_seed(0)
    x = 3 + 2 * torch.randn(2, 6, 4, 5)
    layer = parts.norm("layer", 6)
    assert layer is not None
    y = layer(x).flatten(1)
    torch.testing.assert_close(y.mean(1), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(2), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("channels", "groups"), [(64, 32), (48, 16), (6, 2), (7, 1)])
def test_group_norm_takes_as_many_groups_as_divide_the_channels(channels: int, groups: int) -> None:
    layer = parts.norm("group", channels)
    assert isinstance(layer, nn.GroupNorm)
    assert layer.num_groups == groups


def test_kinds_of_norm() -> None:
    assert isinstance(parts.norm("batch", 4), nn.BatchNorm2d)
    assert isinstance(parts.norm("batch", 4, dense=True), nn.BatchNorm1d)
    instance = parts.norm("instance", 4)
    assert isinstance(instance, nn.InstanceNorm2d)
    assert instance.affine
    assert parts.norm("instance", 4, dense=True) is None
    assert parts.norm("none", 4) is None
    for kind in ("layer", "group"):
        layer = parts.norm(kind, 4, dense=True)  # type: ignore[arg-type]
        assert layer is not None
        assert layer(torch.randn(2, 4)).shape == (2, 4)


def test_unknown_kinds_are_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"norm is 'bach'.*batch, layer, instance, group, none"):
        parts.norm("bach", 4)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"activation is 'silu'.*relu, gelu, sigmoid, tanh"):
        parts.activation("silu")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["relu", "gelu", "sigmoid", "tanh"])
def test_activations(kind: str) -> None:
    x = torch.linspace(-2, 2, 9)
    y = parts.activation(kind)(x.clone())  # type: ignore[arg-type]
    torch.testing.assert_close(y, getattr(F, kind)(x))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gelu_is_pytorchs_in_either_layout(dtype: torch.dtype, layout: torch.memory_format) -> None:
    x = torch.linspace(-6, 6, 2 * 8 * 5 * 3, dtype=dtype).view(2, 8, 5, 3)
    expected = x.clone().requires_grad_()
    F.gelu(expected).backward(x.cos())
    mine = x.to(memory_format=layout).requires_grad_()
    y = parts.GELU()(mine)
    y.backward(x.cos().to(memory_format=layout))
    assert y.is_contiguous(memory_format=layout)
    torch.testing.assert_close(y, F.gelu(x), check_stride=False)
    torch.testing.assert_close(mine.grad, expected.grad, check_stride=False)


def test_gelu_takes_features_as_well() -> None:
    x = torch.linspace(-6, 6, 10).view(2, 5)
    torch.testing.assert_close(parts.GELU()(x), F.gelu(x))


def test_a_chain_leaves_out_what_is_none() -> None:
    named = parts.chain(first=nn.ReLU(), second=None, third=nn.Tanh())
    assert [name for name, _ in named.named_children()] == ["first", "third"]


def test_global_average_pool() -> None:
    x = torch.arange(24.0).view(1, 2, 3, 4)
    assert parts.global_average_pool()(x).tolist() == [[5.5, 17.5]]


def test_initialisers_have_their_papers_spread() -> None:
    torch.manual_seed(0)
    conv, dense = nn.Conv2d(32, 64, 3), nn.Linear(100, 300)
    parts.init_kaiming(conv)
    assert conv.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.03)
    assert not conv.bias.any()
    for layer, fans in ((conv, 9 * (32 + 64)), (dense, 400)):
        parts.init_xavier(layer)
        bound = (6 / fans) ** 0.5
        assert 0.99 * bound < layer.weight.abs().max().item() <= bound
        assert not layer.bias.any()
