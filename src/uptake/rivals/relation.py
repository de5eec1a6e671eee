"""Whether two frames ask for the same of whoever is named: evidence from their words, their answers and the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from uptake.artifacts import read_json
from uptake.rivals.forms import NAME, ReadQuestion, likeness, read_form
from uptake.rivals.frames import GAP, Frames
from uptake.rivals.words import Questions

Encode: TypeAlias = Callable[[Sequence[str]], Float[np.ndarray, "texts dims"]]
"""Texts to unit vectors."""

STATEMENTS = ("words", "pool", "disjoint", "agreement", "frame_cosine", "pool_cosine")
"""What frames that an answer goes on with are compared by, and all that are more than a question; the cosines with an
encoder only."""
QUESTIONS = (
    *("words", "pool", "agreement", "equal", "linked", "partly", "apart", "words_apart", "pool_apart"),
    *("disjoint_otherwise", "frame_cosine", "pool_cosine"),
)
"""What questions are compared by. That two pools have nothing in common counts where the words do not say enough: no
two countries have the same capital."""
COSINES = ("frame_cosine", "pool_cosine")


@dataclass(frozen=True)
class Regression:
    """A logistic regression, and from where on it is believed.

    Attributes:
        coefficients: Intercept and coefficients, in the order of the features.
        least: Two frames of at least this probability are taken to ask the same.
    """

    coefficients: tuple[float, ...]
    least: float


@dataclass(frozen=True)
class Fitted:
    """What `python benchmarks/rivals.py fit` found on development data.

    Attributes:
        statements: For frames of which neither is a question, or one is more than that.
        questions: For questions that can be read (`uptake.rivals.forms`).
        least_unnamed: The probability that is needed where prompts hold no names: what they are about is then a guess.
    """

    statements: Regression
    questions: Regression
    least_unnamed: float


@cache
def fitted(encoder: bool) -> Fitted:
    """What was fitted with or without an encoder; the file beside this one also tells on what."""
    kept = read_json(Path(__file__).with_name("relation.json"))["with_encoder" if encoder else "without"]
    statements, questions = (
        Regression(tuple(kept[kind]["coefficients"]), kept[kind]["least"]) for kind in ("statements", "questions")
    )
    return Fitted(statements, questions, kept["least_unnamed"])


SURE = 0.95
"""Frames that are so probably the same share their pools of answers."""
CENTRE_OF = 8
"""Answers of a pool whose mean vector is its centre."""


def frame_text(questions: Questions, frame: Sequence[int]) -> str:
    """A frame as text for an encoder: names leave nothing behind, for whatever stood there would be compared too."""
    return " ".join(questions.vocabulary[word] for word in frame if word != GAP) or "this"


@dataclass(frozen=True)
class Asked:
    """What the frames are compared by.

    Attributes:
        frames: The frames.
        weight: What each word of the vocabulary weighs; rare ones among frames weigh more.
        answers: The text of each answer that the pools count.
        frame_vectors: One a frame that is compared; empty without an encoder.
        answer_vectors: One an answer near the head of a pool; empty without an encoder.
        forms: The frames as questions; None for one that is more than a question.
        encoded: Whether there is an encoder.
    """

    frames: Frames
    weight: Float[np.ndarray, " vocabulary"]
    answers: Sequence[str]
    frame_vectors: Mapping[int, Float[np.ndarray, " dims"]]
    answer_vectors: Mapping[int, Float[np.ndarray, " dims"]]
    forms: Mapping[int, ReadQuestion | None]
    encoded: bool


def same_relation(
    questions: Questions,
    frames: Frames,
    answers: Sequence[str],
    pairs: Int[np.ndarray, "pairs 2"],
    agreement: Int[np.ndarray, " pairs"],
    encode: Encode | None = None,
) -> tuple[Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"]]:
    """Probability that the two frames of a pair ask for the same, and what it has to reach.

    Two rounds: frames that are surely the same lend each other their pools of answers for the second.

    Args:
        questions: The questions.
        frames: Their frames and pools.
        answers: Texts of the pools' answers.
        pairs: Distinct pairs of frames.
        agreement: How often the frames of each pair got the same answer about the same name.
        encode: Sentence embeddings of frames and answers; None does without.
    """
    asked = prepare(questions, frames, answers, np.unique(pairs), encode)
    rule = fitted(encode is not None)
    told = judge(features(asked, frames.pools, pairs, agreement), asked, pairs, rule)
    sure = pairs[(told >= SURE) & (pairs[:, 0] != pairs[:, 1])]
    # only what somebody lent to looks otherwise
    again = np.flatnonzero(np.isin(pairs, np.unique(sure)).any(axis=1))
    columns = features(asked, lent(frames, sure), pairs[again], agreement[again])
    told[again] = np.maximum(told[again], judge(columns, asked, pairs[again], rule))
    told = np.where(pairs[:, 0] == pairs[:, 1], 1.0, told)
    return told, np.where(spoken(asked, pairs), rule.questions.least, rule.statements.least)


def judge(
    columns: Mapping[str, Float[np.ndarray, " pairs"]], asked: Asked, pairs: Int[np.ndarray, "pairs 2"], rule: Fitted
) -> Float[np.ndarray, " pairs"]:
    """Probability that frames ask the same, by the regression for what they are; 0 where grammar tells them apart."""
    stated = probability(chosen(columns, STATEMENTS), rule.statements.coefficients)
    asks = probability(chosen(columns, QUESTIONS), rule.questions.coefficients)
    # statements that turn on the same words need no statistics
    questions = spoken(asked, pairs)
    read = np.flatnonzero(questions | (columns["equal"] > 0))
    apart = np.zeros(len(pairs), dtype=bool)
    apart[read] = others_asked(asked, pairs[read])
    stated = np.where((columns["equal"] > 0) & ~apart, np.maximum(stated, asks), stated)
    return np.where(questions, np.where(apart, 0.0, asks), stated)


def spoken(asked: Asked, pairs: Int[np.ndarray, "pairs 2"]) -> Bool[np.ndarray, " pairs"]:
    """Whether both frames of a pair can be read, and one of them is a question or a request."""
    found = np.zeros(len(pairs), dtype=bool)
    for place, (f, g) in enumerate(pairs.tolist()):
        one, other = asked.forms[f], asked.forms[g]
        found[place] = one is not None and other is not None and (one.asks or other.asks)
    return found


def others_asked(asked: Asked, pairs: Int[np.ndarray, "pairs 2"]) -> Bool[np.ndarray, " pairs"]:
    """Whether the frames of a pair ask for different things by their grammar, or one of them for any of several."""
    found = np.zeros(len(pairs), dtype=bool)
    for place, (f, g) in enumerate(pairs.tolist()):
        one, other = asked.forms[f], asked.forms[g]
        if one is not None and other is not None:
            found[place] = one.several or other.several or likeness(one, other) == "clash"
    return found


def features(
    asked: Asked,
    pools: Mapping[int, Counter[int]],
    pairs: Int[np.ndarray, "pairs 2"],
    agreement: Int[np.ndarray, " pairs"],
) -> dict[str, Float[np.ndarray, " pairs"]]:
    """The columns of `STATEMENTS` and `QUESTIONS` by name, the cosines only with an encoder."""
    centres: dict[int, Float[np.ndarray, " dims"]] = {}
    names = [name for name in dict.fromkeys(STATEMENTS + QUESTIONS) if asked.encoded or name not in COSINES]
    found = {name: np.zeros(len(pairs)) for name in names}
    for place, ((f, g), agreed) in enumerate(zip(pairs.tolist(), agreement.tolist(), strict=True)):
        shared, size = _overlap(pools[f], pools[g])
        row = {
            "words": _alike(asked, f, g),
            "pool": shared / (size + 3),
            "disjoint": float(np.log1p(size)) if not shared else 0.0,
            "agreement": float(np.log1p(agreed)),
        }
        row |= _turned_on(asked.forms[f], asked.forms[g], row)
        if asked.encoded:
            for frame in (f, g):
                if frame not in centres:
                    centres[frame] = _centre(asked, pools[frame])
            # the only answer of a pool says little of the pool
            certain = min(1.0, (size - 1) / 5)
            row["frame_cosine"] = float(asked.frame_vectors[f] @ asked.frame_vectors[g])
            row["pool_cosine"] = certain * (float(centres[f] @ centres[g]) - 0.7)
        for name in names:
            found[name][place] = row.get(name, 0.0)
    return found


def _turned_on(one: ReadQuestion | None, other: ReadQuestion | None, row: Mapping[str, float]) -> dict[str, float]:
    """What the words that questions turn on say; where these are others, the words and answers they share say less."""
    if one is None or other is None:
        return {}
    if not (one.asks or other.asks):
        return {"equal": 1.0} if set(one.turns_on) == set(other.turns_on) != set() else {}
    how = likeness(one, other)
    if how in ("equal", "linked"):
        return {how: 1.0}
    otherwise = {"disjoint_otherwise": row["disjoint"]}
    if how == "apart":
        return {"apart": 1.0, "words_apart": row["words"], "pool_apart": row["pool"], **otherwise}
    return {"partly": 1.0, **otherwise} if how == "partly" else otherwise


def chosen(
    columns: Mapping[str, Float[np.ndarray, " pairs"]], names: Sequence[str]
) -> Float[np.ndarray, "pairs features"]:
    """The named columns that there are, side by side."""
    return np.stack([columns[name] for name in names if name in columns], axis=1)


def probability(
    columns: Float[np.ndarray, "pairs features"], coefficients: Sequence[float]
) -> Float[np.ndarray, " pairs"]:
    """The logistic function of an intercept and weighted columns."""
    intercept, *slopes = coefficients
    told: Float[np.ndarray, " pairs"] = 1 / (1 + np.exp(-(intercept + columns @ np.array(slopes))))
    return told


def prepare(
    questions: Questions,
    frames: Frames,
    answers: Sequence[str],
    used: Int[np.ndarray, " frames"],
    encode: Encode | None,
) -> Asked:
    """What the features of the frames in `used` are computed from; `answers` holds the texts that the pools count."""
    seen = np.zeros(len(questions.vocabulary))
    for frame in frames.words.values():
        seen[[word for word in dict.fromkeys(frame) if word != GAP]] += 1
    weight = np.log((1 + len(frames.words)) / (1 + seen))
    numbers = used.tolist()
    forms = {
        f: read_form([NAME if word == GAP else questions.vocabulary[word] for word in frames.words[f]]) for f in numbers
    }
    if encode is None:
        return Asked(frames, weight, answers, {}, {}, forms, False)
    vectors = encode_once(encode, [frame_text(questions, frames.words[f]) for f in numbers])
    heads = list(dict.fromkeys(answer for f in numbers for answer in _head(frames.pools[f], answers)))
    heads_vectors = encode_once(encode, [answers[answer].strip()[:400] for answer in heads])
    return Asked(
        frames,
        weight,
        answers,
        dict(zip(numbers, vectors, strict=True)),
        dict(zip(heads, heads_vectors, strict=True)),
        forms,
        True,
    )


def _alike(asked: Asked, f: int, g: int) -> float:
    """Weighted Jaccard index of two frames' words."""
    a, b = ({word for word in asked.frames.words[frame] if word != GAP} for frame in (f, g))
    union = asked.weight[sorted(a | b)].sum()
    return float(asked.weight[sorted(a & b)].sum() / union) if union > 0 else 1.0


