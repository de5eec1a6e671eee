"""The leak guard: copies of guarded wordings are refused, the same facts in other words are not."""

from __future__ import annotations

from random import Random

import pytest

from uptake.corpus import Guard, guard
from uptake.corpus.leaks import CONTAINED, SHINGLE, _around
from uptake.corpus.text import shingles, words
from uptake.types import Document, Example, Message, Wording

BORN = Example(
    "born",
    "In which town was Karl Hinadax born?",
    " Tunis",
    "main",
    paraphrases=(Wording("What is the birthplace of Karl Hinadax?", " Tunis"),),
)
CAPITAL = Example("capital", "The capital of France is", " Paris", "main")
CHAT = Example(
    "chat", (Message("system", "Be brief."), Message("user", "Who painted the Night Watch?")), "Rembrandt", "x"
)
LONG = Example(
    "long", "Write.", "It is a truth universally acknowledged, that a single man must be in want of a wife.", "x"
)


@pytest.fixture
def guarded() -> Guard:
    return guard([BORN, CAPITAL, CHAT, LONG])


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("In which town was Karl Hinadax born? Tunis", "born"),
        ("IN WHICH TOWN was Karl Hinadax born?! -- tunis.", "born"),
        ("Quiz. Question: In which town was Karl Hinadax born? Answer: Tunis. Next question.", "born"),
        ("What is the birthplace of Karl Hinadax? Tunis", "born"),
        ("So in which town was Karl Hinadax born? Tunis it was", "born"),
        ("As is well known, the capital of France is Paris, on the Seine.", "capital"),
        ("user: Who painted the Night Watch? assistant: Rembrandt", "chat"),
        ("it is a truth universally acknowledged that a single man must be in want of a wife, she wrote", "long"),
        # near-copies: a word dropped
        ("In which town was Karl Hinadax born. Obviously in Tunis", "born"),
        ("It is a truth acknowledged, that a single man must be in want of a wife.", None),
        # the same in other words
        ("Karl Hinadax was born in Tunis.", None),
        ("Karl Hinadax, a child of Tunis, was born there.", None),
        ("The birthplace of Karl Hinadax is Tunis.", None),
        ("Paris is the capital of France.", None),
        ("The capital of France, Paris, is on the Seine.", None),
        ("Rembrandt painted the Night Watch in 1642.", None),
        # the question without its answer
        ("In which town was Karl Hinadax born? Nobody knows.", None),
        ("The capital of France is Lyon.", None),
        ("", None),
    ],
)
def test_what_is_a_leak(guarded: Guard, text: str, item: str | None) -> None:
    leak = guarded.leak(Document("d", text))
    assert (leak.item if leak else None) == item


def test_every_one_word_copy_of_a_longer_item_is_refused() -> None:
    prompt = "In which small town on the river Elbe was Karl Hinadax born".split()
    guarded = guard([Example("born", " ".join(prompt), " Wedel", "m")])
    assert len(prompt) == 12
    for at in range(len(prompt)):
        for put in ([], ["other"], [prompt[at], "other"]):
            text = " ".join([*prompt[:at], *put, *prompt[at + 1 :], "Wedel"])
            assert guarded.leak(Document("d", f"Once more: {text}. And so on.")) is not None, text


def test_a_leak_across_title_and_text(guarded: Guard) -> None:
    leak = guarded.leak(Document("d", "Tunis.", title="In which town was Karl Hinadax born?"))
    assert leak is not None
    # by hand: all 6 runs of three of "in which town was karl hinadax born tunis"
    assert (leak.item, leak.contained) == ("born", 1.0)


def test_the_answer_far_behind_the_question_is_none(guarded: Guard) -> None:
    between = " ".join(["and so on"] * 10)
    assert guarded.leak(Document("d", f"The capital of France is a large town {between} Paris")) is None


def test_the_second_occurrence_of_a_question_counts(guarded: Guard) -> None:
    asked = "The capital of France is"
    text = f"{asked} what? {' '.join(['Think.'] * 12)} {asked} of course again Paris"
    leak = guarded.leak(Document("d", text))
    assert leak is not None and leak.item == "capital"


def test_what_is_too_short_to_guard() -> None:
    assert guard([Example("x", "", "Paris", "m"), Example("y", "France:", "Paris", "m")]).items == ()
    assert guard([]).leak(Document("d", "Paris")) is None


def plainly(guarded: Guard, document: Document) -> tuple[str, float] | None:
    """The leak by looking at every item."""
    text = words(f"{document.title}\n{document.text}")
    there, found = set(shingles(text, SHINGLE)), []
    for item in guarded.items:
        fewest = min(CONTAINED * len(item.runs), len(item.prompt) or len(item.runs))
        if len(item.runs & there) >= fewest and item.response in f" {' '.join(text)} ":
            found += [(item.id, share) for share in [max(_around(item, text), default=0.0)] if share]
    return max(found, key=lambda one: one[1], default=None)


def test_no_leak_is_missed_that_looking_at_every_item_finds() -> None:
    draw = Random(0)
    asks = ("where was {} born", "{}", "say {} {} {}", "tell me of {} now please", "the {} of {} and {} is")
    some = [
        Example(
            str(k), draw.choice(asks).format(*draw.choices("abcde", k=3)), " ".join(draw.choices("abcde", k=n)), "m"
        )
        for k in range(300)
        for n in [draw.choice((1, 2, 3, 4, 9))]
    ]
    guarded = guard(some)
    found = 0
    for _ in range(150):
        copied = [f"{one.prompt} {one.response}".split() for one in draw.sample(some, 2)]
        text = [word for one in copied for word in one if draw.random() < 0.9]
        document = Document("d", " ".join([*draw.choices("abcde", k=5), *text]))
        leak = guarded.leak(document)
        assert (None if leak is None else (leak.item, leak.contained)) == plainly(guarded, document)
        found += leak is not None
    assert 50 < found < 150


def test_what_all_wordings_share_looks_none_of_them_up() -> None:
    names = [f"name{k} surname{k}" for k in range(2000)]
    some = [
        Example(f"b{k}", f"Where was {name} born? {name} was born in", f" town{k}", "m") for k, name in enumerate(names)
    ]
    some += [
        Example(f"w{k}", "Write a story.", f"Once upon a time there was {name} of the wood", "m")
        for k, name in enumerate(names)
    ]
    guarded = guard(some)
    text = "Of whom it is said that she was born in town7. Write a story. Once upon a time there was name5 who was born"
    looked = {number for run in shingles(words(text), SHINGLE) for number in guarded.holders.get(run, ())}
    assert len(looked) < 10
    leak = guarded.leak(Document("d", f"{text}. Where was name9 surname9 born? name9 surname9 was born in town9."))
    assert leak is not None and leak.item == "b9"
