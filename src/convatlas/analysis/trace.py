"""A network walked layer by layer: shapes and their arithmetic, cost, and receptive field.

The walk runs the network once on PyTorch's meta device, where tensors have shapes and no numbers,
and watches it at three depths: module hooks say which layer runs, a function mode says which
function a composite module calls itself (a residual addition, a concatenation), and a dispatch
mode sees the operations of PyTorch's core that both are made of. So any module can be traced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from convatlas.analysis import cost
from convatlas.analysis.fields import Axis, Field, Operation, broadcast, joined
from convatlas.analysis.receptive_field import Cells
from convatlas.analysis.rules import BLANK, carried
from convatlas.analysis.shapes import arithmetic
from convatlas.analysis.table import table
from convatlas.errors import ConvAtlasError, ShapeError
from convatlas.nets.sizes import on_meta, output_sizes


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels that a cell of a map sees.

    Attributes:
        size: along each axis, from the first to the last; padding counts, so it may exceed the
            picture.
        stride: pixels between the views of neighbouring cells (a fraction on a map finer than the
            picture); None where one view is left, of the whole last map.
    """

    size: tuple[int, ...]
    stride: tuple[float, ...] | None


@dataclass(frozen=True)
class Row:
    """One layer, or one function that a composite module calls itself.

    Attributes:
        layer: dotted name of the module; of the composite one for a function.
        kind: class of the layer (``Conv2d``) or name of the function (``add``, ``cat``).
        shape: of the output without the batch, ``(C, H, W)``.
        arithmetic: the line that gives it; empty where the shape stays.
        params: learned numbers that it reads.
        macs: multiply-accumulates of convolutions and matrix products, for the batch.
        memory: bytes that its output takes, for the batch; 0 where it lies in memory that is
            already there (in place, or another view of it).
        receptive_field: of a cell of the output; None where the input has no axes but channels.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    arithmetic: str
    params: int
    macs: int
    memory: int
    receptive_field: ReceptiveField | None


@dataclass(frozen=True)
class Trace:
    """What `trace` found.

    Attributes:
        name: of the network.
        shape: of the input without the batch.
        batch: pictures that went through.
        rows: in the order in which they ran; a module that is called twice has two.
        params: learned numbers that were read, each once however often.
    """

    name: str
    shape: tuple[int, ...]
    batch: int
    rows: tuple[Row, ...]
    params: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the batch."""
        return sum(row.macs for row in self.rows)

    @property
    def memory(self) -> int:
        """Bytes of all the outputs together."""
        return sum(row.memory for row in self.rows)

    @property
    def receptive_field(self) -> ReceptiveField | None:
        """That of the last feature map: before global pooling or a dense layer saw all of it."""
        maps = [r.receptive_field for r in self.rows if r.receptive_field]
        return next((f for f in reversed(maps) if f.stride is not None), None)

    def __rich__(self) -> Table:
        return table(self)

    def __str__(self) -> str:
        with (console := Console(width=200, color_system=None)).capture() as captured:
            console.print(table(self))
        return captured.get()

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it: the same names as here."""
        totals = {"params": self.params, "macs": self.macs, "memory": self.memory}
        last = self.receptive_field
        return {
            "name": self.name,
            "shape": self.shape,
            "batch": self.batch,
            "rows": [asdict(row) for row in self.rows],
            "totals": {**totals, "receptive_field": last and asdict(last)},
        }


def trace(net: nn.Module, shape: tuple[int, ...], batch: int = 1) -> Trace:
    """Walk ``net`` in evaluation mode, without touching its weights.

    Args:
        net: any module that takes one tensor, on any device (the meta device costs no memory).
        shape: of one input without the batch: ``(C, H, W)`` in pixels.
        batch: pictures at once; multiply-accumulates and memory are for all of them.

    Raises:
        ShapeError: the shape does not fit; names the layer.
    """
    if min((batch, *shape), default=0) < 1:
        raise ShapeError(f"cannot trace {_times((batch, *shape))}: every size must be at least 1")
    stand_ins = on_meta(net)
    dtype = next((t.dtype for t in stand_ins.values() if t.is_floating_point()), torch.float32)
    walk = _Walk(net, {name: stand_ins[name] for name, _ in net.named_parameters()})
    x = torch.empty((batch, *shape), dtype=dtype, device="meta")
    walk.know(x, tuple(Axis(Cells(), n, i - len(shape) + 1) for i, n in enumerate(shape[1:])))
    with torch.no_grad(), _evaluating(net), walk.watching():
        try:
            torch.func.functional_call(net, stand_ins, (x,), tie_weights=False)
        except ConvAtlasError:
            raise
        except (RuntimeError, ValueError, TypeError) as error:
            raise ShapeError(
                f"{type(net).__name__} cannot be traced with {_times(shape)}: "
                f"{walk.place()}: {str(error).splitlines()[0]}"
            ) from error
    name = getattr(net, "name", "") or type(net).__name__
    return Trace(str(name), tuple(shape), batch, tuple(walk.rows), walk.total_params())


@dataclass
class _Step:
    """What becomes a row: one call of a layer or a function, while it runs."""

    kind: str
    lines: list[str] = field(default_factory=list)
    params: set[str] = field(default_factory=set)
    macs: int = 0
    operations: list[str] = field(default_factory=list)


class _Walk:
    """The state of a walk, and the three watchers that fill it."""

    def __init__(self, net: nn.Module, params: dict[str, Tensor]) -> None:
        self.net = net
        self.rows: list[Row] = []
        self.step: _Step | None = None
        self.inside: list[tuple[str, nn.Module]] = []
        self.sizes = {name: tensor.numel() for name, tensor in params.items()}
        self.read: set[str] = set()
        # by id, each beside its tensor, which must stay alive for the id to stay its own
        self.fields: dict[int, tuple[Tensor, Field]] = {}
        self.sources: dict[int, tuple[Tensor, frozenset[str]]] = {
            id(tensor): (tensor, frozenset({name})) for name, tensor in params.items()
        }
        self.born: dict[int, _Step | None] = {}  # by memory: the step that first used it

    def know(self, tensor: Tensor, seen: Field) -> None:
        """``tensor`` descends from the picture, and its elements see ``seen``."""
        self.fields[id(tensor)] = tensor, seen
        self.born.setdefault(cost.storage(tensor), self.step)

    def place(self) -> str:
        """Where the walk is: the innermost module that runs."""
        name, module = self.inside[-1] if self.inside else ("", self.net)
        return f"at {name} ({type(module).__name__})" if name else "at the top"

    def total_params(self) -> int:
        """Learned numbers that were read, each once."""
        return sum(self.sizes[name] for name in self.read)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, all that runs is recorded."""
        with ExitStack() as stack:
            for name, module in self.net.named_modules():
                before = module.register_forward_pre_hook(partial(self.enter, name))
                after = module.register_forward_hook(partial(self.leave, name))
                stack.callback(before.remove)
                stack.callback(after.remove)
            stack.enter_context(_Functions(self))
            stack.enter_context(_Operations(self))
            yield

    def enter(self, name: str, module: nn.Module, args: tuple[Any, ...]) -> None:
        """A module begins; a layer's sizes are checked before torch would complain about them."""
        self.inside.append((name, module))
        if self.step is not None or not self.is_layer(module):
            return
        try:
            output_sizes(module, tuple(args[0].shape[2:]) if args else ())
        except ShapeError as error:
            raise ShapeError(f"at {name} ({type(module).__name__}), {error}") from None
        self.begin(type(module).__name__)

    def leave(self, name: str, module: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        """A module ends."""
        if self.step is not None and self.is_layer(module):
            self.end(out)
        self.inside.pop()

    def is_layer(self, module: nn.Module) -> bool:
        """Has no parts; a network of functions alone is no layer, but is shown by function."""
        own = type(module).__module__.startswith("torch.nn.")
        empty = isinstance(module, nn.Sequential)  # a room in which there is nothing
        return not any(module.children()) and not empty and (module is not self.net or own)

    def begin(self, kind: str) -> None:
        """A row begins."""
        self.step = _Step(kind)

    def end(self, out: Any) -> None:
        """A row ends, with what it returns: none where that does not descend from the picture."""
        step = self.step
        made = [t for t in _tensors(out) if id(t) in self.fields]
        if step is not None and made:
            self.rows.append(self.row(step, made))
            self.read |= step.params
        self.step = None  # last, since the watchers also see what is asked of tensors here

    def row(self, step: _Step, made: list[Tensor]) -> Row:
        """What a finished step comes to, with the tensors that it returns."""
        first, seen = self.fields[id(made[0])]
        new = {cost.storage(t): t for t in made if self.born[cost.storage(t)] is step}
        return Row(
            self.inside[-1][0] if self.inside else "",
            step.kind,
            tuple(first.shape[1:]),
            "; ".join(dict.fromkeys(step.lines)),
            sum(self.sizes[name] for name in step.params),
            step.macs,
            sum(map(cost.memory, new.values())),
            _receptive_field(seen),
        )

    def observe(self, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """An operation of PyTorch's core ran."""
        given, made = _tensors((args, kwargs)), _tensors(out)
        known = [self.sources[id(t)][1] for t in given if id(t) in self.sources]
        sources = frozenset[str]().union(*known)
        inputs = [self.fields[id(t)] for t in given if id(t) in self.fields]
        if not inputs or call.overloadpacket.__name__ in BLANK:
            for tensor in made:
                self.sources[id(tensor)] = tensor, sources
            return
        operation = Operation.of(call, args, kwargs, inputs)
        if self.step is not None:
            line = arithmetic(operation, made[0]) if made else ""
            self.step.lines += [line] if line else []
            self.step.params |= sources
            self.step.macs += cost.macs(call, args, kwargs, out)
            self.step.operations.append(operation.name)
        for tensor, seen in zip(made, carried(operation, made), strict=True):
            before = self.fields.get(id(tensor))
            self.know(tensor, seen)
            if any(tensor is one for one in given) and (before is None or before[1] != seen):
                self.spread(tensor, seen)

    def spread(self, written: Tensor, seen: Field) -> None:
        """A tensor was written to, and so were all that lie in the same memory: ``x[:, 1] = y``."""
        memory = cost.storage(written)
        known = [tensor for tensor, _ in (*self.fields.values(), *self.sources.values())]
        for tensor in known:
            if tensor is not written and cost.storage(tensor) == memory:
                fields = [self.fields[id(tensor)][1]] if id(tensor) in self.fields else []
                self.know(tensor, joined([broadcast(written, seen, tensor), *fields]))


class _Functions(TorchFunctionMode):
    """Sees what a composite module calls itself: the outermost function only."""

    def __init__(self, walk: _Walk) -> None:
        super().__init__()
        self.walk = walk

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run ``func``, and make a row of it where it computes and no layer is running."""
        if self.walk.step is not None:
            return func(*args, **(kwargs or {}))
        self.walk.begin(func.__name__.strip("_"))
        out = func(*args, **(kwargs or {}))
        step = self.walk.step
        if step is None or set(step.operations) <= _PLUMBING:
            self.walk.step = None
            return out
        if func.__name__.startswith("__"):  # an operator of Python: x[…], x.T
            step.kind = step.operations[-1].strip("_")
        self.walk.end(out)
        return out


_PLUMBING = {"alias", "detach", "clone", "_to_copy"}


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees the operations of PyTorch's core, which everything is made of."""

    def __init__(self, walk: _Walk) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.walk = walk

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run ``func`` and tell the walk."""
        out = func(*args, **(kwargs or {}))
        self.walk.observe(func, args, kwargs or {}, out)
        return out


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    """Inside, every part of ``net`` is in evaluation mode; then as it was."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _receptive_field(seen: Field) -> ReceptiveField | None:
    if not seen:
        return None
    strides = [axis.cells.stride for axis in seen if axis.dim is not None]
    stride = tuple(int(s) if s.denominator == 1 else float(s) for s in strides)
    return ReceptiveField(
        tuple(axis.cells.size for axis in seen), stride if len(stride) == len(seen) else None
    )


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
