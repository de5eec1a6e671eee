"""One part of the data: drafts are written, held against the gates, scored, and one of them is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uptake.data import Turn, encode
from uptake.models import Model
from uptake.models.scoring.rows import Scored
from uptake.pipeline.examples.writer import Writer
from uptake.pipeline.rewrite.drafting import Drafted, Writing, drafted
from uptake.probe import question
from uptake.rewrite import RUNGS, Choice, Draft, Knows, Refusal, RungName, choose, exempt
from uptake.rewrite.ladder import NO_DRAFT
from uptake.rivals.groups import Doubt, Judge
from uptake.types import Example, Key

NO_PROMPT = "there is no prompt that it answers"
GREEDY = 2
"""Of the k drafts, the base's own answer and its guided one."""
MORE_PARTS = "it has tool calls or thoughts beside the text"


@dataclass(frozen=True)
class Rewriter:
    """How responses are rewritten.

    Attributes:
        rung: Which drafts are made, and which of them is taken.
        writing: How the base makes them.
        keep_form: Whether rows stay that the base answers rightly in other words.
        k: Drafts that a server is asked for.
        known: By id and stage what the base has of a response, where that is known before it is asked.
        writer: Writes instead of the base; None where the base does.
        judge: Compares what passes the gates with the original; None does without.
    """

    rung: RungName
    writing: Writing
    keep_form: bool
    k: int
    known: Mapping[Key, Knows]
    writer: Writer | None = None
    judge: Judge | None = None

    def rows(self, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """The rows of `REWRITES` of some examples, in their order."""
        open_ones = [one for one in examples if _closed(one) is None]
        made = iter(self._drafted(open_ones))
        found = [next(made) if _closed(one) is None else Drafted("unknown") for one in examples]
        gated = [
            [one.gated(question(e), e.response) for one in each.drafts] for e, each in zip(examples, found, strict=True)
        ]
        if self.judge is not None:
            gated = _judged(examples, gated, self.judge)
        return self._chosen(examples, found, gated)

    def with_drafts(self, k: int, seed: int) -> Rewriter:
        """The same with so many drafts of a response."""
        return replace(self, k=k, writing=replace(self.writing, samples=max(0, k - GREEDY), seed=seed))

    def _drafted(self, examples: Sequence[Example]) -> list[Drafted]:
        if not RUNGS[self.rung].drafts:
            return [Drafted("unknown") for _ in examples]
        known = [self.known.get((one.id, one.stage)) for one in examples]
        found = drafted(examples, self.writing, known, lambda knows: exempt(knows, self.keep_form) is None)
        if self.writer is None:
            return found
        asked = [at for at, one in enumerate(found) if exempt(one.knows, self.keep_form) is None]
        written = self.writer.rewrites([examples[at] for at in asked], self.k)
        for at, texts in zip(asked, written, strict=True):
            found[at].drafts = [Draft("served", text, 0) for text in texts]
        return found

    def _chosen(
        self, examples: Sequence[Example], found: Sequence[Drafted], gated: Sequence[Sequence[Draft]]
    ) -> list[dict[str, Any]]:
        passing = [
            [example.response, *(d.text for d in each if not d.refused)]
            for example, each in zip(examples, gated, strict=True)
        ]
        scores = iter(nlls(self.writing.model, examples, passing))
        rows = []
        for example, made, drafts in zip(examples, found, gated, strict=True):
            (before, n_before, cost), *others = next(scores)
            told = iter(others)
            scored = [(draft, (None, 0, 0)) if draft.refused else (draft, next(told)) for draft in drafts]
            every = [replace(draft, nll=nll) for draft, (nll, _, _) in scored]
            tokens = {draft.text: n for draft, (_, n, _) in scored}
            choice = self._choice(example, made, every, before)
            taken = choice.draft
            rows.append(
                {
                    "id": example.id,
                    "stage": example.stage,
                    "source": example.source,
                    "question": question(example) if example.prompt else "",
                    "original": example.response,
                    "text": example.response if taken is None else taken.text,
                    "how": None if taken is None else taken.how,
                    "why": choice.why,
                    "knows": made.knows,
                    "nll_before": before,
                    "nll_after": before if taken is None else taken.nll,
                    "tokens_before": n_before,
                    "tokens_after": n_before if taken is None else tokens[taken.text],
                    "generated": made.generated,
                    "scored": cost + sum(one[2] for one in others),
                    "drafts": [draft_row(draft) for draft in every],
                }
            )
        return rows

    def _choice(self, example: Example, made: Drafted, drafts: Sequence[Draft], before: float | None) -> Choice:
        why = _closed(example) or exempt(made.knows, self.keep_form)
        if self.rung == "original":
            return Choice(None, "the rung is original")
        return choose(self.rung, drafts, before) if why is None else Choice(None, why)


def nlls(
    model: Model, examples: Sequence[Example], texts: Sequence[Sequence[str]]
) -> list[list[tuple[float | None, int, int]]]:
    """What the model makes of several responses to each prompt, as they are trained.

    Args:
        model: The model.
        examples: The examples.
        texts: Responses to each.

    Returns:
        Of each its nats a token, what ends it included (None where nothing is learned of it), how many tokens these
        are, and how many went through the model.
    """
    turns = [
        Turn(one.prompt, text, one.template, one.response_extra)
        for one, own in zip(examples, texts, strict=True)
        for text in own
    ]
    items = iter(encode(turns, model.tokenizer))
    groups = [[next(items) for _ in own] for own in texts]
    scored = model.score(
        [[Scored(item.ids, max(1, item.start)) for item in own if len(item.ids) > 1] for own in groups]
    )
    found = []
    for own, told in zip(groups, scored, strict=True):
        each = iter(told)
        found.append([_nll(next(each)[0], len(item.ids)) if len(item.ids) > 1 else (None, 0, 0) for item in own])
    return found


def _nll(logprobs: Any, length: int) -> tuple[float | None, int, int]:
    n = len(logprobs)
    return (round(-float(logprobs.mean()), 6) if n else None), n, length


def _closed(example: Example) -> str | None:
    """Why a response is never rewritten; None where it may be."""
    if not example.prompt:
        return NO_PROMPT
    return MORE_PARTS if example.response_extra else (None if example.response.strip() else NO_DRAFT)


def _judged(examples: Sequence[Example], drafts: Sequence[Sequence[Draft]], judge: Judge) -> list[list[Draft]]:
    """Drafts that pass the gates and say something else, as a judge has it, are refused."""
    doubts = [
        Doubt(question(example), example.response, draft.text)
        for example, own in zip(examples, drafts, strict=True)
        for draft in own
        if not draft.refused
    ]
    told = iter(judge(doubts) if doubts else ())
    refused = (Refusal("judge", "the judge says that it says something else"),)
    return [
        [replace(d, refused=refused) if not d.refused and next(told) in ("different", "both") else d for d in own]
        for own in drafts
    ]


def draft_row(draft: Draft) -> dict[str, Any]:
    """A draft as the table has it."""
    first = draft.refused[0] if draft.refused else None
    return {
        "how": draft.how,
        "text": draft.text,
        "tokens": draft.tokens,
        "ended": draft.ended,
        "gate": first and first.gate,
        "why": first and first.why,
        "nll": draft.nll,
    }
