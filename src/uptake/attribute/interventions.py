"""What interventions say: how an example reacts to being trained on a little, and which causes that speaks for.

Nothing here trains. A course says how one example did under one treatment; outcomes are compared with the cause that
the signals name, as a check of the attribution that needs no answer key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from uptake.attribute.evidence import UNEXPLAINED
from uptake.evidence import TREATMENTS, Course, Reaction, Treatment
from uptake.stats import Interval, paired_difference, wilson

AT_ONCE = 1
"""Exposures that bring back what the model still has; chosen on one planted world (docs/details/causes.md)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the interventions did to one example.

    Attributes:
        id: The example's id.
        stage: Its stage.
        cause: The cause that the signals name; `unexplained` is one.
        courses: By treatment; those that it had no part in, or that were not run, are left out.
        told: It passes as learned when it is told in its context; None where that could not be asked.
        told_other: It passes when another example is told there instead; None as before.
    """

    id: str
    stage: str
    cause: str
    courses: Mapping[Treatment, Course] = field(default_factory=dict)
    told: bool | None = None
    told_other: bool | None = None


@dataclass(frozen=True, slots=True)
class Speech:
    """What an outcome says.

    Attributes:
        causes: Causes that it speaks for, in the order of the tables; () where it tells nothing.
        sentence: Why.
    """

    causes: tuple[str, ...]
    sentence: str


def speaks_for(outcome: Outcome) -> Speech:
    """Which causes an outcome speaks for; the first rule that applies.

    1. Held without its rivals and not with them, in the same number of steps: `data_conflict`.
    2. Held without being trained on, when learned examples are (`control`) or others of its own stage (`replay`):
       `forgetting`. What comes back so was hidden, not erased (Sun and Gao 2024, arXiv 2411.11932). An example that
       wavers between two answers may come back, too.
    3. Held from the first exposure on: it was there, `forgetting` or `undertraining`; relearning is quicker than
       learning (savings; Ebbinghaus 1885).
    4. Held after more: it had to be learned, `knowledge_gap` or `base_conflict`.
    5. Learned in the training wording alone: by heart, `knowledge_gap` or `undertraining`.

    What does not flip says nothing. Being told in the context has no vote: a model that reads its context answers
    whatever the cause, one that does not never does.
    """
    courses = outcome.courses
    if "control" not in courses or "more_steps" not in courses:
        return Speech((), "It was not trained on.")
    more = courses["more_steps"]
    if "without_rivals" in courses and courses["without_rivals"].held and not more.held:
        return Speech(("data_conflict",), "More steps teach it only if its rivals are left out.")
    if courses["control"].held:
        return Speech(("forgetting",), "It comes back when only learned examples are trained, so it was not erased.")
    if "replay" in courses and courses["replay"].held:
        return Speech(
            ("forgetting",), "It comes back when other examples of its stage are trained again, so it was not erased."
        )
    return _alone(more)


def _alone(more: Course) -> Speech:
    """What its own exposures say."""
    needed = more.exposures
    if needed is not None and needed <= AT_ONCE:
        return Speech(
            ("forgetting", "undertraining"), f"{_times(needed)} teaches it, so the model already had the knowledge."
        )
    if needed is not None:
        sentence = f"It takes {_times(needed)} to teach it in other words too, so the knowledge was missing."
        return Speech(("knowledge_gap", "base_conflict"), sentence)
    if more.flipped:
        sentence = f"{_times(len(more.learned))} teach only its training wording: it was learned by heart."
        return Speech(("knowledge_gap", "undertraining"), sentence)
    return Speech((), f"{_times(len(more.learned))} do not teach it.")


def to_learn(course: Course) -> str:
    """How many exposures an example needs when all that was not learned is trained on, as a sentence."""
    passes = _times(len(course.learned))
    if (needed := course.exposures) is not None:
        return f"{_times(needed)} more {'teaches' if needed == 1 else 'teach'} it, of {passes} that were tried."
    if course.flipped:
        return f"{passes} more teach its training wording alone."
    return f"Never in {passes}: more of them do not teach it."


def _times(n: int) -> str:
    return "1 exposure" if n == 1 else f"{n} exposures"


def reaction_of(outcome: Outcome) -> Reaction:
    """What is written beside an example's causes, under `interventions`."""
    speech = speaks_for(outcome)
    return Reaction(
        speaks_for=speech.causes,
        sentence=speech.sentence,
        agrees=None if not speech.causes or outcome.cause == UNEXPLAINED else outcome.cause in speech.causes,
        told=outcome.told,
        told_other=outcome.told_other,
        courses={name: outcome.courses[name] for name in TREATMENTS if name in outcome.courses},
    )


