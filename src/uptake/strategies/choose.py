"""From the run file's `strategy` to strategies with settings."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from uptake.errors import UptakeError
from uptake.strategies import STRATEGIES
from uptake.strategies.strategy import Chosen, Strategy
from uptake.text import shown


def choose(
    given: Mapping[str, Mapping[str, Any]], key: str = "strategy", where: Callable[[str], str] = lambda key: ""
) -> tuple[Chosen, ...]:
    """The strategies of a stage, in their order.

    Args:
        given: By name, their settings; what is left out has its default.
        key: Where they stand in the run file: `strategy`, or `stages.1.strategy`.
        where: The line of a key of the run file, to begin an error with.

    Raises:
        UptakeError: There is no such strategy or setting, or a value does not fit.
    """
    return tuple(_chosen(name, settings, key, where) for name, settings in given.items())


def _chosen(name: str, settings: Mapping[str, Any], key: str, where: Callable[[str], str]) -> Chosen:
    if name not in STRATEGIES:
        close = difflib.get_close_matches(name, STRATEGIES, n=1)
        fix = f"did you mean {close[0]}" if close else "docs/strategies.md says what each does"
        problem = f"{where(f'{key}.{name}')}{key}: there is no {shown(name)}"
        raise UptakeError(problem, expected=", ".join(STRATEGIES), fix=fix)
    strategy = STRATEGIES[name]
    try:
        return Chosen(strategy, strategy.settings.model_validate(dict(settings)))
    except ValidationError as error:
        problems = [_problem(strategy, dict(one), key, where) for one in error.errors(include_url=False)]
        raise UptakeError("\n".join(problems)) from None


def _problem(strategy: Strategy, error: Mapping[str, Any], of: str, where: Callable[[str], str]) -> str:
    key, known = ".".join(str(part) for part in error["loc"]), list(strategy.settings.model_fields)
    full = f"{of}.{strategy.name}.{key}".removesuffix(".")
    told = f"{where(full)}{full}"
    if key.partition(".")[0] not in known and error["type"] != "extra_forbidden":  # of several settings together
        return f"{told}: {error['msg']}"
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(key, known, n=1)
        return f"{told}: no such setting. {f'Did you mean {close[0]}?' if close else 'There are: ' + ', '.join(known)}"
    expected = error["msg"].removeprefix("Input should be ")
    about = strategy.settings.model_fields[str(error["loc"][0])].description or ""
    return f"{told}: {shown(error['input'])}: expected {expected}. {about}"
