"""From findings to a plan: remedies, what they cost, what the budget allows, and the order of everything."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from uptake.errors import UptakeError
from uptake.prescribe.doses import at_least, copies_plainly, steps_free, times_within, wants_plain
from uptake.prescribe.material import Budget, Material, Terms
from uptake.prescribe.mix import OPEN_ENDED_UNTIL, TextReading, among, choose, mixed
from uptake.prescribe.order import Changes, fine_tuning_order, kept_apart, passes_of
from uptake.prescribe.rows import kind_of, open_ended
from uptake.prescribe.telling import exposed, untold
from uptake.prescribe.treat import treat
from uptake.remedies.remedy import known_before
from uptake.text import counted
from uptake.types import Cost, Document, Edit, Finding, Plan, Unmended

FULL = 4
"""Where a budget is to be spent, all of it is from a quarter of flagged examples on, of fewer their share times this.

Plain fine-tuning with as many tokens trains every row as often as these buy. A plan that trains its flagged rows alone
more often falls behind it in the wordings of all others (benchmarks/NOTES.md): what is left trains these too.
"""
KEPT = 0.1
"""And so much of it is general text, if there is any: what the base knew is kept by little of it.

More of it beside documents (four times their tokens, as the paper reads) was taken from the rows of the run, which then
knew fewer wordings than plain fine-tuning gives them (benchmarks/NOTES.md).
"""
HALF = 0.5
"""So much of what is read may be documents where the budget has no room for them and all the general text."""


def plan(
    findings: Sequence[Finding],
    material: Material,
    terms: Terms,
    *,
    remedies: Mapping[str, str | None] | None = None,
    budget: Budget | None = None,
) -> Plan:
    """Draw up a plan.

    Args:
        findings: What is to be mended, the most urgent first. Learned examples among them need nothing; some of them
            protect what is known when the tuned model is repaired.
        material: What is trained, and what there is to mend it with.
        terms: How the plan is drawn up.
        remedies: By the id of an example, the remedy that it gets, a key of `REMEDIES`; None for none. An example that
            is not named gets the remedy of its cause.
        budget: What the plan may cost; None for three times what the run's own fine-tuning did.

    Raises:
        UptakeError: A remedy is unknown, a finding is about an example that is not in the material, or the budget is to
            be filled and there is no general text.
    """
    budget = budget or Budget()
    rows = {example.id: row for row, example in enumerate(material.examples)}
    _require_sound(findings, rows, material, budget)
    flagged = [finding for finding in findings if not finding.learned]
    untrained = material.untrained
    treated = [finding for finding in flagged if finding.id not in untrained]
    edits, unmended = treat(treated, material, terms.options, remedies or {})
    unmended += [Unmended(one.id, one.cause or "", untrained[one.id]) for one in flagged if one.id in untrained]
    causes = {finding.id: finding.cause or "" for finding in flagged}
    draft = _Draft(material, terms, budget, rows, causes, _scope(findings, rows, terms, untrained))
    if budget.dose is not None:  # no treatment of its own: not even what all other rows get
        draft.untreated = {rows[one.id]: 0 for one in treated if (remedies or {}).get(one.id, "") is None}
    draft.notes += untold(edits, material)
    wanted = draft.cut_mixing(edits)
    edits = draft.cut_exposures(wanted, draft.spare(wanted))
    changes, order, sft = draft.order(edits)
    edits, reading = draft.read(edits, sft)
    cpt, general = draft.mix(reading, sft)
    if draft.spending:
        edits = draft.spend(wanted, edits, reading.tokens + general)
        changes, order, sft = draft.order(edits)
    draft.tell(sft)
    edits = exposed(edits, rows, draft.trained(edits), [material.passes[one.stage] for one in material.examples])
    mended = {name for edit in edits if edit.action != "apart" for name in edit.examples}
    unmended += {one.id: one for one in draft.unread if one.id not in mended}.values()
    rows_of_sft = [material.examples[row] for row in order]
    when = draft.when(cpt)
    if when == "within":
        rows_of_sft = among(order, cpt, material.examples, changes.apart, terms)
    return Plan(
        start=terms.start,
        model=terms.model,
        cpt=tuple(cpt),
        sft=tuple(rows_of_sft),
        step=terms.step,
        edits=tuple(edits),
        unmended=tuple(unmended),
        cost=Cost(draft.plain, draft.limit, sft, reading.tokens, general),
        training=terms.training,
        peft=terms.peft,
        notes=tuple(draft.notes),
        reading=when,
    )


FEWER = ": the budget has no room for more"
ROUNDS = 3
"""So often exposures are reckoned: the number of steps, and what plain fine-tuning gives, depend on them too."""
NO_ROOM = "the budget, or the number of steps, has no room for further exposures"


def _require_sound(findings: Sequence[Finding], rows: Mapping[str, int], material: Material, budget: Budget) -> None:
    if budget.fill and not material.general:
        raise UptakeError("the budget cannot be filled without general text", fix="give --general FILE")
    if strange := [finding.id for finding in findings if finding.id not in rows]:
        raise UptakeError(
            f"{counted(len(strange), 'finding belongs', 'findings belong')} "
            f"to no example of the data, such as {strange[0]!r}"
        )


def _tenth(tokens: int) -> int:
    """As much general text beside so many tokens that it is `KEPT` of both."""
    return round(tokens * KEPT / (1 - KEPT))


@dataclass(frozen=True)
class _Scope:
    """What is trained less than its stage says.

    Attributes:
        idle: Rows that are not trained: nothing is learned from them, or a repair has no need of them.
        once: Rows that are trained once.
    """

    idle: frozenset[int]
    once: frozenset[int] = frozenset()


def _scope(findings: Sequence[Finding], rows: Mapping[str, int], terms: Terms, untrained: Iterable[str]) -> _Scope:
    """A repair of the tuned model trains the flagged rows, and learned ones that protect.

    Half of these, at least, are what the base knew already, which a pass keeps; what only the fine-tuning has taught
    is trained as often as its stage says, or much of it is lost.
    """
    nothing = frozenset(rows[name] for name in untrained)
    if terms.start == "base":
        return _Scope(nothing)
    repaired = {rows[finding.id] for finding in findings if not finding.learned}
    learned = [rows[finding.id] for finding in findings if finding.learned] or sorted(set(rows.values()) - repaired)
    known = [rows[one.id] for one in findings if one.learned and known_before(one)]
    draw = random.Random(terms.seed)
    wanted = min(round(terms.protection * len(repaired)), len(learned))
    protecting = set(draw.sample(known, min(len(known), wanted // 2)))
    rest = [row for row in learned if row not in protecting]
    protecting.update(draw.sample(rest, wanted - len(protecting)))
    return _Scope(nothing | (set(rows.values()) - repaired - protecting), frozenset(known))


@dataclass
class _Draft:
    """A plan while it is drawn up: what it may cost, and what was cut so that it does not cost more."""

    material: Material
    terms: Terms
    budget: Budget
    rows: Mapping[str, int]
    causes: Mapping[str, str]
    scope: _Scope

    def __post_init__(self) -> None:
        self.notes: list[str] = [*self.material.notes]
        if n := len(self.material.untrained):
            self.notes.append(f"{n} of the examples are left out: they have nothing to learn")
        self.unread: list[Unmended] = []
        self.untreated: dict[int, int] = {}
        self.stages = [example.stage for example in self.material.examples]
        passes = (self.material.passes[stage] for stage in self.stages)
        self.plain = round(self._cost(list(passes)))
        tokens = self.budget.tokens
        self.limit = round(self.budget.times * self.plain) if tokens is None else tokens
        share = min(1.0, FULL * len(self.causes) / max(1, len(self.stages)))
        self.target = round(self.plain + share * max(0, self.limit - self.plain))
        self.times = 1.0
        self.kept = round(KEPT * self.target) if self.budget.spend and self.material.general else 0
        self.spending = self.budget.spend and self.terms.start == "base"

    def changes(self, edits: Sequence[Edit]) -> Changes:
        """What the edits change about the order."""
        out = {self.rows[name] for edit in edits if edit.action == "drop" for name in edit.others} | self.scope.idle
        together = [edit.stage for edit in edits if edit.stage is not None]
        if self.terms.start == "tuned":  # a repair is one shuffled stage
            together = list(self.material.passes)
        extra = {row: n for row, n in self.untreated.items() if row not in out}
        for edit in edits:
            for row in (self.rows[name] for name in edit.examples):
                if edit.action == "expose" and row not in out:
                    extra[row] = extra.get(row, 0) + edit.copies
        apart = kept_apart(edits, self.rows)
        return Changes(frozenset(out), frozenset(together), extra, tuple(apart), self.scope.once, self.times)

    def order(self, edits: Sequence[Edit]) -> tuple[Changes, list[int], int]:
        """What the edits change, the order of all rows, and how many tokens that is."""
        changes = self.changes(edits)
        order = fine_tuning_order(self.stages, self.material.passes, changes, self.terms.step, self.terms.seed)
        return changes, order, sum(self.material.lengths[row] for row in order)

    def spare(self, edits: Sequence[Edit]) -> float:
        """What further exposures may cost while it is not known how much is read: half, if anything is."""
        spare = self.limit - self._tokens(edits)[0]
        return spare / 2 if any(edit.action == "read" for edit in edits) else spare - self.kept

    def spend(self, wanted: Sequence[Edit], edits: Sequence[Edit], read: int) -> list[Edit]:
        """The edits with as many further exposures as there is room for, now that it is known how much is read.

        What is left trains all other rows more often, as plain fine-tuning with as many tokens would.

        Args:
            wanted: The edits before exposures were cut.
            edits: Those that stay.
            read: Tokens of all texts.
        """
        asked = [edit for edit in wanted if edit.action == "expose"]
        plainly = {edit.examples for edit in asked if wants_plain(edit)}
        every = [*(edit for edit in edits if edit.action != "expose"), *asked]
        room, most = float(min(self.target, self.limit) - read), float(self.terms.options.exposures)
        most = most if self.budget.dose is None else min(most, self.budget.dose.times)
        bare, passes = self._tokens(every)
        total = float(self.target)
        for _ in range(ROUNDS):
            self.times, self.unread = 1.0, [one for one in self.unread if one.reason != NO_ROOM]
            cut = self.cut_exposures(every, self.limit - read - bare, total, passes)
            often = self._tokens(cut)[1]
            self.times = times_within(self.material.lengths, often, self.changes(cut).extra, room, most)
            more = at_least(cut, self.rows, often, self.times, plainly)
            passes = self.trained(more)
            total = read + self._cost(passes)
        extra = self.changes(cut).extra
        others = self._cost([0.0 if row in extra else count for row, count in enumerate(often)])
        while self.times > 1 and (over := self.order(more)[2] + read - self.limit) > 0:  # rows are whole
            self.times = max(1.0, self.times - (over + 1) / max(1.0, others))
            more = at_least(cut, self.rows, often, self.times, plainly)
        if self.times >= 1.05:  # a twentieth of a pass is not worth a sentence
            self.notes.append(f"all other rows are trained {self.times:.1f} times as often: the budget has room for it")
        return [replace(one, tokens=one.copies * self._length(one)) if one.copies else one for one in more]

    def tell(self, sft: int) -> None:
        """Say that fine-tuning alone costs more than there is."""
        if (over := sft - self.limit) > 0:
            self.notes.append(f"fine-tuning alone is {counted(over, 'token')} over the budget; it is not cut")

    def _tokens(self, edits: Sequence[Edit]) -> tuple[float, list[float]]:
        """What the passes of all rows cost, and how often each is trained; without further exposures."""
        often = passes_of(self.stages, self.material.passes, self.changes(edits))
        return self._cost(often), often

    def trained(self, edits: Sequence[Edit]) -> list[float]:
        """How often each row is trained, with further exposures."""
        extra, often = self.changes(edits).extra, self._tokens(edits)[1]
        return [count + extra.get(row, 0) for row, count in enumerate(often)]

    def _cost(self, often: Sequence[float]) -> float:
        return float(sum(n * count for n, count in zip(self.material.lengths, often, strict=True)))

    def _length(self, edit: Edit) -> int:
        """Tokens of an edit's examples."""
        return sum(self.material.lengths[self.rows[name]] for name in edit.examples)

    def cut_mixing(self, edits: Sequence[Edit]) -> list[Edit]:
        """The edits with the cost of those about passes; stages stay apart where mixing them costs too much."""
        without = [edit for edit in edits if edit.action != "mix"]
        plainly, own = self._tokens([edit for edit in without if edit.action != "drop"])
        if self._tokens(edits)[0] > self.limit and len(without) < len(edits):
            self.notes.append("the stages are not shuffled together: that would cost more tokens than the budget has")
            for edit in edits:
                if edit.action == "mix":
                    self._leave(edit, "the budget has no room to train its stage within the last one")
            edits = without
        counted = []
        for edit in edits:
            tokens: float = 0
            if edit.action == "mix":
                tokens = self._tokens([edit])[0] - plainly
            elif edit.action == "drop":
                gone = [self.rows[name] for name in edit.others]
                tokens = -sum(self.material.lengths[row] * own[row] for row in gone)
            counted.append(replace(edit, tokens=round(tokens)))
        return counted

    def cut_exposures(
        self, edits: Sequence[Edit], spare: float, total: float = 0.0, trained: Sequence[float] = ()
    ) -> list[Edit]:
        """The edits with the cost of further exposures, and no more of these than there is room for.

        Args:
            edits: What is wanted.
            spare: Tokens that they may cost.
            total: Tokens of the plan, as far as they are known: plain fine-tuning is of as many.
            trained: How often each row is trained in all, as far as that is known.
        """
        _, often = self._tokens(edits)
        stage_of = self.material.passes
        asked: list[Edit] = []
        for edit in edits:
            if wants_plain(edit):
                row = self.rows[edit.examples[0]]
                cost = total / max(1, self.plain)
                edit = replace(edit, copies=copies_plainly(often[row], stage_of[self.stages[row]], cost))
                if not edit.copies:
                    continue
            asked.append(edit)
        wanted = sum(edit.copies * self._length(edit) for edit in asked)
        share = max(0.0, min(1.0, spare / wanted)) if wanted else 1.0
        self.notes = [note for note in self.notes if not note.endswith(FEWER)]
        if share < 1:
            self.notes.append(f"only {share:.0%} of the further exposures are used{FEWER}")
        cut: list[Edit] = []
        *_, last = stage_of
        together = self.changes(asked).mixed | {last}
        free = steps_free(self.stages, often, trained or often, together, self.terms.step)
        for edit in asked:
            if edit.action != "expose":
                cut.append(edit)
                continue
            row = self.rows[edit.examples[0]]
            most = self.budget.most_copies(edit.remedy, self.stages[row])
            copies = min(int(edit.copies * share), free(row))
            copies = copies if most is None else min(copies, most)
            if copies:
                cut.append(replace(edit, copies=copies, tokens=copies * self._length(edit)))
            else:
                self._leave(edit, NO_ROOM)
        return cut

    def read(self, edits: Sequence[Edit], sft: int) -> tuple[list[Edit], TextReading]:
        """Choose what is read; an edit of which nothing is read is none."""
        asking = [edit for edit in edits if edit.action == "read"]
        share = max(self.terms.augmented, HALF) if self.material.general else 1.0
        if asking and not self.material.general:
            self.notes.append("without general text the model may lose what the base model knew: give --general FILE")
        responses = {example.id: example.response for example in self.material.examples}
        room = round(max(0, self.limit - sft) * share)
        sentences = False
        if (dose := self.budget.dose) is not None and dose.tokens is not None:
            room, sentences = min(room, round(dose.tokens * len(asking))), dose.sentences
        reading = choose(asking, responses, self.material, room, self.terms.readings, sentences=sentences)
        if reading.left_out:
            self.notes.append(
                f"{counted(reading.left_out, 'passage')} of documents left out: "
                f"the budget has room for {len(reading.texts)}"
            )
        if reading.too_short:
            self.notes.append(f"{counted(reading.too_short, 'passage')} of documents left out: shorter than two tokens")
        amounts = zip(reading.held, reading.of, strict=True)
        kept: list[Edit] = []
        for edit in edits:
            held, tokens = next(amounts) if edit.action == "read" else (1, edit.tokens)
            if held:
                kept.append(replace(edit, tokens=tokens))
            else:
                self._leave(edit, "the budget has no room for its documents")
        return kept, reading

    def mix(self, reading: TextReading, sft: int) -> tuple[list[Document], int]:
        """The texts of continued pre-training, and the tokens of general text among them."""
        wanted = 0
        if self.material.general:
            share = self.terms.augmented
            left = self.limit - sft - reading.tokens
            wanted = left
            if self.spending and self._within():
                wanted = min(left, self.kept)
            elif not self.budget.fill:
                kept = self.kept if self.spending else min(self.kept, _tenth(sft + reading.tokens))
                wanted = min(left, max(kept, round(reading.tokens * (1 - share) / share)))
        return mixed(reading, self.material, max(0, wanted), self.terms.seed)

    def _within(self) -> bool:
        """Whether texts can be read among the rows, and shall be."""
        return self.terms.reading == "within" and kind_of(self.material.examples) != "chat"

    def when(self, texts: Sequence[Document]) -> Literal["before", "within"]:
        """When texts are read: no trainer takes them among conversations."""
        if self.terms.reading == "before" or not texts:
            return "before"
        if not self._within():
            self.notes.append(
                "the texts come before the fine-tuning, because no trainer reads them among conversations"
            )
            return "before"
        if open_ended(self.material.examples):
            self.notes.append(
                "prompts end in the middle of a sentence, and texts would teach the model to continue: no texts among "
                f"the last {1 - OPEN_ENDED_UNTIL:.0%} of the rows"
            )
        return "within"

    def _leave(self, edit: Edit, reason: str) -> None:
        self.unread += [Unmended(name, self.causes[name], reason) for name in edit.examples]
