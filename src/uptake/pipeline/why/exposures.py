"""How many exposures each unlearned example needs: all of them are trained on from the tuned model, and read each pass.

Near misses should need one or two, what the model never met more, and a contradiction should never settle while its
other side is trained beside it. What they are worth as a sign of a cause is told in docs/details/causes.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts.tables import CAUSES
from uptake.attribute import UNEXPLAINED
from uptake.evidence import Course
from uptake.pipeline.diagnosis import Collector
from uptake.pipeline.why.courses import Examples, Watching, rate_notes
from uptake.pipeline.why.treatments import PASSES, Diagnosed, Lesson, lessons
from uptake.text import counted

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class _Prepared:
    """A lesson as it is trained.

    Attributes:
        lesson: Who is trained.
        rows: The rows of a pass.
        untaught: Positions of those of which nothing can be trained.
        steps: Optimisation steps in all.
        tokens: Tokens in all.
    """

    lesson: Lesson
    rows: pa.Table
    untaught: frozenset[int]
    steps: int
    tokens: int


def expose(watching: Watching, found: Diagnosed, findings: Collector, summary: dict[str, Any]) -> None:
    """Train what was not learned a little, and add to findings and summary how many exposures each needs.

    Args:
        watching: Trains the tuned model, and reads examples.
        found: What the diagnosis says of each example.
        findings: All findings; the evidence of those that were trained gains `exposures_to_learn`.
        summary: Gains `exposures_to_learn`, and notes.

    Raises:
        UptakeError: The tuned model cannot be trained on.
    """
    planned = lessons(found, watching.asking.seed)
    summary["exposures_to_learn"] = None
    if not planned:
        return
    wanted, asked = {p for one in planned for p in one.rows}, {p for one in planned for p in one.asked}
    known = Examples.read(watching.asked.train, watching.asked.after, wanted, asked)
    prepared = [one for lesson in planned if len((one := _prepared(lesson, known, watching)).rows)]
    told = [(one.lesson.taught, one.lesson.beside, one.lesson.controls) for one in prepared]
    parts = watching.parts("exposures_to_learn", told)
    left = [number for number in range(len(prepared)) if not parts.has(number)]
    _tell_costs(watching, [prepared[number] for number in left])
    for number in left:
        step = "exposures to learn" + (f", {number + 1} of {len(prepared)}" if len(prepared) > 1 else "")
        one = prepared[number]
        parts.write(number, watching.watched(step, one.rows, one.lesson.asked, known))
    taught: dict[int, Course] = {}
    kept = 0
    for number, one in enumerate(prepared):
        courses = dict(zip(one.lesson.asked, watching.courses(parts, number, one.lesson.asked, known), strict=True))
        taught |= {p: courses[p] for p in one.lesson.taught if p not in one.untaught}
        kept += sum(courses[p].flipped for p in one.lesson.controls)
    findings.add_exposures(taught)
    summary["exposures_to_learn"] = {
        "n": len(taught),
        "passes": PASSES,
        "steps": sum(one.steps for one in prepared),
        "tokens": sum(one.tokens for one in prepared),
        "learning_rate": watching.treating.rate,
        "controls": {"n": sum(len(one.lesson.controls) for one in prepared), "kept": kept},
        "causes": by_cause(taught, found.causes),
    }
    flipped = any(course.flipped for course in taught.values())
    notes = rate_notes(watching.treating, "exposures to learn", flipped=flipped)
    summary["notes"] += [note for note in notes if note not in summary["notes"]]


def by_cause(taught: Mapping[int, Course], causes: Sequence[str | None]) -> dict[str, Any]:
    """JSON data: of the examples of each named cause, how many need each number of passes, and how many never hold.

    `by_heart` are those of the latter that are learned at the end in the training wording alone.
    """
    told = {}
    for cause in (*CAUSES, UNEXPLAINED):
        own = [course for position, course in taught.items() if (causes[position] or UNEXPLAINED) == cause]
        if own:
            needed = [course.exposures for course in own]
            told[cause] = {
                "n": len(own),
                "needed": [needed.count(passes) for passes in range(1, PASSES + 1)],
                "never": needed.count(None),
                "by_heart": sum(course.flipped and not course.held for course in own),
            }
    return told


def _prepared(lesson: Lesson, known: Examples, watching: Watching) -> _Prepared:
    from uptake.models.training.job import n_steps
    from uptake.models.training.rows import counts
    from uptake.models.training.settings import arguments

    rows, trained = watching.rows([known.examples[p] for p in lesson.rows])
    steps, _ = n_steps(arguments(watching.treating.settings, Path()), len(rows)) if len(rows) else (0, 0.0)
    untaught = frozenset(p for p, one in zip(lesson.rows, trained, strict=True) if not one)
    return _Prepared(lesson, rows, untaught, steps, PASSES * counts(rows)[0])


def _tell_costs(watching: Watching, left: Sequence[_Prepared]) -> None:
    """What training costs, before it begins: a killed run is told what is left."""
    if not left:
        return
    given = [(one.lesson.taught, one.lesson.beside, one.lesson.controls) for one in left]
    taught, beside, controls = (sum(map(len, some)) for some in zip(*given, strict=True))
    steps, tokens = sum(one.steps for one in left), sum(one.tokens for one in left)
    costs = f"{PASSES} passes, {counted(steps, 'step')}, {counted(tokens, 'token')}"
    rows = sum(len(one.rows) for one in left)
    step = f"to train: {taught} not learned, {beside} rivals, {controls} controls; {costs}"
    watching.progress(step, 0, rows)
    watching.progress(step, rows, rows)