def summarise_outcomes(outcomes: Sequence[Outcome], causes: Sequence[str]) -> dict[str, Any]:
    """What flips an example of each cause, and how far the interventions agree with the causes that are named.

    Args:
        outcomes: Of the sampled examples.
        causes: Names of the causes, in the order of the result; those that no outcome has are left out.

    Returns:
        JSON data: `n`; `causes`, by named cause what `_of_cause` gives; `agreement` over all.
    """
    of = {cause: [one for one in outcomes if one.cause == cause] for cause in causes}
    return {
        "n": len(outcomes),
        "causes": {cause: _of_cause(some) for cause, some in of.items() if some},
        "agreement": agreement(outcomes),
    }


def _of_cause(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    spoken = [cause for one in outcomes for cause in speaks_for(one).causes]
    agreeing = agreement(outcomes)
    return {
        "n": len(outcomes),
        "in_context": _told(outcomes),
        **{name: _treated(outcomes, name) for name in TREATMENTS},
        "speaks_for": {cause: spoken.count(cause) for cause in dict.fromkeys(sorted(spoken))},
        "agrees": None if agreeing is None else {key: agreeing[key] for key in ("count", "n", "rate")},
    }


def _told(outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    """How many answer when told, when told of another, and the difference with a 95 % interval; None where not asked.

    Without the difference a model that ignores its context and one that babbles look alike.
    """
    asked = [(one.told, one.told_other) for one in outcomes if one.told is not None and one.told_other is not None]
    own, other = (sum(column) for column in zip(*asked, strict=True)) if asked else (0, 0)
    difference = _difference([(b, a) for a, b in asked])
    if difference is None:
        return None
    return {"n": len(asked), "flipped": own, "by_another": other, "difference": asdict(difference)}


def _difference(pairs: Sequence[tuple[bool, bool]]) -> Interval | None:
    """The difference between two shares of the same examples, the second less the first."""
    lost, won = (sum(pair == change for pair in pairs) for change in ((True, False), (False, True)))
    return paired_difference(lost, won, len(pairs))


def _treated(outcomes: Sequence[Outcome], name: Treatment) -> dict[str, Any] | None:
    """How many flip, how many hold in other words too, and how many more hold than under the control.

    None where none of them was so treated.
    """
    pairs = [(one.courses[name], one.courses.get("control")) for one in outcomes if name in one.courses]
    held, flipped = wilson(sum(c.held for c, _ in pairs), len(pairs)), sum(c.flipped for c, _ in pairs)
    if held is None:
        return None
    beside = [(control.held, course.held) for course, control in pairs if control is not None]
    above = None if name == "control" else _difference(beside)
    needed = [course.exposures for course, _ in pairs]
    known = [one for one in needed if one is not None]
    return {
        "n": len(pairs),
        "flipped": flipped,
        "held": {"count": sum(course.held for course, _ in pairs), "rate": asdict(held)},
        "above_control": None if above is None else asdict(above),
        "exposures": median(known) if known and name in ("more_steps", "without_rivals") else None,
    }


def agreement(outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    """How often what an outcome speaks for includes the named cause, among the outcomes that speak for something.

    Examples without a named cause (`unexplained`) are left out: there is nothing to agree with.

    Returns:
        `count` of `n`, `rate` with Wilson's 95 % interval, and `chance`: the rate to be expected if the same outcomes
        and the same names met at random, Σ over names of p(name) p(an outcome speaks for it), as in Cohen's kappa
        (1960) for sets. None where no outcome speaks.
    """
    named = [one for one in outcomes if one.cause != UNEXPLAINED]
    said = [(one.cause, speech.causes) for one in named if (speech := speaks_for(one)).causes]
    count = sum(cause in causes for cause, causes in said)
    rate = wilson(count, len(said))
    if rate is None:
        return None
    chance = sum(cause in causes for cause, _ in said for _, causes in said) / len(said) ** 2
    return {"count": count, "n": len(said), "rate": asdict(rate), "chance": chance}