def _overlap(a: Counter[int], b: Counter[int]) -> tuple[int, int]:
    """Answers in both pools, and in the smaller one."""
    small, large = sorted((a, b), key=len)
    return sum(answer in large for answer in small), len(small)


def lent(frames: Frames, same: Int[np.ndarray, "pairs 2"]) -> dict[int, Counter[int]]:
    """Each frame's pool with those of the frames that are surely the same."""
    pools = dict(frames.pools)
    for f, g in same.tolist():
        if f != g:
            pools[f], pools[g] = pools[f] + frames.pools[g], pools[g] + frames.pools[f]
    return pools


def _centre(asked: Asked, pool: Counter[int]) -> Float[np.ndarray, " dims"]:
    known = [answer for answer in _head(pool, asked.answers, len(pool)) if answer in asked.answer_vectors]
    mean: Float[np.ndarray, " dims"] = np.mean([asked.answer_vectors[answer] for answer in known[:CENTRE_OF]], axis=0)
    return mean / max(1e-9, float(np.linalg.norm(mean)))


def _head(pool: Counter[int], answers: Sequence[str], size: int = CENTRE_OF) -> list[int]:
    """The answers that a pool holds most often, equal ones in alphabetical order."""
    return sorted(pool, key=lambda answer: (-pool[answer], answers[answer]))[:size]


def encode_once(encode: Encode, texts: Sequence[str]) -> list[Float[np.ndarray, " dims"]]:
    """Vectors of texts; equal texts are encoded once, and in an order of their own, so that order changes nothing."""
    distinct = sorted(dict.fromkeys(texts))
    if not distinct:
        return []
    vectors = encode(distinct)
    place = {text: number for number, text in enumerate(distinct)}
    return [vectors[place[text]] for text in texts]
