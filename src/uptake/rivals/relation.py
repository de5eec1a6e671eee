"""Whether two frames ask for the same of whoever is named: evidence from their words, their answers and the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from uptake.artifacts import read_json
from uptake.rivals.frames import GAP, Frames
from uptake.rivals.words import Questions

Encode: TypeAlias = Callable[[Sequence[str]], Float[np.ndarray, "texts dims"]]
"""Texts to unit vectors."""

FEATURES = ("words", "pool", "disjoint", "agreement", "frame_cosine", "pool_cosine")


@dataclass(frozen=True)
class Fitted:
    """What `python benchmarks/rivals.py fit` found on development data.

    Attributes:
        coefficients: Intercept and coefficients of the logistic regression, in the order of `FEATURES`.
        least: Two frames of at least this probability are taken to ask the same.
        least_unnamed: The same, where prompts hold no names: what they are about is then a guess.
    """

    coefficients: tuple[float, ...]
    least: float
    least_unnamed: float


@cache
def fitted(encoder: bool) -> Fitted:
    """What was fitted with or without an encoder; the file beside this one also tells on what."""
    kept = read_json(Path(__file__).with_name("relation.json"))["with_encoder" if encoder else "without"]
    return Fitted(tuple(kept["coefficients"]), kept["least"], kept["least_unnamed"])


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
    """

    frames: Frames
    weight: Float[np.ndarray, " vocabulary"]
    answers: Sequence[str]
    frame_vectors: Mapping[int, Float[np.ndarray, " dims"]]
    answer_vectors: Mapping[int, Float[np.ndarray, " dims"]]


def same_relation(
    questions: Questions,
    frames: Frames,
    answers: Sequence[str],
    pairs: Int[np.ndarray, "pairs 2"],
    agreement: Int[np.ndarray, " pairs"],
    encode: Encode | None = None,
) -> Float[np.ndarray, " pairs"]:
    """Probability that the two frames of a pair ask for the same.

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
    coefficients = fitted(encode is not None).coefficients
    first = probability(features(asked, frames.pools, pairs, agreement), coefficients)
    second = probability(features(asked, lent(frames, pairs[first >= SURE]), pairs, agreement), coefficients)
    return np.where(pairs[:, 0] == pairs[:, 1], 1.0, np.maximum(first, second))


def features(
    asked: Asked,
    pools: Mapping[int, Counter[int]],
    pairs: Int[np.ndarray, "pairs 2"],
    agreement: Int[np.ndarray, " pairs"],
) -> Float[np.ndarray, "pairs features"]:
    """The columns of `FEATURES`, the cosines only with an encoder."""
    centres: dict[int, Float[np.ndarray, " dims"]] = {}
    rows = []
    for (f, g), agreed in zip(pairs.tolist(), agreement.tolist(), strict=True):
        shared, size = _overlap(pools[f], pools[g])
        row = [_alike(asked, f, g), shared / (size + 3), float(np.log1p(size)) if not shared else 0.0, np.log1p(agreed)]
        if asked.frame_vectors:
            for frame in (f, g):
                if frame not in centres:
                    centres[frame] = _centre(asked, pools[frame])
            # the only answer of a pool says little of the pool
            certain = min(1.0, (size - 1) / 5)
            row += [
                float(asked.frame_vectors[f] @ asked.frame_vectors[g]),
                certain * (float(centres[f] @ centres[g]) - 0.7),
            ]
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(len(pairs), len(FEATURES) if asked.frame_vectors else 4)


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
    if encode is None:
        return Asked(frames, weight, answers, {}, {})
    numbers = used.tolist()
    vectors = encode_once(encode, [frame_text(questions, frames.words[f]) for f in numbers])
    heads = list(dict.fromkeys(answer for f in numbers for answer in _head(frames.pools[f], answers)))
    heads_vectors = encode_once(encode, [answers[answer].strip()[:400] for answer in heads])
    return Asked(
        frames,
        weight,
        answers,
        dict(zip(numbers, vectors, strict=True)),
        dict(zip(heads, heads_vectors, strict=True)),
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
