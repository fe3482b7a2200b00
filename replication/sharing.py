"""Share work among the processes that ``torchrun`` or ``accelerate launch`` starts, on one machine or several.

Every process sees the same list and takes each n-th item of it, so that each item is done once. At the end the
processes wait for each other: the launcher would stop the others as soon as one ends with an error.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

from replication.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")
LONGEST_WAIT = timedelta(days=30)
"""How long a process that is done waits for the others; the launcher ends it if one of them dies."""


@dataclass(frozen=True)
class Team:
    """The processes at work: ``rank`` is this one's number, of ``size`` in all."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> list[Item]:
        """The items that this process does."""
        return list(items[self.rank :: self.size])

    def gathered(self, own: Any) -> list[Any]:
        """What every process gives, by rank, in every process; waits for all of them."""
        if self.size == 1:
            return [own]
        from torch import distributed

        everything: list[Any] = [None] * self.size
        distributed.all_gather_object(everything, own)
        return everything

    def led(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives in the leading process, in every process; its UserError ends all and is said once."""
        if self.size == 1:
            return work()
        result: Result | None = None
        error: UserError | None = None
        if self.leads:
            try:
                result = work()
            except UserError as caught:
                error = caught
        result, error = self.gathered((result, error))[0]
        if error is not None:
            if self.leads:
                raise error
            sys.exit(2)
        return cast(Result, result)

    def dismiss(self) -> None:
        """Wait until all processes are here, and end their connection."""
        if self.size > 1:
            from torch import distributed

            distributed.barrier()
            distributed.destroy_process_group()


def join() -> Team:
    """The team that the environment describes (RANK and WORLD_SIZE, as the launchers set them), or this process alone.

    Raises UserError when the environment makes no sense or the other processes cannot be reached.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    rank = os.environ.get("RANK", "0")
    if not (size.isdecimal() and rank.isdecimal() and int(rank) < int(size)):
        raise UserError(f"environment: expected RANK below WORLD_SIZE, got RANK={rank}, WORLD_SIZE={size}")
    team = Team(int(rank), int(size))
    if team.size > 1:
        try:
            from torch import distributed

            distributed.init_process_group("gloo", timeout=LONGEST_WAIT)
        except (ImportError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"process {rank} of {size} cannot reach the others: {reason}") from error
    return team
