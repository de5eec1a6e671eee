"""Which planted causes of a world are true: the base itself is asked, and what did not take is left out of the key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from spans_world import HOW_CAUSES, KNOWN, Entry, said_in, says

RESAMPLED = 2000


@dataclass(frozen=True)
class Planted:
    """A value whose cause is known.

    Attributes:
        start: Its first character in the response.
        end: The character after its last one.
        cause: Why it is not learned, if it is not.
    """

    start: int
    end: int
    cause: str


def confirmed(data: Sequence[Entry], base: Path) -> list[list[Planted]]:
    """Of each entry the values of which the base says what the key has it say.

    A belief is said in the entry, and not in others of the form, where it would be a habit; what is forgotten is said,
    and the value of all others is not. (After another prompt a base that knows a text by heart goes on with it.)
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(base).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    found = []
    for entry in data:
        own: list[Planted] = []
        # what comes seldom is undertrained whichever slot it is
        for name in (entry.own if entry.how == "seldom" else entry.planted) if entry.how in HOW_CAUSES else ():
            takes = says(model, tokenizer, entry, name) == (entry.how in KNOWN)
            if takes and entry.how == "base_conflict":
                strangers = [one for one in data if one.form == entry.form and one.how != entry.how][:4]
                takes = sum(said_in(model, tokenizer, one, name, entry.told[name]) for one in strangers) < 2
            if takes:
                own.append(Planted(*entry.place(name), HOW_CAUSES[str(entry.how)]))
        found.append(own)
    return found


def macro_f1(pairs: Sequence[tuple[str, str]]) -> tuple[float | None, dict[str, float]]:
    """Mean F1 over the planted causes, and each: pairs of the planted and the named one."""
    f1 = {}
    for cause in dict.fromkeys(planted for planted, _ in pairs):
        right = sum(planted == cause == named for planted, named in pairs)
        n = sum((planted == cause) + (named == cause) for planted, named in pairs)
        f1[cause] = 2 * right / n
    return (sum(f1.values()) / len(f1) if f1 else None), f1


def bootstrapped(examples: Sequence[Sequence[tuple[str, str]]], seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of macro-F1 where examples are drawn anew, with all of their spans."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLED):
        some = [pair for k in rng.integers(len(examples), size=len(examples)) for pair in examples[k]]
        mean, _ = macro_f1(some)
        if mean is not None:
            drawn.append(mean)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
