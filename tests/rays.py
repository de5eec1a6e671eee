"""Stands for Ray: actors are objects of this process, and some of their calls find them gone."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class RayActorError(Exception):
    """As Ray raises it."""


class OtherError(Exception):
    """For the other classes of Ray that are caught."""


class Rays:
    """The module `ray`, as far as it is used.

    Args:
        dies: Told each call's number, from 1, and its name: whether its actor dies over it.
    """

    exceptions = SimpleNamespace(
        RayActorError=RayActorError,
        WorkerCrashedError=OtherError,
        NodeDiedError=OtherError,
        ObjectLostError=OtherError,
        OutOfMemoryError=OtherError,
    )

    def __init__(self, dies: Callable[[int, str], bool] = lambda number, name: False) -> None:
        self._dies, self.calls, self.lost, self.alive = dies, 0, 0, 0
        self.asked: dict[str, Any] = {}

    def remote(self, **asked: Any) -> Callable[[type], Any]:
        self.asked = asked

        def of(kind: type) -> Any:
            def begun(*args: Any) -> _Handle:
                self.alive += 1
                return _Handle(self, kind(*args))

            return SimpleNamespace(remote=begun)

        return of

    def wait(self, asked: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return asked, []

    def get(self, asked: Any) -> Any:
        if isinstance(asked, Exception):
            raise asked
        return asked

    def kill(self, handle: Any) -> None:
        self.alive -= not handle.gone

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 5.0, "GPU": 2.0}


class _Handle:
    def __init__(self, rays: Rays, holder: Any) -> None:
        self._rays, self._holder, self.gone = rays, holder, False

    def __getattr__(self, name: str) -> Any:
        def asked(*args: Any) -> Any:
            rays = self._rays
            rays.calls += 1
            if not self.gone and rays._dies(rays.calls, name):
                self.gone, rays.lost, rays.alive = True, rays.lost + 1, rays.alive - 1
            if self.gone:
                return RayActorError("the actor died")
            try:
                return getattr(self._holder, name)(*args)
            except Exception as error:
                return error

        return SimpleNamespace(remote=asked)
