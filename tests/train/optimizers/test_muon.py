from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from convatlas.train.optimizers import Muon
from convatlas.train.optimizers.muon import orthogonal


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("shape", [(6, 6), (4, 18), (18, 4), (1, 5)])
def test_each_singular_value_goes_through_the_polynomial(shape: tuple[int, int]) -> None:
    """The iteration never mixes singular vectors, so a decomposition gives its result exactly."""
    matrix = random(*shape)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    s = s / s.norm()
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    torch.testing.assert_close(orthogonal(matrix), u @ s.diag() @ v, rtol=0, atol=1e-12)


def test_what_comes_out_is_nearly_orthogonal() -> None:
    found = torch.linalg.svdvals(orthogonal(random(16, 72)))
    assert 0.6 < found.min() < found.max() < 1.25


def test_no_gradient_at_all_is_no_step() -> None:
    assert torch.equal(orthogonal(torch.zeros(3, 4)), torch.zeros(3, 4))


def walked(optimizer: torch.optim.Optimizer, w: nn.Parameter, steps: int = 5) -> Tensor:
    for step in range(steps):
        w.grad = random(*w.shape, seed=step).to(w.dtype)
        optimizer.step()
    return w.detach().double()


@pytest.mark.parametrize("nesterov", [True, False])
def test_on_a_matrix_it_is_torchs_but_for_its_rounding(nesterov: bool) -> None:
    """PyTorch rounds to bfloat16, eight bits: 2⁻⁸ relative, some times over in five iterations."""
    start, settings = random(8, 20).float(), {"lr": 0.02, "weight_decay": 0.1}
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    group = {"params": [ours], "hidden": True, **settings}
    made = Muon([group], momentum=0.9, nesterov=nesterov)
    known = torch.optim.Muon(
        [theirs], **settings, momentum=0.9, nesterov=nesterov, adjust_lr_fn="match_rms_adamw"
    )
    found, expected = walked(made, ours), walked(known, theirs)
    moved = (expected - start).abs().max()
    assert moved > 0.05
    assert (found - expected).abs().max() < 0.03 * moved


def test_a_kernel_is_the_matrix_of_its_output_channels() -> None:
    """And how it lies in memory changes nothing but the order of sums."""
    start = random(6, 3, 3, 3)
    whole, flat, last = (
        nn.Parameter(x.clone(memory_format=torch.preserve_format))
        for x in (start, start.flatten(1), start.contiguous(memory_format=torch.channels_last))
    )
    ends = []
    for w in (whole, flat, last):
        made = Muon([{"params": [w], "hidden": True, "lr": 0.1, "weight_decay": 0.0}])
        for step in range(3):
            w.grad = random(6, 3, 3, 3, seed=step).view(w.shape)
            made.step()
        ends.append(w.detach().reshape(6, -1))
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=1e-12)
    torch.testing.assert_close(ends[0], ends[2], rtol=0, atol=1e-12)


def test_threads_that_share_its_kernels_make_the_same_steps() -> None:
    shapes, seen = [(4, 9), (8, 4, 3, 3), (6, 6)], set()
    group = {"lr": 0.1, "weight_decay": 0.1, "hidden": True}
    alone, shared = ([nn.Parameter(random(*shape)) for shape in shapes] for _ in range(2))
    with ThreadPoolExecutor(2) as pool:

        def mapped(work: Callable[..., None], *inputs: list[Any]) -> Iterator[None]:
            def noted(*one: Any) -> None:
                seen.add(threading.get_ident())
                work(*one)

            return pool.map(noted, *inputs)

        for weights, how in ((alone, map), (shared, mapped)):
            optimizer = Muon([group | {"params": weights}], mapped=how)
            for step in range(3):
                for i, w in enumerate(weights):
                    w.grad = random(*w.shape, seed=10 * i + step)
                optimizer.step()
    assert seen
    assert threading.get_ident() not in seen
    for one, other in zip(alone, shared, strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, random(*one.shape))


