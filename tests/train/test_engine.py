from __future__ import annotations

import pytest
import torch
from torch import nn

from convatlas.errors import ConfigError
from convatlas.train import Config
from convatlas.train.engine import Engine

PIXELS = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_autocast_is_only_in_bfloat16() -> None:
    fc, x, cpu = nn.Linear(3, 2), torch.rand(2, 3), torch.device("cpu")
    with Engine("bfloat16", "contiguous").computing(cpu):
        assert fc(x).dtype == torch.bfloat16
    assert fc.weight.dtype == torch.float32
    with Engine("float32", "contiguous").computing(cpu):
        assert fc(x).dtype == torch.float32


def test_winograd_is_in_float32_and_is_said() -> None:
    torch.manual_seed(0)
    conv, x, cpu = nn.Conv2d(256, 256, 3), torch.randn(8, 256, 18, 18), torch.device("cpu")
    engine = Engine("float32", "channels-last", shards=2, winograd=True)
    with engine.computing(cpu):
        found = conv(x)
    assert not torch.equal(found, conv(x))
    torch.testing.assert_close(found, conv(x), rtol=1e-4, atol=1e-4)
    assert str(engine) == "float32, channels-last, Winograd, 2 shards"


def test_places() -> None:
    last = Engine("float32", "channels-last")
    assert last.place(PIXELS).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(last.place(PIXELS), PIXELS)
    conv = last.place(nn.Conv2d(3, 4, 3))
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert Engine("float32", "contiguous").place(last.place(PIXELS)).is_contiguous()


def test_an_unknown_pair_is_refused_by_the_configuration() -> None:
    with pytest.raises(ConfigError, match="precision is 'float16'"):
        Config(precision="float16")
