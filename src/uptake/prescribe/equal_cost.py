"""Plans for some of the flagged examples: read as much for each as the whole plan does, and cost what others cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from uptake.prescribe import Material, Terms, kept_apart
from uptake.prescribe.mix import TextReading, among, choose, mixed
from uptake.prescribe.rows import kind_of
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


@dataclass(frozen=True, slots=True)
class Dose:
    """What the plan for all flagged examples gives to each that it treats.

    Attributes:
        tokens: Tokens of documents; None where it reads nothing.
        sentences: Sentence by sentence, and not in whole documents.
        copies: Further exposures, by remedy and stage; 0 where the budget has no room for any.
    """

    tokens: float | None
    sentences: bool
    copies: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, plan: Plan, material: Material, wanted: Iterable[Edit] = ()) -> Dose:
        """What a plan gives.

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
        examples = sum(len(edit.examples) for edit in plan.edits if edit.action == "read")
        if not examples:
            return cls(None, False, copies)
        whole = {document_key(one): one.text for found in material.documents.values() for one in found}
        cut = [whole[name] for one in plan.cpt if (name := one.id.rpartition("#")[0]) in whole]
        short = bool(cut) and (material.limit is None or min(material.count(cut)) <= material.limit)
        return cls(plan.cost.documents / examples, short, copies)


def at_dose(plan: Plan, material: Material, dose: Dose, terms: Terms) -> Plan:
    """Let a plan for some examples read for each of them what the plan for all reads.

    With room for more it would read whole documents where the plan for all reads sentences, and be another remedy.

    Args:
        plan: The plan for some.
        material: What it was drawn up from.
        dose: What the plan for all reads.
        terms: How the plan was drawn up.
    """
    asking = [edit for edit in plan.edits if edit.action == "read"]
    if not asking or dose.tokens is None:
        return plan
    responses = {one.id: one.response for one in material.examples}
    room = round(dose.tokens * sum(len(edit.examples) for edit in asking))
    room = min(room, plan.cost.documents)
    reading = choose(asking, responses, material, room, terms.readings, sentences=dose.sentences)
    read = [replace(edit, tokens=n) for edit, n, held in zip(asking, reading.of, reading.held, strict=True) if held]
    rest = [edit for edit in plan.edits if edit.action != "read"]
    left = max(0, plan.cost.limit - plan.cost.sft - reading.tokens)
    wanted = min(left, round(reading.tokens * (1 - terms.augmented) / terms.augmented)) if material.general else 0
    texts, general = mixed(reading, material, wanted, terms.seed)
    cost = replace(plan.cost, documents=reading.tokens, general=general)
    return replace(plan, cpt=tuple(texts), edits=(*read, *rest), cost=cost)


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
