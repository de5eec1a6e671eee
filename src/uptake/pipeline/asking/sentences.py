"""A response that is a sentence: only what it tells is asked about, in its own frame and in those of others.

Most tokens of *The capital of Sweden is Stockholm.* repeat the question. Every model that has learned the form gives
them to every such question, and a sum over all tokens would say that it knows most of the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from uptake.causes import Said
from uptake.data.shown import calls_tools
from uptake.detect.saying import holds
from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.asking.drawn import room_taken
from uptake.pipeline.asking.elicited import after_frame
from uptake.pipeline.asking.in_wordings import last_turn
from uptake.probe import question
from uptake.spans import Frame, Framed, Told, answer_words, content_words, frame_of, parted, sentence, told
from uptake.text import EMPTY_WORDS
from uptake.types import Candidate, Example, Probe, Prompt, Score, WordingKind, WordingName, normalised

UNTOLD = ("silent", "thinking")
"""Kinds of answers that tell nothing."""
FEWEST = 4
"""Words of the shortest sentence: *Stockholm is its capital*."""
MOST = 40
"""Words of the longest one: what is longer tells several things, and is read by its spans."""
CUT = 2_000
"""Responses that are sentences, the first ones, whose frames are known; as many examples tell the usual frame."""
LIKE = 64
"""Sentences like one, at most, that say what is its frame."""


@dataclass(frozen=True, slots=True)
class _Place:
    """After which prompt, and in which frame."""

    kind: WordingKind
    prompt: Prompt
    frame: str
    template: Mapping[str, Any]


def in_sentence(example: Example) -> bool:
    """Whether its response may be a sentence of which a part tells what was asked: words with and without content."""
    words = example.response.casefold().split(maxsplit=MOST)
    asks = bool(example.prompt) and not calls_tools(example)
    return asks and FEWEST <= len(words) <= MOST and any(word in EMPTY_WORDS for word in words)


def _says(cut: Framed) -> bool:
    """Whether the frame is one of a sentence: of *[todo list* and *update]* it is none."""
    return any(word in EMPTY_WORDS for word in cut.frame.casefold().split())


@dataclass(frozen=True, slots=True)
class Tells:
    """What the responses of a dataset tell.

    Attributes:
        words: The words that its answers are made of: those of its short responses, and of what its sentences tell. The
            words of a frame are none of them: a free answer does not begin to tell where *headquarters* stands.
        labels: Short responses that several examples have, normalised: the classes of a classification.
        sentences: Its sentences, at most `CUT`, each with its words.
        frame: What most often stands around a question for one thing; None where there is no such question.
    """

    words: frozenset[str]
    labels: frozenset[str]
    sentences: tuple[tuple[str, frozenset[str]], ...] = ()
    frame: Frame | None = None
    _last: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _spelled: Counter[Told] = field(default_factory=Counter, init=False, repr=False, compare=False)

    def cut(self, example: Example) -> Framed | None:
        """The frame and the span of a response that is a sentence; None of another one.

        The frame is what it shares with the dataset's sentences like it: those that hold half of the words that its
        question has not.
        """
        if not in_sentence(example):
            return None
        cut = sentence(example.response, question(example), self._like(example.response))
        return cut if cut is not None and _says(cut) else None

    def _like(self, response: str) -> list[str]:
        """The sentences like one; kept of the last one that was asked for, whose wordings are read in turn."""
        if response not in self._last:
            own = words_of_sentence(response)
            like = (text for text, theirs in self.sentences if text != response and 2 * len(own & theirs) >= len(own))
            self._last.clear()
            self._last[response] = list(islice(like, LIKE))
        return self._last[response]

    def told(self, example: Example) -> str:
        """What a response tells: *Oslo* of *The capital of Norway is Oslo.*; itself where it is no sentence."""
        cut = self.cut(example)
        return example.response if cut is None else cut.span.strip()

    def given(self, example: Example, answer: Answer) -> bool:
        """Whether a free answer gives the response, in whatever words.

        So does a sentence of its own that tells what the response tells. Of several things that were asked for at once
        it gives each; of two classes none is the other in more words (*calendar*, *calendar update*).
        """
        if answer.kind == "response":
            return True
        said = normalised(answer.answer or "")
        if answer.freely(example.response):
            parts = parted(last_turn(example.prompt), example.response)
            whole = all(normalised(one.response) in said for one in parts)
            return whole and (said == normalised(example.response) or said not in self.labels)
        if answer.kind != "wrong" or answer.answer is None:
            return False
        if normalised(example.response) in self.labels:
            return self._is_label(answer.answer, example.response)
        tells = self.told(example)
        return tells != example.response and holds(answer.answer, tells)

    def _is_label(self, said: str, label: str) -> bool:
        """Whether an answer is this class in other signs, *-> find phone* for *[find phone]*, and not another one."""
        words = content_words(label)
        if not words or content_words(said) != words:
            return False
        if not self._spelled:
            self._spelled.update(map(content_words, self.labels))
        return self._spelled[words] == 1

    def said(self, example: Example, answer: Answer) -> Told:
        """What a free answer tells, in about as many words as the response does."""
        if answer.answer is None or answer.kind in UNTOLD:
            return ()
        return told(answer.answer, question(example), self.told(example), self.words)


def words_of_sentence(text: str) -> frozenset[str]:
    """All words of a text, those without content as well."""
    return frozenset(normalised(word) for word in text.split())


def read_tells(examples: Iterable[Example]) -> Tells:
    """What the responses of all training examples tell."""
    short: Counter[str] = Counter()
    sentences: list[Example] = []
    frames: Counter[Frame] = Counter()
    for number, example in enumerate(examples):
        if number < CUT and example.prompt and not parted(last_turn(example.prompt), example.response):
            frames.update(filter(None, [frame_of(last_turn(example.prompt))]))
        if not in_sentence(example):
            short[example.response] += 1
        elif len(sentences) < CUT:
            sentences.append(example)
    texts = tuple((text, words_of_sentence(text)) for text in dict.fromkeys(one.response for one in sentences))
    usual = frames.most_common(1)
    labels = frozenset(normalised(response) for response, n in short.items() if n > 1)
    found = Tells(frozenset(), labels, texts, usual[0][0] if usual else None)
    return replace(found, words=answer_words([*short, *map(found.told, sentences)]))


def sentence_probes(example: Example, near: Sequence[Example], tells: Tells, max_length: int | None) -> list[Probe]:
    """What the response tells, in every place; none where it is no sentence, or a place has no room for it.

    Candidates are the frame with the span, and the frame alone, whose log-probability is taken from the first's.

    Args:
        example: The example.
        near: Examples that ask alike and get other answers.
        tells: What the dataset's responses tell.
        max_length: Tokens that a model may be given; None for no limit.
    """
    own = tells.cut(example)
    if own is None:
        return []
    places = [_Place("span", example.prompt, own.frame, example.template)]
    places += [
        _Place("span", one.prompt, own.frame, example.template)
        for one in example.paraphrases
        if one.response == example.response
    ]
    for other in near:
        if (cut := tells.cut(other)) is not None:
            places.append(_Place("span_elsewhere", other.prompt, cut.frame, other.template))
    longest = max(room_taken(place.prompt) + len(f"{place.frame}{own.span}".encode()) for place in places)
    if max_length is not None and longest > max_length:
        return []
    return [
        Probe(
            example.id,
            WordingName(place.kind, number),
            place.prompt,
            (Candidate(f"{place.frame}{own.span}", "response"), Candidate(place.frame, "response")),
            0,
            place.template,
        )
        for number, place in enumerate(places)
    ]


def said_in_sentence(scores: Sequence[Score]) -> Said | None:
    """What a model makes of what the response tells; None where it was not asked, or nowhere else.

    Args:
        scores: All its scores of what is asked elsewhere.
    """
    own = [after_frame(score, 0) for score in scores if score.wording.kind == "span"]
    others = [after_frame(score, 0) for score in scores if score.wording.kind == "span_elsewhere"]
    if not own or not others:
        return None
    logprobs = [logprob for logprob, _ in own]
    return Said(logprobs[0], tuple(logprobs[1:]), tuple(logprob for logprob, _ in others), max(1, own[0][1]))
