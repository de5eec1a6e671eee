"""The processes that train together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes that train together, as their launcher says; read from the environment once, by the command line.

    Attributes:
        rank: The number of this one.
        local: Its number on its machine.
        world: How many there are.
        sharded: What splits the model over them: `fsdp`, `deepspeed`.
        precision: Mixed precision that the launcher sets; None where it sets none.
    """

    rank: int = 0
    local: int = 0
    world: int = 1
    sharded: tuple[str, ...] = ()
    precision: str | None = None

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and talks."""
        return self.rank == 0


ALONE = Processes()
"""A single process."""
