"""The published cascade: five steps in order, the first that applies is the cause (ILP, arXiv 2604.10079).

Kept to be measured beside `uptake.attribute.attribute`, never the default. What the paper says is marked [P], what it
leaves open and was chosen here [R]. Nearly every unlearned example fails step I, so I swallows II; similarity is not
contradiction; consecutive readings miss slow drift; the order decides the shares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from uptake.causes import Case, Source
from uptake.detect import best_of_n

ACCURATE = 0.8
"""[P] P_exist(x) = 1 where the base's accuracy is above."""
PASS_AT_10 = 0.2
"""[P] For triples, unknown below this fraction of ten samples; in expectation the probability of one."""
BEST_OF_5 = 0.1
"""[P] For triples, unknown below this accuracy of the most confident of five samples."""
CONFIDENT = 0.8
"""[R] T_conf: the base's probability of its wrong answer."""
DIVERGED = 0.3
"""[P, Table 10] Least D_JS of base and tuned model; over the candidates, in bits [R]."""
SIMILAR = 0.85
"""[R] X: cosine from which on two questions are a pair."""
DROPPED = 0.05
"""[P] T_drop, relative."""


ASKS: Sequence[tuple[str, Source]] = (
    ("knowledge_gap", "base"),
    ("base_conflict", "belief"),
    ("forgetting", "ledger"),
)
"""What the steps that name these causes rest on."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a case left the cascade.

    Attributes:
        cause: The cause.
        sentence: The rule with its numbers.
        numbers: JSON data.
        untold: Causes whose step had no numbers, and for each why.
    """

    cause: str
    sentence: str
    numbers: Mapping[str, float | None]
    untold: Mapping[str, str] = field(default_factory=dict)


def cascade(case: Case) -> Step:
    """The first step that applies, and which could not be asked; see `first_step` for the rules."""
    step = first_step(case)
    untold: dict[str, str] = {
        cause: f"cannot be judged: {case.missing[source]}" for cause, source in ASKS if source in case.missing
    }
    untold.pop(step.cause, None)
    if step.cause == "undertraining":
        return replace(
            step, sentence=f"V: none of the {4 - len(untold)} other rules that can be asked applies.", untold=untold
        )
    return replace(step, untold=untold)


def first_step(case: Case) -> Step:
    """The cause by the published rules, I to V.

    I: the base's accuracy over all wordings [R] is at most 0.8, pass@10 below 0.2 and best-of-5 below 0.1; the paper
    asks for the latter two of triples, and every example is taken for one [R]. II: P_base(ŷ|x) > T_conf for a wrong ŷ
    and D_JS(base, tuned) > 0.3. III: a similar pair that an LLM judges to contradict; a pair that `uptake.rivals` finds
    takes its place [R], which flatters the paper. IV: ΔA = A(t−K) − A(t) > 5 % of A(t−K), A the probability of the
    response [R]. V: the rest. A step whose numbers are not there does not apply [R].
    """
    gap = _gap(case)
    if gap is not None:
        return gap
    if case.belief is not None and math.exp(case.belief.base.own) > CONFIDENT:
        diverged = jensen_shannon(case.base_options, case.tuned_options)
        if diverged > DIVERGED:
            p = math.exp(case.belief.base.own)
            return Step(
                "base_conflict",
                f"II: the base's wrong answer has p = {p:.2f} > {CONFIDENT}, D_JS = {diverged:.2f} > {DIVERGED}.",
                {"p_belief": p, "d_js": diverged},
            )
    if case.rival is not None and case.rival.similarity is not None and case.rival.similarity > SIMILAR:
        return Step(
            "data_conflict",
            f"III: an example of similarity {case.rival.similarity:.2f} > {SIMILAR} contradicts it.",
            {"similarity": case.rival.similarity},
        )
    earlier, latest = (None, None) if case.curve is None else (case.curve.earlier, case.curve.latest)
    if earlier is not None and latest is not None and earlier - latest > DROPPED * earlier:
        return Step(
            "forgetting",
            f"IV: its probability fell from {earlier:.2g} to {latest:.2g}, by more than {DROPPED:.0%}.",
            {"earlier": earlier, "latest": latest},
        )
    return Step("undertraining", "V: none of the 4 other rules applies.", {})


def _gap(case: Case) -> Step | None:
    if case.base is None:
        return None
    accuracy = fmean(map(math.exp, (case.base.own, *case.base.held_out)))
    p = math.exp(case.base.own)
    best = best_of_n(case.base_options, case.right)
    if accuracy > ACCURATE or p >= PASS_AT_10 or best >= BEST_OF_5:
        return None
    return Step(
        "knowledge_gap",
        f"I: the base's accuracy is {accuracy:.2g} <= {ACCURATE}, pass@10 {p:.2g} < {PASS_AT_10}, "
        f"best of 5 {best:.2g} < {BEST_OF_5}.",
        {"accuracy": accuracy, "pass_at_10": p, "best_of_5": best},
    )


def jensen_shannon(p: tuple[float, ...], q: tuple[float, ...]) -> float:
    """½ KL(p‖m) + ½ KL(q‖m), m = (p + q) / 2, in bits: 0 for equal distributions, 1 for disjoint ones."""

    def divergence(a: tuple[float, ...]) -> float:
        return math.fsum(x * math.log2(2 * x / (y + z)) for x, y, z in zip(a, p, q, strict=True) if x > 0)

    return 0.5 * divergence(p) + 0.5 * divergence(q)
