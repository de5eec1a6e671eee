"""What a launcher (`accelerate launch`, torchrun) says of the processes that train together."""

from __future__ import annotations

import os

from uptake.processes import Processes


def processes() -> Processes:
    """The processes of this command, from the environment; a single one without a launcher."""
    said = os.environ
    return Processes(
        rank=int(said.get("RANK", "0")),
        local=int(said.get("LOCAL_RANK", "0")),
        world=int(said.get("WORLD_SIZE", "1")),
        sharded=tuple(
            name for name in ("fsdp", "deepspeed") if said.get(f"ACCELERATE_USE_{name.upper()}", "").lower() == "true"
        ),
        precision=said.get("ACCELERATE_MIXED_PRECISION"),
    )
