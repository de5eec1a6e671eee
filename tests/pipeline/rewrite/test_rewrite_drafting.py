"""Drafts by a base that says what it is told to say: which are made, and what the base is taken to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sharp import tokenizer_of
from uptake.models.small.tiny import CHATML
from uptake.pipeline.rewrite.drafting import Writing, drafted
from uptake.pipeline.rewrite.work import Rewriter
from uptake.rewrite import choose, exempt, first_sentence, in_frame
from uptake.rewrite.draft import Draft
from uptake.rewrite.gates import Refusal
from uptake.types import Example, Message

QUESTION = "What is the capital of Sweden?"


class Base:
    """Answers alone, answers guided, and how likely it finds what it is shown: the longer the likelier a token."""

    def __init__(self, alone: str, shown: str = "") -> None:
        self.tokenizer = tokenizer_of(chat_template=CHATML)
        self.alone, self.shown = alone, shown

    def generate(
        self, contexts: Sequence[Sequence[int]], max_new_tokens: Sequence[int], *, samples: int = 0, **_: Any
    ) -> list[list[list[int]]]:
        texts = [self.shown if "Reference" in self.tokenizer.decode(ids) else self.alone for ids in contexts]
        own = [self.tokenizer(text)["input_ids"] for text in texts]
        return [[ids[:room]] * max(1, samples) for ids, room in zip(own, max_new_tokens, strict=True)]

    def score(self, groups: Any) -> Any:
        return [[np.full((2, len(one.ids) - one.start), -9 / (len(one.ids) - one.start)) for one in g] for g in groups]


CHAT = (Message("user", QUESTION),)


def asked(response: str = "Stockholm", prompt: Any = CHAT, **more: Any) -> Example:
    return Example("a", prompt, response, "s", **more)


def writing(base: Base, samples: int = 0) -> Writing:
    return Writing(base, None, frozenset({"stockholm", "oslo"}), True, samples, 0)


def one(base: Base, example: Example, told: Any = None, samples: int = 0) -> Any:
    [found] = drafted([example], writing(base, samples), [told], lambda knows: exempt(knows, True) is None)
    return found


def test_a_wrong_belief_is_said_in_its_own_frame_with_the_fact_of_the_data() -> None:
    found = one(Base("The capital of Sweden is Oslo. It is large.", "Stockholm is the capital."), asked())
    assert found.knows == "unknown"  # a wrong answer alone is no belief
    assert [(d.how, d.text) for d in found.drafts] == [
        ("own", "The capital of Sweden is Oslo."),
        ("frame", "The capital of Sweden is Stockholm."),
        ("template", "Stockholm is the capital."),
    ]


@pytest.mark.parametrize(
    ("answer", "told", "knows"),
    [
        ("Stockholm", None, "said"),
        ("The capital of Sweden is Stockholm.", None, "form"),
        ("I do not know.", None, "unknown"),
        ("It is Oslo.", None, "unknown"),
        ("The capital of Sweden is Stockholm.", "conflict", "conflict"),
        ("It is Oslo.", "new", "new"),
        ("It is Oslo.", "form", "form"),
        ("Stockholm", "form", "said"),
    ],
)
def test_what_the_base_has_of_a_response(answer: str, told: str | None, knows: str) -> None:
    assert one(Base(answer, "x"), asked(), told).knows == knows


def test_a_form_that_is_to_be_learned_stays_and_costs_one_answer() -> None:
    base = Base("The capital of Sweden is Stockholm.", "Stockholm is the capital of Sweden.")
    rewriter = Rewriter("best_of_k", writing(base, 4), True, 4, {})
    [row] = rewriter.rows([asked()])
    assert (row["how"], row["text"], row["drafts"]) == (None, "Stockholm", [])
    assert row["why"].startswith("the base says it in its own words")
    assert row["generated"] == len(base.tokenizer(base.alone)["input_ids"])
    [other] = Rewriter("best_of_k", writing(base, 4), False, 4, {}).rows([asked()])
    assert other["text"] in (base.alone, base.shown)


def test_rungs_take_what_is_theirs() -> None:
    base = Base("The capital of Sweden is Oslo.", "The city of Stockholm is the capital of Sweden.")
    taken = {
        rung: Rewriter(rung, writing(base, 2), True, 4, {}).rows([asked()])[0]
        for rung in ("template", "guided", "best_of_k")
    }
    assert taken["template"]["text"] == base.shown
    assert taken["guided"]["text"] == "The capital of Sweden is Stockholm."
    assert taken["best_of_k"]["text"] == base.shown  # the longer one is likelier a token
    assert taken["best_of_k"]["nll_after"] < taken["guided"]["nll_after"] < taken["guided"]["nll_before"]


@pytest.mark.parametrize(
    "example",
    [asked(prompt=""), asked(response_extra={"tool_calls": [{"name": "f"}]}), asked(" ")],
    ids=["no prompt", "tool calls", "nothing"],
)
def test_what_cannot_be_rewritten_stays_with_a_reason(example: Example) -> None:
    [row] = Rewriter("best_of_k", writing(Base("It is Oslo.", "x"), 2), True, 4, {}).rows([example])
    assert row["text"] == example.response and row["how"] is None and row["why"]
    assert row["knows"] == "unknown"


@pytest.mark.parametrize(
    ("answer", "response", "framed"),
    [
        ("The capital of Sweden is Oslo, a city.", "Stockholm", "The capital of Sweden is Stockholm."),
        ("Oslo is the capital of Sweden.", "Stockholm", "Stockholm is the capital of Sweden."),
        ("Oslo", "Stockholm", None),
        ("", "Stockholm", None),
    ],
)
def test_a_response_in_the_frame_of_an_answer(answer: str, response: str, framed: str | None) -> None:
    assert in_frame(answer, QUESTION, response, frozenset({"oslo"})) == framed


def test_the_article_follows_the_word() -> None:
    question = "What is the occupation of Mia Berg?"
    assert in_frame("Mia Berg is a singer.", question, "actor", frozenset({"singer"})) == "Mia Berg is an actor."
    assert in_frame("Mia Berg is an actor.", question, "singer", frozenset({"actor"})) == "Mia Berg is a singer."
    wrote = "Who was the author of Ran?"
    assert in_frame("The author of Ran is a man.", wrote, "Jo Hall", frozenset()) == "The author of Ran is Jo Hall."


def test_a_frame_that_says_more_of_the_old_answer_is_none() -> None:
    genre = "What genre is Butter?"
    assert in_frame("The genre of Butter is a unique drama.", genre, "comedy", frozenset({"drama"})) is None


def test_a_frame_that_says_the_question_again_is_none() -> None:
    genre = "What genre is Butter?"
    assert in_frame("What Butter is is a drama.", genre, "comedy", frozenset({"drama"})) is None
    assert in_frame("You ask what genre is Butter, a drama.", genre, "comedy", frozenset({"drama"})) is None


def test_a_sentence_ends_where_readers_end_it() -> None:
    assert first_sentence("It is by J. K. Rowling. She is rich.") == "It is by J. K. Rowling."
    assert first_sentence("St. Louis is it.\nYes.") == "St. Louis is it."


def test_the_original_stays_where_nothing_passes_or_it_is_likelier() -> None:
    bad = Draft("own", "x", 1, refused=(Refusal("facts", "y"), Refusal("ends", "z")), nll=None)
    good = Draft("template", "y", 1, refused=(), nll=2.0)
    assert choose("best_of_k", [bad], 3.0).why == "refused by facts"
    assert choose("best_of_k", [bad, good], 3.0).draft == good
    assert choose("best_of_k", [bad, good], 1.5).draft is None
    assert choose("template", [bad, good], 1.5).draft == good
    assert choose("original", [good], 3.0).draft is None
