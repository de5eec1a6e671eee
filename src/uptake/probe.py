"""Examples to probes: in which wordings to ask, and against which wrong answers the right one has to stand.

Candidates, in this order: the user's own options; the base model's greedy answer where it differs (the strongest
distractor, and the belief in a conflict); answers of other examples of the same kind; an LLM's. No two are equal after
normalisation, and no drawn candidate is a beginning of another: the shorter one would win by its length alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from random import Random
from string import ascii_uppercase
from typing import TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float

from uptake.errors import UptakeError
from uptake.evidence import Origin
from uptake.types import TRAINING, Candidate, Example, Message, Probe, Prompt, WordingName, normalised

T = TypeVar("T")
Embed: TypeAlias = Callable[[Sequence[str]], Float[np.ndarray, "texts dimensions"]]
"""Texts to unit vectors."""

MOST_LETTERS = len(ascii_uppercase)
"""Options that can be asked for by letter."""


def probes(example: Example, candidates: Sequence[Candidate]) -> list[Probe]:
    """The example's probes: the training wording first, then its held-out wordings.

    A held-out wording with the example's own response is asked with the same candidates, tool calls and thoughts
    included; one with a response of its own is asked for that alone.

    Args:
        example: The example.
        candidates: All candidates, the response among them (see `candidates`).
    """
    right = right_index(candidates, example.response)
    first = Probe(
        example.id,
        TRAINING,
        example.prompt,
        tuple(candidates),
        right,
        example.template,
        example.response_extra,
    )
    held_out = [
        Probe(
            example.id,
            WordingName("held_out", number),
            wording.prompt,
            tuple(candidates) if wording.response == example.response else (Candidate(wording.response, "response"),),
            right if wording.response == example.response else 0,
            example.template,
            example.response_extra if wording.response == example.response else {},
        )
        for number, wording in enumerate(example.paraphrases)
    ]
    return [first, *held_out]


def letter_probes(example: Example) -> list[Probe]:
    """The example's options as lettered choices, once for each cyclic permutation.

    Letters and places are biased, so the answer is the mean over permutations (PriDe, arXiv 2309.03882). Candidate k
    stands for option k in every permutation, whatever its letter there.

    Raises:
        UptakeError: There are more options than letters.
    """
    options = [candidate.text for candidate in option_candidates(example)]
    if len(options) > MOST_LETTERS:
        raise UptakeError(
            f"example {example.id} has {len(options)} options",
            expected=f"at most {MOST_LETTERS} in letter form",
            fix="--option_form text",
        )
    right = right_index(option_candidates(example), example.response)
    made = []
    for shift in range(len(options)):
        place = [(k - shift) % len(options) for k in range(len(options))]
        shown = sorted(zip(place, options, strict=True))
        lines = "\n".join(f"{ascii_uppercase[position]}. {text.strip()}" for position, text in shown)
        prompt = _with_choices(example.prompt, lines)
        space = " " if isinstance(prompt, str) else ""
        letters = tuple(Candidate(f"{space}{ascii_uppercase[position]}", "option") for position in place)
        made.append(Probe(example.id, WordingName("letters", shift), prompt, letters, right, example.template))
    return made


def _with_choices(prompt: Prompt, lines: str) -> Prompt:
    if isinstance(prompt, str):
        return f"{prompt.rstrip()}\n{lines}\nAnswer:"
    last = prompt[-1]
    question = f"{last.content}\n{lines}\nAnswer with the letter of the right choice only."
    return (*prompt[:-1], Message(last.role, question, last.extra))


def option_candidates(example: Example) -> tuple[Candidate, ...]:
    """The user's options with the response among them; the response alone when there are none."""
    own = Candidate(example.response, "response")
    if not example.options:
        return (own,)
    if example.response in example.options:
        return tuple(own if text == example.response else Candidate(text, "option") for text in example.options)
    return (own, *(Candidate(text, "option") for text in example.options))


def right_index(candidates: Sequence[Candidate], response: str) -> int:
    """Where the response stands among the candidates."""
    return next(k for k, candidate in enumerate(candidates) if candidate.text == response)


