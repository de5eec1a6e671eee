"""Types and shapes are checked at every call of uptake's functions, each function at the least cost.

jaxtyping's import hook decorates every function. Its wrapper binds the arguments once more and checks them twice,
whether an array is among them or not: an eighth of the whole suite's time. Here only functions whose annotations tell a
shape get it; the others, nine of ten, get beartype alone, which checks the same types.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, update_wrapper
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any, get_type_hints

import jaxtyping
from beartype.roar import BeartypeDecorHintException

with_shapes = jaxtyping.jaxtyped

_CALLED = "__beartype_func"
"""The parameter in which beartype keeps what it checks."""
_INNER: dict[CodeType, FunctionType] = {}
"""By the code of an inner function what checks it: written once, and not whenever the outer function is called."""


def resolved(function: FunctionType) -> dict[str, Any]:
    """A function's annotations as jaxtyping reads them: each by itself, and Any where a name is not there."""
    hints = {}
    for name, hint in function.__annotations__.items():
        try:
            one = SimpleNamespace(__annotations__={name: hint})
            hints |= get_type_hints(one, function.__globals__, include_extras=True)
        except Exception:  # as jaxtyping does: whatever stands in the way, such as `array[int]` before Python 3.12
            hints[name] = Any
    return hints


def jaxtyped(decorated: Any = None, *, typechecker: Any) -> Any:
    """What jaxtyping's hook decorates with: functions, and dataclasses of which it wraps `__init__`."""
    if decorated is None:
        return partial(jaxtyped, typechecker=typechecker)
    if inspect.isclass(decorated):
        if dataclasses.is_dataclass(decorated) and isinstance(vars(decorated).get("__init__"), FunctionType):
            decorated.__init__ = jaxtyped(decorated.__init__, typechecker=typechecker)
        return decorated
    if not isinstance(decorated, FunctionType):
        return with_shapes(decorated, typechecker=typechecker)
    if decorated.__code__ in _INNER:
        return _like(_INNER[decorated.__code__], decorated)
    with untraced():
        return _checked(decorated, typechecker)


@contextmanager
def untraced() -> Iterator[None]:
    """Without coverage's tracer, which makes all of Python slower and has nothing to find here."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)
        frame = sys._getframe() if tracer is not None else None
        while frame is not None:  # else the rest of a module that is being imported is not seen
            frame.f_trace = tracer
            frame = frame.f_back


def _checked(decorated: FunctionType, typechecker: Any) -> Any:
    hints = resolved(decorated)
    if any("jaxtyping." in repr(hint) for hint in hints.values()):
        return with_shapes(decorated, typechecker=typechecker)
    written = decorated.__annotations__
    decorated.__annotations__ = hints
    try:
        checked = typechecker(decorated)
    except BeartypeDecorHintException:
        return with_shapes(decorated, typechecker=typechecker)
    finally:
        decorated.__annotations__ = written
    if checked is not decorated:
        checked.__annotations__ = written
        if "<locals>" in decorated.__qualname__ and (checked.__kwdefaults__ or {}).get(_CALLED) is decorated:
            _INNER[decorated.__code__] = checked
    return checked


def _like(checked: FunctionType, inner: FunctionType) -> FunctionType:
    """What checks an inner function, for the same function of another call of the outer one."""
    defaults = {**checked.__kwdefaults__, _CALLED: inner}
    found = FunctionType(checked.__code__, checked.__globals__, inner.__name__, checked.__defaults__)
    found.__kwdefaults__ = defaults
    update_wrapper(found, inner)
    return found


def install() -> None:
    """Before uptake is imported."""
    jaxtyping.jaxtyped = jaxtyped
    jaxtyping.install_import_hook("uptake", "beartype.beartype")
