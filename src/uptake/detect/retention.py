"""The second ledger: what the model could do before the fine-tune and cannot do now (1 → 0), and the reverse.

An accuracy before and one after hide this: one fact lost and another gained leave the mean where it was. Counting
1 → 0 and 0 → 1 per example is due to Harmon et al. 2025, "Mapping Post-Training Forgetting in Language Models at Scale"
(arXiv 2510.17776).

Chance. Among K options a model that does not know is right 1/K of the time, so some of the lost were never known.
Suppose that guesses are uniform, and independent before and after. Of the examples that were unknown before and are
wrong now, (K − 1)/K were wrong before, which we see as 0 → 0, and 1/K were right, which we see as 1 → 0: the lucky
among the lost number n₀₀ / (K − 1), in expectation. By symmetry as many of the gained are lucky. So

    lost, chance-adjusted = (n₁₀ − n₀₀ / (K − 1)) / n        (the same for gained with n₀₁)

Harmon et al. subtract (1 − a_before)(1 − a_after) / (K − 1) with accuracies a (from their released code, which also
clips the result at 0). It equals ours if being wrong before and being wrong after are independent; but what was not
known before is mostly not known after, so n₀₀ / n is larger and they subtract too little. Both are reported. A model
that repeats its guesses has fewer lucky changes than this, and then the truth lies between ours and the raw rate.
Recall of a free response has no 1/K, and nothing is subtracted there.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from uptake.detect.criteria import RECALL_MAX_TOKENS, Settings, option, plain_rule, recall
from uptake.detect.reading import read
from uptake.stats import bootstrap_mean, mcnemar_exact, wilson
from uptake.types import Example, Score

UNTOLD = "the base gives none of the answers, neither in the form of the data nor in its own words"
"""Why nothing can be said of what was lost: the base has nothing to lose, or answers in a form that was not read."""
Kind: TypeAlias = Literal["option", "recall", "text"]


@dataclass(frozen=True, slots=True)
class Change:
    """One example before and after the fine-tune.

    Attributes:
        id: The example's id.
        source: The example's source.
        kind: `option` (the user gave options: is the right one preferred?), `recall` (a response up to 32 tokens: is
            it recalled?), or `text` (longer: there is only its likelihood).
        before: Right before; None for text.
        after: Right after; None for text.
        n_options: Number of options; None when there are none.
        nll_before: Mean negative log-probability before, in nats per token.
        nll_after: The same after.
    """

    id: str
    source: str
    kind: Kind
    before: bool | None
    after: bool | None
    n_options: int | None
    nll_before: float
    nll_after: float

    @property
    def lost(self) -> bool | None:
        """Right before and wrong after; None for text."""
        return None if self.before is None or self.after is None else self.before and not self.after

    @property
    def gained(self) -> bool | None:
        """Wrong before and right after; None for text."""
        return None if self.before is None or self.after is None else self.after and not self.before


def compare(
    example: Example,
    before: Sequence[Score],
    after: Sequence[Score],
    settings: Settings,
    freely: tuple[bool, bool] = (False, False),
) -> Change:
    """Compare two checkpoints on one example, by the plain rule (no end, no threshold).

    Args:
        example: The example; its own options decide whether it is judged by them.
        before: The earlier checkpoint's scores of it.
        after: The later checkpoint's scores of it.
        settings: How to detect; `normalisation` applies to options.
        freely: Whether the own answer of each checkpoint is the response in whatever words; it is right then, too.

    Raises:
        UptakeError: The training wording is missing, or a log-probability is not a number.
    """
    old, new = read(before, settings.normalisation), read(after, settings.normalisation)
    rule = plain_rule(settings)
    kind: Kind = "recall" if new.n_tokens <= RECALL_MAX_TOKENS else "text"
    n_options: int | None = None
    right: tuple[bool | None, bool | None] = (None, None)
    if kind == "recall":
        right = (recall(old, rule) or freely[0], recall(new, rule) or freely[1])
    if example.options and new.p_options is not None and old.p_options is not None:
        kind, n_options, right = "option", len(new.p_options), (option(old, rule), option(new, rule))
    return Change(
        id=example.id,
        source=example.source,
        kind=kind,
        before=right[0],
        after=right[1],
        n_options=n_options,
        nll_before=-old.logprob_per_token,
        nll_after=-new.logprob_per_token,
    )


def summarise_retention(changes: Iterable[Change], settings: Settings) -> dict[str, Any]:
    """Count what was lost and gained, in all and by source, in one pass; memory: two numbers an example of text.

    Args:
        changes: The compared examples.
        settings: Gives the bootstrap's seed.

    Returns:
        `n`, `answers` (None without any), `text` (None without any), and `by_source` with the same keys. Rates are
        shares of the answers with 95 % intervals; text is in nats per token, each example counting the same.
    """
    tallies: dict[str | None, _Tally] = defaultdict(_Tally)
    for change in changes:
        tallies[None].add(change)
        tallies[change.source].add(change)
    total = tallies.pop(None, _Tally())
    by_source = {str(source): tally.summary(settings.seed) for source, tally in tallies.items()}
    return {**total.summary(settings.seed), "by_source": by_source}


@dataclass(slots=True)
class _Tally:
    """Counts of (n_options, before, after) of the answers, and the likelihoods of the texts."""

    cells: dict[tuple[int | None, bool, bool], int] = field(default_factory=lambda: defaultdict(int))
    nll_before: MutableSequence[float] = field(default_factory=lambda: array("d"))
    nll_after: MutableSequence[float] = field(default_factory=lambda: array("d"))

    def add(self, change: Change) -> None:
        if change.before is None or change.after is None:
            self.nll_before.append(change.nll_before)
            self.nll_after.append(change.nll_after)
        else:
            self.cells[change.n_options, change.before, change.after] += 1

    def summary(self, seed: int) -> dict[str, Any]:
        n_answers = sum(self.cells.values())
        return {
            "n": n_answers + len(self.nll_before),
            "answers": self._answers(n_answers, seed) if n_answers else None,
            "text": self._text(seed) if self.nll_before else None,
        }

    def _count(self, before: bool | None, after: bool | None) -> int:
        return sum(n for (_, b, a), n in self.cells.items() if before in (None, b) and after in (None, a))

    def _answers(self, n: int, seed: int) -> dict[str, Any]:
        lost, gained = self._count(True, False), self._count(False, True)
        return {
            "n": n,
            "before": _rate(self._count(True, None), n),
            "after": _rate(self._count(None, True), n),
            "lost": {"count": lost, "rate": _rate(lost, n)} | self._adjusted(lost, n, (True, False), seed),
            "gained": {"count": gained, "rate": _rate(gained, n)} | self._adjusted(gained, n, (False, True), seed),
            "mcnemar_p": mcnemar_exact(lost, gained),
            "untold": None if self._count(True, None) else UNTOLD,
        }

    def _adjusted(self, count: int, n: int, direction: tuple[bool, bool], seed: int) -> dict[str, Any]:
        """The chance-adjusted rates; see the module's docstring."""
        sizes = sorted({k for k, _, _ in self.cells if k is not None and k > 1})
        if not sizes:
            return {"rate_adjusted": None, "rate_adjusted_harmon": None}
        # the adjusted rate is a mean over examples, 1 for each that changed and −1/(K − 1) for each 0 → 0 among K
        values = [np.ones(count)]
        harmon = float(count)
        for k in sizes:
            cell = {(b, a): self.cells.get((k, b, a), 0) for b in (False, True) for a in (False, True)}
            values.append(np.full(cell[False, False], -1 / (k - 1)))
            n_k = sum(cell.values())
            wrong_before, wrong_after = cell[False, False] + cell[False, True], cell[False, False] + cell[True, False]
            harmon -= wrong_before * wrong_after / n_k / (k - 1)
        known = np.concatenate(values)
        adjusted = bootstrap_mean(np.concatenate([known, np.zeros(n - len(known))]), seed=seed)
        return {
            "rate_adjusted": None if adjusted is None else asdict(adjusted),
            "rate_adjusted_harmon": max(0.0, harmon / n),
        }

    def _text(self, seed: int) -> dict[str, Any]:
        before, after = np.array(self.nll_before), np.array(self.nll_after)
        means = {"nll_before": before, "nll_after": after, "nll_change": after - before}
        intervals = {name: bootstrap_mean(values, seed=seed) for name, values in means.items()}
        return {"n": len(before)} | {name: asdict(one) for name, one in intervals.items() if one is not None}


def _rate(count: int, n: int) -> dict[str, float] | None:
    interval = wilson(count, n)
    return None if interval is None else asdict(interval)