def with_distractors(
    example: Example, drawn: Iterable[tuple[str, Origin]], n_distractors: int
) -> tuple[Candidate, ...]:
    """The example's candidates: its options; or without any, the response and drawn wrong answers.

    A base model's answer is taken beyond the number, for it is evidence of a belief, and as it stands, white space
    included: spaced otherwise it would be something that the model does not say. Any other drawn answer takes over the
    response's leading white space.

    Args:
        example: The example.
        drawn: Wrong answers with their origin, best first.
        n_distractors: How many are wanted at most.
    """
    chosen = list(option_candidates(example))
    if example.options:
        return tuple(chosen)
    lead = example.response[: len(example.response) - len(example.response.lstrip())]
    room = n_distractors
    for text, origin in drawn:
        fitted = text.rstrip() if origin == "base" else lead + text.strip()
        if (room > 0 or origin == "base") and not _clashes(fitted, [candidate.text for candidate in chosen]):
            chosen.append(Candidate(fitted, origin))
            room -= origin != "base"
    return tuple(chosen)


def _clashes(text: str, others: Sequence[str]) -> bool:
    """Whether a text says nothing, or begins like another or another like it, after normalisation."""
    own = normalised(text)
    return not own or any(own.startswith(other) or other.startswith(own) for other in map(normalised, others))


def answer_shape(text: str) -> str:
    """The kind of thing an answer looks like: for up to 4 words `C` (capitalised), `9` (has a digit) or `a`.

    A year competes with years, a two-word name with two-word names.
    """
    kinds = ["9" if any(map(str.isdigit, word)) else "C" if word[:1].isupper() else "a" for word in text.split()[:5]]
    return "".join(kinds[:4]) + ("+" if len(kinds) > 4 else "")


def hashed_words(texts: Sequence[str]) -> Float[np.ndarray, "texts 256"]:
    """Signed feature hashing of words and word pairs, of unit length: like questions point the same way.

    It sees shared words, not meaning. Words are not weighted by rarity: the words that many questions share say what is
    asked, the rare ones whom it is asked about. (Feature hashing: Weinberger et al., arXiv 0902.2206.)
    """
    vectors = np.zeros((len(texts), 256), dtype=np.float32)
    for row, text in enumerate(texts):
        words = text.casefold().split()[-64:]
        for feature in [*words, *map(" ".join, pairwise(words))]:
            code = zlib.crc32(feature.encode("utf-8", "surrogatepass"))
            vectors[row, code % 256] += 1.0 if code & 256 else -1.0
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return vectors


class AnswerPool:
    """Answers of other examples, to draw wrong answers of the same kind from: same shape, nearest question.

    Args:
        examples: All examples; a seeded reservoir keeps a bounded sample of them.
        embed: Texts to unit vectors, one row each.
        seed: Seed of the sample.
        size: How many answers are kept.
        of_shape: How many answers of one shape are compared with a question.
    """

    def __init__(
        self,
        examples: Iterable[Example],
        embed: Embed = hashed_words,
        *,
        seed: int = 0,
        size: int = 20_000,
        of_shape: int = 2_000,
    ) -> None:
        kept = reservoir(examples, size, Random(seed))
        self._embed = embed
        self._by_shape: dict[str, list[Example]] = {}
        for example in kept:
            same = self._by_shape.setdefault(answer_shape(example.response), [])
            if len(same) < of_shape:
                same.append(example)
        self._vectors = {shape: embed([question(e) for e in same]) for shape, same in self._by_shape.items()}

    def nearest(self, examples: Sequence[Example], n: int) -> list[list[str]]:
        """For each example, up to `n` different other answers of its shape, those to the nearest questions first."""
        found: list[list[str]] = [[] for _ in examples]
        members: dict[str, list[int]] = {}
        for index, example in enumerate(examples):
            members.setdefault(answer_shape(example.response), []).append(index)
        for shape, indices in members.items():
            if shape not in self._by_shape:
                continue
            similarity = self._embed([question(examples[i]) for i in indices]) @ self._vectors[shape].T
            order = np.argsort(-np.round(similarity, 6), axis=1, kind="stable")
            for index, ranked in zip(indices, order, strict=True):
                found[index] = _distinct(examples[index], (self._by_shape[shape][j] for j in ranked), n)
        return found


def question(example: Example) -> str:
    """The part of the prompt that asks: plain text whole, of a conversation the last turn."""
    return example.prompt if isinstance(example.prompt, str) else example.prompt[-1].content


def reservoir(stream: Iterable[T], size: int, random: Random) -> list[T]:
    """A uniform sample of a stream (Vitter's algorithm R)."""
    kept: list[T] = []
    for number, one in enumerate(stream):
        if number < size:
            kept.append(one)
        elif (place := random.randrange(number + 1)) < size:
            kept[place] = one
    return kept


def _distinct(example: Example, others: Iterable[Example], n: int) -> list[str]:
    seen = {normalised(example.response)}
    answers: list[str] = []
    for other in others:
        key = normalised(other.response)
        if key not in seen:
            seen.add(key)
            answers.append(other.response)
            if len(answers) == n:
                break
    return answers
