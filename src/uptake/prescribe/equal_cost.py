"""Plans for some of the flagged examples: read as much for each as the whole plan does, and cost what others cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np

from uptake.prescribe import Material, Terms, kept_apart
from uptake.prescribe.material import Dose
from uptake.prescribe.mix import TextReading, among, mixed
from uptake.prescribe.rows import TEXTS, kind_of, text_row
from uptake.remedies import document_key
from uptake.schedule import conflict_free
from uptake.types import Document, Edit, Example, Plan


@dataclass(frozen=True, slots=True)
class Spent:
    """Training tokens by phase.

    Attributes:
        read: Of continued pre-training.
        tuned: Of fine-tuning.
    """

    read: int
    tuned: int

    @classmethod
    def of(cls, plan: Plan) -> Spent:
        """What a plan costs."""
        return cls(plan.cost.documents + plan.cost.general, plan.cost.sft)

    def or_more(self, other: Spent) -> Spent:
        """The larger one of each phase."""
        return Spent(max(self.read, other.read), max(self.tuned, other.tuned))


def dose_of(plan: Plan, material: Material, wanted: Iterable[Edit] = ()) -> Dose:
    """What a plan for all flagged examples gives to each.

    With room for more a plan for some would read whole documents where the plan for all reads sentences, and be another
    remedy.

    Args:
        plan: The plan for all.
        material: What it was drawn up from.
        wanted: What its remedies asked for before the budget was looked at.
    """
    stage = {one.id: one.stage for one in material.examples}
    copies = {(edit.remedy, stage[edit.examples[0]]): 0 for edit in wanted if edit.action == "expose"}
    for edit in plan.edits:
        if edit.action == "expose":
            key = edit.remedy, stage[edit.examples[0]]
            copies[key] = max(edit.copies, copies.get(key, 0))
    times = _times(plan, material)
    examples = sum(len(edit.examples) for edit in plan.edits if edit.action == "read")
    if not examples:
        return Dose(None, False, copies, times)
    whole = {document_key(one): one.text for found in material.documents.values() for one in found}
    cut = [whole[name] for one in plan.cpt if (name := one.id.rpartition("#")[0]) in whole]
    short = bool(cut) and (material.limit is None or min(material.count(cut)) <= material.limit)
    return Dose(plan.cost.documents / examples, short, copies, times)


def _times(plan: Plan, material: Material) -> float:
    """How many times as often a plan trains the rows of the last stage that have no further exposures."""
    *_, last = material.passes
    exposed = {name for edit in plan.edits if edit.action == "expose" for name in edit.examples}
    gone = {name for edit in plan.edits if edit.action == "drop" for name in edit.others}
    own = {one.id for one in material.examples if one.stage == last} - exposed - gone - set(material.untrained)
    trained = sum(one.id in own for one in plan.sft)
    return max(1.0, trained / (len(own) * material.passes[last])) if own else 1.0


def read_apart(plan: Plan) -> Plan:
    """A plan whose texts are not among its rows, so that both can be filled up; `read_within` puts them back."""
    if plan.reading == "before":
        return plan
    texts = {text_row(one).id for one in plan.cpt}
    rows = tuple(one for one in plan.sft if not (one.stage == TEXTS and one.id in texts))
    return replace(plan, sft=rows, reading="before")


def filled_up(plan: Plan, material: Material, wanted: Spent, busy: Collection[str], seed: int) -> Plan:
    """Let a plan cost what others cost, phase by phase, with what does nothing for the flagged examples in particular.

    More general text is read, and more rows are trained: those of learned examples, drawn from the plan's own order at
    random and put back at random within their stage. Flagged examples among them would get a treatment of their own,
    more exposures, paid for by what is spent on others; what contradicts a flagged example would work against it. Where
    there is no general text, what it would have cost is spent on fine-tuning; where all examples are busy, further rows
    are of all of them.

    Args:
        plan: A plan; one that costs as much already is not changed.
        material: What it was drawn up from.
        wanted: What it is to cost, to within one text and one row.
        busy: Ids of the examples that are trained no longer: not learned, or contradicting one that was not.
        seed: Of the draws.
    """
    spent = Spent.of(plan)
    to_read, to_tune = wanted.read - spent.read, wanted.tuned - spent.tuned
    if not material.general:
        to_read, to_tune = 0, to_read + to_tune
    cpt, general = plan.cpt, plan.cost.general
    if to_read > 0:
        cpt, general = _more_read(plan, material, to_read, seed)
    sft, tuned = plan.sft, plan.cost.sft
    if to_tune > 0:
        sft, tuned = _more_tuned(plan, material, to_tune, busy, seed)
    return replace(plan, cpt=cpt, sft=sft, cost=replace(plan.cost, sft=tuned, general=general))


def _more_read(plan: Plan, material: Material, tokens: int, seed: int) -> tuple[tuple[Document, ...], int]:
    """The texts with more general ones among them, and the tokens of all that are general."""
    general = frozenset(material.general)
    documents = [one for one in plan.cpt if one not in general]
    times = Counter(one.id for one in documents)
    reading = TextReading({one.id: one for one in documents}, times, plan.cost.documents, [], [])
    texts, held = mixed(reading, material, plan.cost.general + tokens, seed)
    return tuple(texts), held


def _more_tuned(
    plan: Plan, material: Material, tokens: int, busy: Collection[str], seed: int
) -> tuple[tuple[Example, ...], int]:
    """The rows with further ones among them, and the tokens of all."""
    rng = np.random.default_rng([seed, len(plan.sft)])
    length = {one.id: n for one, n in zip(material.examples, material.lengths, strict=True)}
    ends: dict[str, tuple[int, int]] = {}
    for place, one in enumerate(plan.sft):
        ends[one.stage] = (ends.get(one.stage, (place, place))[0], place)
    inert = [place for place, one in enumerate(plan.sft) if one.id not in busy] or range(len(plan.sft))
    placed: list[tuple[float, Example]] = [(float(place), one) for place, one in enumerate(plan.sft)]
    left, held = tokens, -1
    while left != held:  # the same rows again, if there are not enough of them
        held = left
        for place in rng.permutation(inert):
            one = plan.sft[place]
            if length[one.id] <= left:
                placed.append((rng.uniform(*ends[one.stage]), one))
                left -= length[one.id]
    placed.sort(key=lambda row: row[0])
    number = {name: place for place, name in enumerate(dict.fromkeys(one.id for one in plan.sft))}
    examples = {number[one.id]: one for one in plan.sft}
    order = conflict_free([number[one.id] for _, one in placed], kept_apart(plan.edits, number), plan.step, seed)
    return tuple(examples[place] for place in order), plan.cost.sft + tokens - left


def read_within(plan: Plan, material: Material, terms: Terms) -> Plan:
    """Let a plan read its texts within fine-tuning, as the plan of a cure does, where the terms say so.

    Args:
        plan: A plan that reads before it.
        material: What it was drawn up from.
        terms: Say when texts are read, and give the seed.
    """
    if terms.reading == "before" or not plan.cpt or kind_of(material.examples) == "chat":
        return plan
    number = {one.id: place for place, one in enumerate(material.examples)}
    order = [number[one.id] for one in plan.sft]
    rows = among(order, plan.cpt, material.examples, kept_apart(plan.edits, number), terms)
    return replace(plan, sft=tuple(rows), reading="within")
