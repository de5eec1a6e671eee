"""Ray: a cluster's address, or an instance in this process' own machine that ends with it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from uptake.errors import UptakeError, first_line


@dataclass(frozen=True)
class Spread:
    """Over what work is spread.

    Attributes:
        address: Of a Ray cluster, as `ray.init` takes it; None starts Ray on this machine, for this process.
        actors: How many work at once; None is as many as there is room for.
        cpus: Processor cores of each.
        gpus: GPUs of each; a part of one lets several share it.
    """

    address: str | None = None
    actors: int | None = None
    cpus: int = 1
    gpus: float = 0.0


def connected(spread: Spread) -> Any:
    """The module `ray`, connected; what is connected already stays as it is.

    Raises:
        UptakeError: Ray is not installed, or the cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    # GPUs are hidden from an actor that asks for none, as Ray did until now and warns that it will not
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    try:
        import ray
    except ImportError as error:
        raise UptakeError(
            "spread: ray is asked for, and Ray is not installed",
            expected="Ray in the environment of this command and of every machine of the cluster, in one version",
            fix="pip install 'uptake[ray]', or leave spread out",
        ) from error
    if ray.is_initialized():
        return ray
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    try:
        if spread.address is None:
            cores = max(os.cpu_count() or 1, (spread.actors or 1) * spread.cpus)
            ray.init(address="local", num_cpus=cores, include_dashboard=False, **how)
        else:
            ray.init(address=spread.address, **how)
    except (OSError, RuntimeError, ValueError) as error:
        where = "on this machine" if spread.address is None else f"at {spread.address}"
        raise UptakeError(
            f"Ray {where} does not answer: {first_line(error)}",
            expected="a running cluster, and the same versions of Python and Ray here and there",
            fix="check it with `ray status`, or leave spread.address out to work on this machine alone",
        ) from error
    return ray


def room(ray: Any, spread: Spread) -> int:
    """How many actors are wanted: what is asked for, or as many as the machines there are now have room for."""
    if spread.actors is not None:
        return spread.actors
    there = ray.cluster_resources()
    rooms = [there.get("CPU", 0.0) / spread.cpus]
    rooms += [there.get("GPU", 0.0) / spread.gpus] if spread.gpus else []
    return max(1, int(min(rooms)))