def test_its_steps_have_the_size_of_adams() -> None:
    """Root mean square 0.2 ε, whatever the shape: rows·columns numbers, min(rows, columns) ones."""
    for shape in ((64, 64), (64, 576), (576, 64)):
        w = nn.Parameter(torch.zeros(shape))
        made = Muon([{"params": [w], "hidden": True, "lr": 1.0, "weight_decay": 0.0}])
        size = walked(made, w, steps=1).square().mean().sqrt().item()
        assert size == pytest.approx(0.2, rel=0.25)


def test_the_rest_is_adamws() -> None:
    start = random(5)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    kernel = nn.Parameter(random(2, 2))
    made = Muon(
        [
            {"params": [kernel], "hidden": True, "lr": 0.1, "weight_decay": 0.0},
            {"params": [ours], "hidden": False, "lr": 0.1, "weight_decay": 0.2},
        ]
    )
    known = AdamW([theirs], lr=0.1, weight_decay=0.2)
    for group in (*made.param_groups, *known.param_groups):
        group["lr"] = 0.05  # as a schedule does
    assert torch.equal(walked(made, ours), walked(known, theirs))
    assert math.isclose(kernel.detach().norm(), random(2, 2).norm())  # it had no gradient


def test_it_goes_on_from_its_state() -> None:
    def fresh() -> tuple[list[nn.Parameter], Muon]:
        weights = [nn.Parameter(random(3, 2, 2, 2)), nn.Parameter(random(3))]
        groups = [
            {"params": [w], "hidden": w.dim() > 1, "lr": 0.1, "weight_decay": 0.1} for w in weights
        ]
        return weights, Muon(groups)

    def steps(weights: list[nn.Parameter], made: Muon, numbers: range) -> None:
        for step in numbers:
            for w in weights:
                w.grad = random(*w.shape, seed=step)
            made.step()

    weights, made = fresh()
    steps(weights, made, range(3))
    kept = copy.deepcopy(made.state_dict())
    half = [w.detach().clone() for w in weights]
    steps(weights, made, range(3, 6))
    again, other = fresh()
    for w, value in zip(again, half, strict=True):
        w.data.copy_(value)
    other.load_state_dict(kept)
    steps(again, other, range(3, 6))
    for w, value in zip(again, weights, strict=True):
        assert torch.equal(w, value)


def test_what_is_prepared_ahead_is_the_same_step() -> None:
    """To the last bit, and until the step nothing has moved."""
    group = {"lr": 0.1, "weight_decay": 0.1}
    ends = []
    for ahead in (False, True):
        kernel, bias = nn.Parameter(random(4, 3, 3, 3)), nn.Parameter(random(4))
        made = Muon(
            [
                {"params": [kernel], "hidden": True} | group,
                {"params": [bias], "hidden": False} | group,
            ]
        )
        for step in range(3):
            for w in (kernel, bias):
                w.grad = random(*w.shape, seed=step)
            if ahead:
                before, kept = kernel.detach().clone(), copy.deepcopy(made.state_dict())
                made.prepare(kernel)
                made.prepare(bias)  # AdamW's, which has nothing to prepare
                assert torch.equal(kernel, before)
                torch.testing.assert_close(made.state_dict(), kept, rtol=0, atol=0)
                kernel.grad.zero_()  # whatever it is now, the step was begun with what it was
            made.step()
        ends.append((kernel.detach(), bias.detach()))
    assert torch.equal(ends[0][0], ends[1][0])
    assert torch.equal(ends[0][1], ends[1][1])


def test_what_was_prepared_for_a_step_that_is_not_made_is_forgotten() -> None:
    weights = [nn.Parameter(random(4, 4)) for _ in range(2)]
    made = [
        Muon([{"params": [w], "hidden": True, "lr": 0.1, "weight_decay": 0.0}]) for w in weights
    ]
    for w, optimizer in zip(weights, made, strict=True):
        w.grad = random(4, 4, seed=1)
        optimizer.step()
    weights[0].grad = torch.full((4, 4), math.nan, dtype=torch.float64)
    made[0].prepare(weights[0])
    made[0].load_state_dict(made[0].state_dict())  # as a run does that goes back
    for w, optimizer in zip(weights, made, strict=True):
        w.grad = random(4, 4, seed=2)
        optimizer.step()
    assert torch.equal(*weights)
