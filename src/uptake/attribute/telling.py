"""What is told of all attributed examples: shares with intervals, and the most telling examples of each cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from uptake.attribute.evidence import HOLDS, UNEXPLAINED
from uptake.causes import CAUSES, weights
from uptake.stats import wilson
from uptake.text import counted
from uptake.types import Finding

SHOWN = 3
"""Examples that are told of each cause."""
LINE = 100
"""Characters of a prompt or a response that are told."""


@dataclass(frozen=True, slots=True)
class Best:
    """One of the most telling findings of a cause.

    Attributes:
        score: The cause's.
        id: The example's.
        stage: The example's.
        told: What the summary says of it; JSON data.
        rivals: Examples that contradict it: one of them is enough to tell of.
    """

    score: float
    id: str
    stage: str
    told: Mapping[str, Any]
    rivals: frozenset[str]


def _kept(best: Iterable[Best]) -> list[Best]:
    """The highest scores, ties by id, one of several that contradict each other."""
    kept: list[Best] = []
    for one in sorted(best, key=lambda one: (-one.score, one.id, one.stage)):
        if len(kept) < SHOWN and all(one.id not in other.rivals for other in kept):
            kept.append(one)
    return kept


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LINE else f"{line[: LINE - 1]}…"


@dataclass
class Telling:
    """Counts attributed findings while they pass, and keeps the most telling ones.

    Attributes:
        method: How they were attributed.
        n: Examples that were not learned.
        primary: By cause, how many have it as their primary one.
        holding: By cause, for how many it holds.
        untold: By cause and reason, for how many it cannot be told.
        best: By cause the most telling findings.
        long: How many have a longer response than any that the scores were fitted on.
    """

    method: str
    n: int = 0
    primary: Counter[str] = field(default_factory=Counter)
    holding: Counter[str] = field(default_factory=Counter)
    untold: Counter[tuple[str, str]] = field(default_factory=Counter)
    best: dict[str, list[Best]] = field(default_factory=dict)
    long: int = 0

    def noting(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Pass findings on."""
        for finding in findings:
            if finding.cause is not None:
                self._note(finding, finding.cause)
            yield finding

    def _note(self, finding: Finding, cause: str) -> None:
        self.n += 1
        self.primary[cause] += 1
        by_spans = finding.evidence.criterion == "spans"  # whose scores are fitted on nothing
        self.long += not by_spans and finding.evidence.n_tokens > weights().fitted_on.longest_response
        for name in CAUSES:
            score = finding.causes.get(name)
            if score is None:
                self.untold[name, finding.evidence.causes[name].sentence] += 1
            elif score >= HOLDS:
                self.holding[name] += 1
        if cause != UNEXPLAINED:
            evidence = finding.evidence.causes[cause]
            shown = {"prompt": _short(finding.prompt), "response": _short(finding.response)}
            told = Best(
                finding.causes[cause],
                finding.id,
                finding.stage,
                {"id": finding.id, "stage": finding.stage, "score": finding.causes[cause], **shown}
                | {"sentence": evidence.sentence},
                frozenset(() if evidence.contradiction is None else evidence.contradiction.rivals),
            )
            self.best[cause] = _kept([*self.best.get(cause, []), told])

    def summary(self) -> dict[str, Any]:
        """JSON data: by cause a count, its share of the unlearned with a 95 % interval, the most telling examples."""
        return {
            "method": self.method,
            "threshold": HOLDS,
            "n": self.n,
            "causes": {
                name: {
                    **self._share(self.primary[name]),
                    "holds": self.holding[name],
                    "untold": sum(count for (cause, _), count in self.untold.items() if cause == name),
                    "telling": [dict(one.told) for one in self.best.get(name, [])],
                }
                for name in CAUSES
            },
            UNEXPLAINED: self._share(self.primary[UNEXPLAINED]),
        }

    def notes(self) -> list[str]:
        """Which causes cannot be told of how many examples, and what would help; how many responses are too long."""
        among = f"of {counted(self.n, 'unlearned example')}"
        told = [
            f"{cause} of {count} {among} {reason}"
            for (cause, reason), count in sorted(self.untold.items(), key=lambda item: (-item[1], item[0]))
        ]
        if self.long and self.method == "evidence":
            longest = weights().fitted_on.longest_response
            told.append(
                f"the response of {self.long} {among} has more than {longest} tokens, longer than any response that "
                "the scores were fitted on: use their scores as a ranking only"
            )
        return told

    def _share(self, count: int) -> dict[str, Any]:
        interval = wilson(count, self.n)
        return {"count": count if self.n else None, "rate": None if interval is None else asdict(interval)}
