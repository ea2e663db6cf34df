"""The processes that train one network, as one of them sees them.

PyTorch's own collectives carry what is summed, by gloo for what lies in memory and by NCCL for what
lies on a GPU. What is merely said goes through the store that the processes met at, as JSON.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import Store  # type: ignore[attr-defined]

from convatlas.data.augment.draws import Share
from convatlas.errors import ConfigError
from convatlas.train.randomness import seed_all


class Ranks:
    """The processes of a run, as one of them sees them; by itself a process is the first of one.

    Whatever is asked here, every process has to ask, in the same order.

    Args:
        rank, world: which process this is, and of how many.
        attempt: how often all of them were started anew.
        said: a store of this attempt's, if they met at one.
        kept: one that outlives it.
    """

    def __init__(
        self,
        rank: int = 0,
        world: int = 1,
        attempt: int = 0,
        said: Store | None = None,
        kept: Store | None = None,
    ) -> None:
        self.rank, self.world, self.attempt, self.said, self.kept = rank, world, attempt, said, kept
        self._questions = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """How many pictures of a batch a process has.

        Raises:
            ConfigError: they cannot have equally many.
        """
        if batch % self.world:
            less = batch - batch % self.world
            near = f"{less} or {less + self.world}" if less else f"{self.world}"
            raise ConfigError(
                f"batch_size is {batch}, but {self.world} processes have equal shares of it: "
                f"{near}, say"
            )
        return batch // self.world

    def stretch(self, count: int) -> slice:
        """The part of ``count`` things in a row that this process has."""
        return slice(count * self.rank // self.world, count * (self.rank + 1) // self.world)

    def generator(self, device: torch.device) -> torch.Generator:
        """One whose draws for each picture do not depend on the number of processes."""
        if self.world == 1:
            return torch.Generator(device)
        return Share(device, self.rank, self.world)

    def seed(self, seed: int, step: int) -> None:
        """Let what the network itself draws (dropout) follow from seed, process and step.

        A checkpoint then need not hold the random states of other processes. A process by itself
        goes on with the one it has.
        """
        if self.world > 1:
            seed_all(random.Random(f"{seed} {step} {self.rank}").getrandbits(63))

    def totals(self, *numbers: float) -> Sequence[float]:
        """Each number summed over the processes."""
        if self.world == 1:
            return numbers
        summed = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(summed)
        found: list[float] = summed.tolist()
        return found

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows ``(n, …)`` of all processes, one behind the other: ``(N, …)``, on the CPU."""
        if self.world == 1:
            return rows
        counts = torch.zeros(self.world, dtype=torch.int64)
        counts[self.rank] = len(rows)
        dist.all_reduce(counts)
        most = int(counts.max())
        padded = rows.new_zeros(most, *rows.shape[1:], device="cpu")
        padded[: len(rows)] = rows
        every = [torch.empty_like(padded) for _ in range(self.world)]
        dist.all_gather(every, padded)
        return torch.cat([x[:n] for x, n in zip(every, counts.tolist(), strict=True)])

    def even(self, net: nn.Module) -> None:
        """Give all networks what the first one holds beside its weights: moving averages, say."""
        if self.world > 1:
            for buffer in net.buffers():
                dist.broadcast(buffer, 0)

    def agreed(self, value: Any) -> Any:
        """The first process's value, plain JSON, in all of them."""
        if self.said is None or self.world == 1:
            return value
        self._questions += 1
        key = f"agreed/{self._questions}"
        if self.first:
            self.said.set(key, json.dumps(value))
        return json.loads(self.said.get(key))

    def lasting(self, name: str, decide: Callable[[], str]) -> str:
        """What the first process decides, and still the same after all were started anew."""
        if self.kept is None:
            return decide()
        if self.first and not self.kept.check([name]):
            self.kept.set(name, decide())
        decided: bytes = self.kept.get(name)
        return decided.decode()


ALONE = Ranks()
