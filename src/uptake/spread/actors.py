"""Actors that hold something dear, a loaded model, and do work with it; one that is lost is replaced.

The work is cut into units, several of which are under way at once, each in a thread here. Whenever a thread needs what
an actor holds it asks whichever is free, and asks another one when that is lost. What is done here is done by one
thread at a time: only the waiting for actors goes on side by side. So no work has to know that others are under way.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from threading import Condition, Lock, get_ident
from typing import Any, TypeVar

from uptake.errors import UptakeError, first_line
from uptake.spread.cluster import Spread, connected, room

T = TypeVar("T")
Unit = TypeVar("Unit")
Result = TypeVar("Result")

POLL = 0.2
"""Seconds between two looks at whether an actor has begun."""
PATIENCE = 900.0
"""Seconds without any actor after which it is an error: a cluster that grows on demand needs some minutes."""
TRIES = 4
"""Actors that may be lost over one piece of work, and in beginning, before it is an error."""


class _Closed(Exception):
    """The actors were ended while somebody waited for one."""


@dataclass(frozen=True)
class _Refused:
    """An error for the user, on its way from an actor: exceptions lose their fields on it."""

    problem: str
    expected: str | None
    fix: str | None


@dataclass(frozen=True)
class Holding:
    """What an actor holds, and how it comes by it.

    Attributes:
        key: Identifies it.
        make: From `args` to what is held, and what is told of it; a function that the other side can import.
        args: What it is given.
    """

    key: str
    make: Callable[..., tuple[Any, Any]]
    args: Any


def _nothing() -> tuple[None, None]:
    return None, None


NOTHING = Holding("", _nothing, ())
"""For work that needs nothing that is dear."""


class _Holder:
    """What runs on the other side: it holds one thing at a time."""

    def __init__(self, path: list[str]) -> None:
        sys.path += [one for one in path if one not in sys.path]
        self._key: str | None = None
        self._held: Any = None
        self._told: Any = None

    def there(self) -> bool:
        return True

    def run(self, held: Holding, work: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        try:
            if self._key != held.key:
                self.drop()
                self._held, self._told = held.make(*held.args)
                self._key = held.key
            return work(*args, self._held, self._told)
        except UptakeError as error:
            return _Refused(error.problem, error.expected, error.fix)

    def drop(self) -> None:
        self._key = self._held = self._told = None
        gc.collect()


def _plain(work: Callable[..., Any], *args: Any) -> Any:
    """The work, which is not given what was told."""
    return work(*args[:-1])


def _told(held: Any, told: Any) -> Any:
    return told


def _taken(found: Any) -> Any:
    if isinstance(found, _Refused):
        raise UptakeError(found.problem, expected=found.expected, fix=found.fix)
    return found


def _gone(ray: Any) -> tuple[type[Exception], ...]:
    errors = ray.exceptions
    lost = (errors.RayActorError, errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError)
    return (*lost, errors.OutOfMemoryError)


class _Turn:
    """A lock that whoever has it may lay aside for a while."""

    def __init__(self) -> None:
        self._lock, self._owner = Lock(), 0

    @contextmanager
    def mine(self) -> Iterator[None]:
        with self._lock:
            self._owner = get_ident()
            try:
                yield
            finally:
                self._owner = 0

    @contextmanager
    def aside(self) -> Iterator[None]:
        if self._owner != get_ident():  # it is somebody else's, or nobody's
            yield
            return
        self._owner = 0
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
            self._owner = get_ident()


class Actors:
    """Some actors, which are started when they are first needed.

    Args:
        spread: Over what.
    """

    def __init__(self, spread: Spread) -> None:
        self._spread = spread
        self._ray: Any = None
        self._changed, self._turn = Condition(), _Turn()
        self._idle: list[Any] = []
        self._starting: list[tuple[Any, Any]] = []
        self._busy: list[Any] = []
        self._holds: dict[Any, str] = {}
        self._failed, self._closed = 0, False
        self.n = 1  # how many are wanted, once they are started

    def __enter__(self) -> Actors:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def start(self) -> None:
        """Start them, where that was not done.

        Raises:
            UptakeError: Ray is not there, or the cluster does not answer.
        """
        if self._ray is None:
            spread, self._ray = self._spread, connected(self._spread)
            self._class = self._ray.remote(num_cpus=spread.cpus, num_gpus=spread.gpus, max_restarts=0)(_Holder)
            self.n = room(self._ray, spread)
            for _ in range(self.n):
                self._start()

    def run(self, held: Holding, work: Callable[..., T], *args: Any) -> T:
        """Do `work(*args, what is held)` where an actor is; done again where the actor is lost.

        Raises:
            UptakeError: As the work raises it; no actor can begin; or so many were lost that the work must be at fault.
        """
        found: T = self._run(held, _plain, work, *args)
        return found

    def told(self, held: Holding) -> Any:
        """What is told of what is held, when an actor has it; raises as `run`."""
        return self._run(held, _told)

    def _run(self, held: Holding, work: Callable[..., Any], *args: Any) -> Any:
        with self._turn.aside():
            self.start()
            for _ in range(TRIES):
                handle = self._take(held.key)
                try:
                    found = self._ray.get(handle.run.remote(held, work, args))
                except _gone(self._ray):
                    self._lose(handle)
                    continue
                except BaseException:
                    self._give(handle, held.key)
                    raise
                self._give(handle, held.key)
                return _taken(found)
        raise UptakeError(
            f"{TRIES} actors of Ray were lost one after the other over the same part of the work",
            expected="actors that stay; perhaps the memory ran out",
            fix="fewer actors (spread.actors), or a smaller batch_tokens; what was finished is kept",
        )

    def each(self, units: Iterable[Unit], work: Callable[[Unit], Result]) -> Iterator[tuple[Unit, Result]]:
        """Do all units, some more at once than there are actors; each is given as soon as it is done.

        Args:
            units: What is to be done.
            work: Does one, and asks by `run`.

        Raises:
            UptakeError: As the work raises it.
        """
        waiting, left = iter(units), dict[Future[Result], Unit]()
        first = list(islice(waiting, 1))
        if not first:  # what is done already needs no actor
            return
        self.start()
        waiting = chain(first, waiting)
        pool = ThreadPoolExecutor(self.n + 1)  # one is done here meanwhile

        def done(unit: Unit) -> Result:
            with self._turn.mine():
                return work(unit)

        try:
            while True:
                for unit in waiting:
                    left[pool.submit(done, unit)] = unit
                    if len(left) > self.n:
                        break
                if not left:
                    return
                for future in wait(left, return_when=FIRST_COMPLETED)[0]:
                    yield left.pop(future), future.result()
        except BaseException:
            self.close()  # whoever waits for an actor goes home
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def drop(self) -> None:
        """Make room: who is free lets go of what it holds."""
        with self._changed:
            for handle in self._idle:
                handle.drop.remote()

    def close(self) -> None:
        """End all of them."""
        with self._changed:
            self._closed = True
            handles = [*self._idle, *self._busy, *(handle for handle, _ in self._starting)]
            self._idle, self._starting = [], []
            self._changed.notify_all()
        for handle in handles:
            self._ray.kill(handle)

    def _start(self) -> None:
        handle = self._class.remote([one for one in sys.path if one])
        self._starting.append((handle, handle.there.remote()))

    def _take(self, key: str) -> Any:
        """An actor that nobody else has, as soon as there is one; one that holds the thing, if there is one."""
        since = time.monotonic()
        with self._changed:
            while True:
                if self._closed:
                    raise _Closed
                self._look()
                if self._idle:
                    found = next((one for one in self._idle if self._holds.get(one) == key), self._idle[0])
                    self._idle.remove(found)
                    self._busy.append(found)
                    return found
                if self._busy:
                    since = time.monotonic()
                elif time.monotonic() - since > PATIENCE:
                    raise self._none()
                self._changed.wait(POLL)

    def _look(self) -> None:
        """Which actors have begun since."""
        for handle, asked in list(self._starting):
            if not self._ray.wait([asked], timeout=0)[0]:
                continue
            self._starting.remove((handle, asked))
            try:
                self._ray.get(asked)
            except _gone(self._ray) as error:
                self._failed += 1
                if self._failed >= TRIES and not self._busy and not self._idle:
                    raise UptakeError(
                        f"an actor of Ray ended while it began, {self._failed} times: {first_line(error)}",
                        expected="uptake in the environment of each machine, with the same Python and Ray",
                        fix="install it there; `ray logs` tells more",
                    ) from error
                self._start()
                continue
            self._failed = 0
            self._idle.append(handle)

    def _none(self) -> UptakeError:
        there = {name: n for name, n in self._ray.cluster_resources().items() if name in ("CPU", "GPU")}
        return UptakeError(
            f"no actor could begin within {PATIENCE / 60:.0f} minutes; the cluster has {there}",
            expected=f"a machine with {self._spread.cpus} free cores and {self._spread.gpus:g} free GPUs",
            fix="ask for less with spread.cpus and spread.gpus, or wait until the cluster has room",
        )

    def _give(self, handle: Any, key: str) -> None:
        with self._changed:
            self._holds[handle] = key
            self._busy.remove(handle)
            self._idle.append(handle)
            self._changed.notify()

    def _lose(self, handle: Any) -> None:
        """An actor is gone: another one begins in its place, wherever and whenever there is room."""
        with self._changed:
            self._busy.remove(handle)
            self._holds.pop(handle, None)
            if not self._closed:
                self._start()
            self._changed.notify()
