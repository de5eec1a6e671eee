"""What is compared: strategies with their settings, and what is tried of each in tuning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any, TypeAlias

from uptake import yaml
from uptake.errors import UptakeError
from uptake.text import shown

SEQUENTIAL = "sequential"
"""Plain fine-tuning, one stage after the other: no strategy."""
RATES = (1.0, 2.0, 0.5, 4.0, 0.25, 8.0, 0.125)
"""Learning rates that are tried, as multiples of the run's, in this order."""

LABEL = re.compile(r"\w[\w.-]{0,60}", re.ASCII)
"""What an arm may be called: its name is that of a folder too."""

Chain: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Strategies by name, with their settings, in the order of their hooks."""


@dataclass(frozen=True)
class Trial:
    """One way to set an arm.

    Attributes:
        chain: The strategies.
        rate: What the run's learning rate is multiplied by.
    """

    chain: Chain
    rate: float = 1.0

    def as_data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"strategy": {name: dict(one) for name, one in self.chain.items()}, "rate": self.rate}


@dataclass(frozen=True)
class Contender:
    """Strategies that are compared with others.

    Attributes:
        name: How it is called: as it says itself, else the names of its strategies.
        choices: By strategy and setting, the values that are tried; one value where there is nothing to try.
    """

    name: str
    choices: Mapping[str, Mapping[str, Sequence[Any]]]

    @property
    def chains(self) -> list[Chain]:
        """Every way to set it, but for the learning rate."""
        places = [(name, key) for name, settings in self.choices.items() for key in settings]
        values = [self.choices[name][key] for name, key in places]
        found: list[Chain] = []
        for chosen in product(*values):
            chain: dict[str, dict[str, Any]] = {name: {} for name in self.choices}
            for (name, key), value in zip(places, chosen, strict=True):
                chain[name][key] = value
            found.append(chain)
        return found

    def trials(self, n: int) -> list[Trial]:
        """What is tried: each way to set it at the run's learning rate, then at the next one, until it is `n`.

        Raises:
            UptakeError: There are more ways than trials, or fewer.
        """
        chains = self.chains
        if not len(chains) <= n <= len(chains) * len(RATES):
            raise UptakeError(
                f"{self.name} has {len(chains)} settings to try, and each strategy gets {n} trials",
                expected=f"{len(chains)} to {len(chains) * len(RATES)} trials: {len(RATES)} learning rates are tried",
                fix="change --trials, or the values of its settings",
            )
        return [Trial(chain, rate) for rate, chain in islice(product(RATES, chains), n)]


def arms_of(text: str) -> list[Contender]:
    """What is to be compared: names with commas between them, or YAML, as text or as the name of a file.

    `[sequential, {replay: {share: [0.05, 0.1]}}, {replay: {share: 0.1}, ewc: {strength: 10}}]`: several values of a
    setting are tried, and several names in one mapping work together. The same strategies with other settings, as in an
    ablation, need a name: `{name: no-anchor, conflict_aware: {anchor: 0}}`.

    Args:
        text: The text.

    Raises:
        UptakeError: It says no such thing.
    """
    try:
        given = yaml.read(_content(text))
    except yaml.YAMLProblem as error:
        raise UptakeError(f"--strategies: {error.problem}", expected=error.expected) from None
    if isinstance(given, str):
        given = [name.strip() for name in given.split(",") if name.strip()]
    if not isinstance(given, list) or not given:
        raise _no_list(given)
    arms = [_arm(one) for one in given]
    names = [arm.name for arm in arms]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UptakeError(
            f"--strategies names {twice[0]} twice",
            expected="each once",
            fix=f"give several values of a setting to try them, {{{twice[0]}: {{SETTING: [ONE, OTHER]}}}}, or a name: "
            "{name: OTHER, ...}",
        )
    return arms


def _content(text: str) -> str:
    if not text.endswith((".yaml", ".yml")):
        return text
    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UptakeError(f"--strategies: cannot read {text}: {error}", expected="a YAML file") from None


def _no_list(given: Any) -> UptakeError:
    return UptakeError(
        f"--strategies is {shown(given)}",
        expected="names of strategies, or a list of names and of mappings from a name to settings",
        fix="for example --strategies 'sequential, replay, lwf', or the name of a YAML file that holds such a list",
    )


def _arm(given: Any) -> Contender:
    one = {given: {}} if isinstance(given, str) else given
    label = one.get("name") if isinstance(one, Mapping) else None
    if label is not None:
        one = {key: value for key, value in one.items() if key != "name"}
        if not isinstance(label, str) or not LABEL.fullmatch(label):
            raise UptakeError(f"--strategies: a name is {shown(label)}", expected="letters, digits, and any of - _ .")
    if not isinstance(one, Mapping) or not one or not all(isinstance(name, str) for name in one):
        raise _no_list(given)
    if SEQUENTIAL in one:
        if len(one) > 1 or one[SEQUENTIAL]:
            raise UptakeError(f"{SEQUENTIAL} is no strategy: it has no settings", fix="name it alone")
        return Contender(SEQUENTIAL, {})
    if wrong := [name for name, settings in one.items() if not isinstance(settings or {}, Mapping)]:
        raise UptakeError(
            f"--strategies: {shown(wrong[0])} has no settings but {shown(one[wrong[0]])}",
            expected="a mapping from settings to values",
        )
    choices = {
        name: {key: value if isinstance(value, list) and value else [value] for key, value in (settings or {}).items()}
        for name, settings in one.items()
    }
    return Contender(label or " + ".join(choices), choices)
