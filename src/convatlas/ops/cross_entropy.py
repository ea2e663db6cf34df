"""Cross-entropy: what a classifier is punished by."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from convatlas.errors import ArgumentTypeError, ConfigError, ShapeError
from convatlas.ops.arguments import integers, numbers, real_floating, same_dtype, tensors
from convatlas.ops.softmax import log_softmax, softmax

REDUCTIONS = ("none", "mean", "sum")


def cross_entropy(
    input: Tensor,  # noqa: A002
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``−Σ_c w_c q_c log p_c`` in nats, with ``p = softmax(input)`` and q what it should have been.

    For a class index t, q is 1 at t and 0 elsewhere, so that only ``−w_t log p_t`` is left.
    Smoothing by ε takes ``(1 − ε) q + ε / C`` for q (Szegedy et al. 2016, section 7).

    Args:
        input: logits ``(C,)``, ``(N, C)`` or ``(N, C, d₁, …)``.
        target: class indices, of the input's shape without C, or probabilities q, of its shape.
        weight: ``(C,)``, w; 1 for all if None.
        size_average, reduce: deprecated; what ``reduction`` was before.
        ignore_index: the index that costs nothing and does not count.
        reduction: ``"none"`` gives a loss for each target, ``"sum"`` their sum, and ``"mean"``
            divides the sum by the ``w_t`` of all that count; by their number for probabilities.
        label_smoothing: ε, from 0 to 1.

    Returns:
        A number, or the shape of the input without C.

    Raises:
        ShapeError: shapes that do not go together.
        ConfigError: an index that is no class, or an option whose value cannot be.
        ArgumentTypeError: number formats that do not go together.
    """
    reduction = _reduction(size_average, reduce, reduction)
    axis = _class_axis(input, target, weight, ignore_index)
    numbers(label_smoothing=label_smoothing)
    if not 0 <= label_smoothing <= 1:
        raise ConfigError(f"label_smoothing is {label_smoothing}, but it must be from 0 to 1")
    even = label_smoothing / max(input.shape[axis], 1)

    log_p = log_softmax(input, axis)
    if weight is not None:
        log_p = weight.view(-1, *[1] * (input.dim() - 1 - axis)) * log_p
    if target.shape == input.shape:
        q = (1 - label_smoothing) * target + even
        loss = -(q * log_p).sum(axis)
        count: Tensor | int = loss.numel()
    else:
        t = target.long()
        counts = t != ignore_index
        t = torch.where(counts, t, 0)
        _check_classes(t, input.shape[axis])
        loss = -log_p.gather(axis, t.unsqueeze(axis)).squeeze(axis)
        if label_smoothing:
            loss = (1 - label_smoothing) * loss - even * log_p.sum(axis)
        loss = torch.where(counts, loss, 0)
        count = (counts if weight is None else torch.where(counts, weight[t], 0)).sum()

    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / count


def cross_entropy_derivative(input: Tensor, target: Tensor) -> Tensor:  # noqa: A002
    """By the logits, of the sum of all losses: ``softmax(x) − q``, prediction minus truth.

    Args:
        input: logits ``(C,)``, ``(N, C)`` or ``(N, C, d₁, …)``.
        target: class indices, or probabilities that sum to 1, as for `cross_entropy`.

    Returns:
        The shape of the input.
    """
    axis = _class_axis(input, target, None, ignore_index=-100)
    p = softmax(input, axis)
    if target.shape == input.shape:
        return p - target
    _check_classes(target, input.shape[axis])
    return p - torch.zeros_like(p).scatter(axis, target.long().unsqueeze(axis), 1)


def _reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction, or what the two deprecated arguments say in its place."""
    if size_average is not None or reduce is not None:
        mean, one_number = size_average in (None, True), reduce in (None, True)
        reduction = "none" if not one_number else "mean" if mean else "sum"
        warnings.warn(
            f"size_average and reduce are deprecated: use reduction={reduction!r}", stacklevel=3
        )
    if reduction not in REDUCTIONS:
        raise ConfigError(
            f"reduction is {reduction!r}, but it must be one of {', '.join(REDUCTIONS)}"
        )
    return reduction


def _class_axis(input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> int:  # noqa: A002
    """Where the classes are; refuses what does not go together."""
    real_floating(input)
    tensors(target=target)
    integers(ignore_index=ignore_index)
    if input.dim() == 0:
        raise ShapeError("input is a single number, but it must be (C,), (N, C) or (N, C, …)")
    axis = 0 if input.dim() == 1 else 1
    classes = input.shape[axis]
    if weight is not None:
        tensors(weight=weight)
        if weight.shape != (classes,):
            raise ShapeError(
                f"weight has shape {tuple(weight.shape)}, but it must be ({classes},), "
                "one for each class"
            )
    if target.shape == input.shape:
        if not target.is_floating_point():
            raise ArgumentTypeError(
                f"target is {target.dtype} of the input's shape {tuple(input.shape)}, which makes "
                "it probabilities: they must be of a floating type"
            )
        if ignore_index >= 0:
            raise ConfigError(f"ignore_index is {ignore_index}, but target is probabilities")
        return axis
    indices = (*input.shape[:axis], *input.shape[axis + 1 :])
    if target.shape != indices:
        raise ShapeError(
            f"target has shape {tuple(target.shape)}, but it must be {indices} (class indices) "
            f"or {tuple(input.shape)} (probabilities)"
        )
    if target.dtype not in (torch.int64, torch.uint8):
        raise ArgumentTypeError(
            f"target is {target.dtype}, but class indices must be torch.int64 or torch.uint8"
        )
    same_dtype(input, weight=weight)
    return axis


def _check_classes(target: Tensor, classes: int) -> None:
    if target.is_meta:
        return
    no_class = target[(target < 0) | (target >= classes)]
    if no_class.numel():
        raise ConfigError(
            f"target has class {no_class[0].item()}, but the {classes} classes are "
            f"0 to {classes - 1}"
        )
