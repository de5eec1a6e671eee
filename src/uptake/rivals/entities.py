"""What examples are about, as documents name it: the names in their questions."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from uptake.rivals.blocks import name_questions
from uptake.rivals.words import CONTEXT, context_and_question, read_questions, words_of
from uptake.types import Example


def entities(examples: Sequence[Example], wanted: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The names in the questions of examples, as they are written there, each once; () where there is no prompt.

    A name is what `uptake.rivals` takes for one: words with a capital inside sentences, and where there are none the
    rarest words. Words of a name stand beside each other. Numbers and signs alone are none.

    Args:
        examples: All examples of a run: what a name is, is told from all of them.
        wanted: Ids of those whose names are wanted.
    """
    if not wanted:
        return {}
    questions, _ = read_questions(examples)
    named = name_questions(questions)
    found: dict[str, tuple[str, ...]] = {}
    for example, of in zip(examples, questions.of.tolist(), strict=True):
        if example.id not in wanted:
            continue
        if of < 0:
            found[example.id] = ()
            continue
        span = slice(questions.starts[of], questions.starts[of + 1])
        anchors = {questions.vocabulary[word] for word in questions.words[span][named.anchors[span]].tolist()}
        found[example.id] = _spans(context_and_question(example.prompt)[1], anchors)
    return found


def _spans(text: str, anchors: set[str]) -> tuple[str, ...]:
    runs: list[list[str]] = [[]]
    for word, _ in words_of(text):
        if word in anchors and not word.startswith(CONTEXT):
            runs[-1].append(word)
        elif runs[-1]:
            runs.append([])
    written = [_as_written(text, run) for run in runs if any(map(str.isalpha, "".join(run)))]
    return tuple(dict.fromkeys(written))


def _as_written(text: str, words: Sequence[str]) -> str:
    """The first place where the words follow each other; the words alone where the text spells them otherwise."""
    match = re.search(r"[\W_]+".join(map(re.escape, words)), text, re.IGNORECASE)
    return match[0] if match else " ".join(words)
