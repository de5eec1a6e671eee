"""Interventions on a sample of what was not learned: told in the context, and trained on a little from the tuned model.

All sampled examples are trained together, a treatment at a time. What a treatment does to one of them is thus what it
does in the company of the others: small models may generalise from these, and large samples crowd each other out. The
control, as many steps on learned examples alone, tells what any such training does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from uptake.artifacts import Parts
from uptake.artifacts.tables import CAUSES
from uptake.attribute import UNEXPLAINED
from uptake.attribute.interventions import Outcome, reaction_of, summarise_outcomes
from uptake.evidence import TREATMENTS, Course, Reaction, Treatment
from uptake.pipeline.asking.in_context import TOLD, TOLD_OTHER, in_context
from uptake.pipeline.diagnosis import Collector
from uptake.pipeline.why.courses import Examples, Watching, rate_notes, read_scores, scored
from uptake.pipeline.why.shares import corrected
from uptake.pipeline.why.treatments import PASSES, Diagnosed, TreatmentPlan, planned
from uptake.score import score
from uptake.types import TRAINING

NO_CONTROL = "no example was learned, so there is nothing to compare with"


@dataclass(frozen=True)
class Interventions:
    """What the interventions came to.

    Attributes:
        reactions: By position of the sampled examples, what goes beside their causes.
        summary: JSON data; None where nothing could be sampled.
        notes: What the reader must know.
    """

    reactions: Mapping[int, Reaction]
    summary: dict[str, Any] | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Intervening:
    """Intervenes on a sample of one diagnosis.

    Attributes:
        n: Examples that are sampled at most.
        watching: Trains them, and reads them.
    """

    n: int
    watching: Watching

    def __call__(self, found: Diagnosed) -> Interventions:
        """Sample, treat and judge.

        Args:
            found: What the diagnosis says of each example.

        Raises:
            UptakeError: The tuned model cannot be trained on.
        """
        watching = self.watching
        plan = planned(found, self.n, watching.asking.seed)
        if not plan.sample:
            return Interventions({}, None)
        if not plan.rows:
            return Interventions({}, {"n": 0, "reason": NO_CONTROL})
        known = Examples.read(watching.asked.train, watching.asked.after, plan.positions(), plan.sample)
        parts = watching.parts("interventions", plan.sample, {name: list(rows) for name, rows in plan.rows.items()})
        if not parts.has(0):
            parts.write(0, self._in_context(plan, known))
        for number, name in enumerate(TREATMENTS, start=1):
            if not parts.has(number):
                parts.write(number, self._treated(name, plan, known) if name in plan.rows else [])
        outcomes = self._outcomes(plan, found, known, parts)
        told = {
            "passes": PASSES,
            "rows": len(plan.rows["control"]),
            "learning_rate": watching.treating.rate,
            **summarise_outcomes(outcomes, (*CAUSES, UNEXPLAINED)),
        }
        reactions = {position: reaction_of(one) for position, one in zip(plan.sample, outcomes, strict=True)}
        flipped = any(one.courses["more_steps"].flipped for one in outcomes)
        return Interventions(reactions, told, rate_notes(watching.treating, "interventions", flipped=flipped))

    def _in_context(self, plan: TreatmentPlan, known: Examples) -> list[dict[str, Any]]:
        """Scores in the training wording, after the example itself was told and after another one was."""
        step, watching = "intervening: in_context", self.watching
        watching.progress(step, 0, len(plan.sample))
        model, examples = watching.asked.tuned.load(), [known.examples[p] for p in plan.sample]
        candidates = [known.candidates[p] for p in plan.sample]
        asked = in_context(examples, candidates, model, watching.asked.max_length)
        scores = score((probe for some in asked for probe in some), model)
        found = [[next(scores) for _ in some] for some in asked]
        watching.progress(step, len(plan.sample), len(plan.sample))
        return scored(examples, candidates, found)

    def _treated(self, name: Treatment, plan: TreatmentPlan, known: Examples) -> list[dict[str, Any]]:
        """A row for each pass and example whose course the treatment tells, a pass after the other."""
        rows, _ = self.watching.rows([known.examples[p] for p in plan.rows[name]])
        passes = 1 if name == "replay" else PASSES
        return self.watching.watched(f"intervening: {name}", rows, plan.asked[name], known, passes)

    def _outcomes(self, plan: TreatmentPlan, found: Diagnosed, known: Examples, parts: Parts) -> list[Outcome]:
        courses: dict[int, dict[Treatment, Course]] = {p: {} for p in plan.sample}
        for number, name in enumerate(TREATMENTS, start=1):
            asked = plan.asked.get(name, ())
            for position, course in zip(asked, self.watching.courses(parts, number, asked, known), strict=True):
                courses[position][name] = course
        outcomes = []
        for position, scores in zip(plan.sample, parts.records(0, read_scores), strict=True):
            example, cause = known.examples[position], found.causes[position]
            # a score in a context is read as one in the training wording
            read = {one.wording: replace(one, wording=TRAINING) for one in scores if one.wording in (TOLD, TOLD_OTHER)}
            told = {wording: self.watching.judged(example, [one]).learned for wording, one in read.items()}
            context = (told.get(TOLD), told.get(TOLD_OTHER))
            outcomes.append(Outcome(example.id, example.stage, cause or UNEXPLAINED, courses[position], *context))
        return outcomes


def intervene(intervening: Intervening, found: Diagnosed, findings: Collector, summary: dict[str, Any]) -> None:
    """Intervene on a sample of a diagnosis, and add what that says to its findings and its summary.

    Args:
        intervening: How.
        found: What the diagnosis says of each example.
        findings: All findings, passed on and with their causes; the evidence of the sampled ones gains `interventions`.
        summary: Gains `interventions`, and notes.
    """
    done = intervening(found)
    findings.add(done.reactions)
    summary["interventions"] = told = done.summary
    if told is not None and done.reactions:
        seed = intervening.watching.asking.seed
        told["shares"] = corrected(found.causes, done.reactions, summary["attribution"], seed=seed)
    summary["notes"] += done.notes
