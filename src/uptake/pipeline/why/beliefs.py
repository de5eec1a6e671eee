"""Which wrong answer the base gives, and what either model makes of it.

An example's belief is the base's greedy answer, whether options are given or not, and its probability that of the text,
as for the response. Where the example is judged by its options (criterion `option`) and the answer is one of them, its
probability is that among the options; and where the base gives no answer that can be judged, the wrong option that it
prefers is its belief.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uptake.causes import Belief, Said
from uptake.detect import mean_p_options, p_options
from uptake.detect.reading import Normalisation
from uptake.detect.saying import Kind
from uptake.pipeline.asking.answers import Answer
from uptake.types import Example, Score, normalised

NO_ANSWER = "the base model's own answer is not known: the example has no prompt, or its response is too long"
NO_ROOM = "the base model's own answer is too long to be scored (--max_length)"
UNTOLD: Mapping[Kind, str] = {
    "silent": "the base model gives no answer: it stops at once, refuses, or says only words like *the* or *sure*",
    "thinking": "the base model writes thoughts before its answer, and the answer without them is not what it says",
    "cut": "the base model's own answer does not end within the allowed tokens",
    "retokenised": "the base model's own answer has other tokens when it is read again as text, so its probability "
    "would be wrong (check whether the prompt or the chat template ends in white space)",
}
"""Why an own answer is no belief, and not known to be none."""


@dataclass(frozen=True, slots=True)
class Held:
    """The base's wrong answer.

    Attributes:
        text: The answer.
        index: Its place among the candidates; None where it is none of them, and asked about apart.
        among: It is judged among the options.
    """

    text: str
    index: int | None
    among: bool


def held(answer: Answer, by_option: bool, normalisation: Normalisation) -> Held | None:
    """The base's wrong answer; None where it gives the response or where nothing is known (see `unknown`).

    Args:
        answer: What the base says of an example.
        by_option: The example has options and is judged by them.
        normalisation: What divides the options' log-probabilities.
    """
    if answer.scores[0].recalled:
        return None
    if answer.kind == "wrong" and answer.answer is not None:
        same = [k for k, one in enumerate(answer.candidates) if _same(one.text, answer.answer, by_option)]
        return Held(answer.answer, same[0] if same else None, by_option and bool(same))
    if not by_option or answer.kind in ("response", "reworded"):
        return None
    shares = options(answer, normalisation)
    best = max(range(len(shares)), key=shares.__getitem__)
    return None if best == answer.scores[0].right else Held(answer.candidates[best].text, best, True)


def _same(text: str, said: str, by_option: bool) -> bool:
    # among the options it is enough to know which one is meant; else the text's own probability is wanted
    return normalised(text) == normalised(said) if by_option else text == said


def unknown(answer: Answer, by_option: bool) -> str | None:
    """Why it is not known whether the base has a wrong answer; None where it is known, or its options tell."""
    if by_option or answer.scores[0].recalled:
        return None
    return NO_ANSWER if answer.kind is None else UNTOLD.get(answer.kind)


def apart(answer: Answer, by_option: bool, normalisation: Normalisation) -> str | None:
    """The base's own answer where the models are to be asked about it apart; None where they were, or need not be.

    An answer that is the response in other words is asked about too: how sure the base is of it is a signal.
    """
    if answer.scores[0].recalled or unknown(answer, by_option) is not None:
        return None
    found = held(answer, by_option, normalisation)
    if found is not None:
        return found.text if found.index is None else None
    return answer.answer.rstrip() if answer.answer and answer.kind in ("response", "reworded") else None


def belief(
    found: Held,
    example: Example,
    models: Sequence[tuple[Answer, Answer | None]],
    normalisation: Normalisation,
) -> Belief | None:
    """What either model makes of a belief; None where one could not be asked.

    Args:
        found: The belief.
        example: The example.
        models: Of base and tuned model what they said of the example, and what beyond that.
        normalisation: What divides the options' log-probabilities.
    """
    said = []
    for answer, more in models:
        n_tokens = 1  # an option that is chosen counts as one, however long it is
        if found.among and found.index is not None:
            shares = [options(answer, normalisation), *_shares_held_out(example, answer, normalisation)]
            logs = [math.log(share[found.index]) if share[found.index] > 0 else -math.inf for share in shares]
        elif found.index is not None:
            logs = [score.logprobs[found.index] for score in (answer.scores[0], *comparable(example, answer))]
            n_tokens = answer.scores[0].n_tokens[found.index]
        else:
            scores = own_scores(more)
            if not scores:
                return None
            logs = [score.logprob for score in scores]
            n_tokens = scores[0].n_tokens[scores[0].right]
        said.append(Said(logs[0], tuple(logs[1:]), n_tokens=max(1, n_tokens)))
    return Belief(found.text, said[0], said[1], found.among)


def own_scores(more: Answer | None) -> list[Score]:
    """The scores of an own answer that was asked about apart, in the training wording and in held-out ones."""
    return [score for score in (() if more is None else more.scores) if score.wording.kind == "own"]


def held_out(answer: Answer) -> list[Score]:
    """The scores in held-out wordings, in their order."""
    return [score for score in answer.scores if score.wording.kind == "held_out"]


def comparable(example: Example, answer: Answer) -> list[Score]:
    """Those in wordings that have the example's response: of another text the log-probability is another's."""
    scores = zip(example.paraphrases, held_out(answer), strict=True)
    return [score for wording, score in scores if wording.response == example.response]


def options(answer: Answer, normalisation: Normalisation) -> tuple[float, ...]:
    """Probability of each candidate among the candidates, by letter where they were asked for by letter."""
    letters = [score for score in answer.scores if score.wording.kind == "letters"]
    return mean_p_options(letters) if letters else p_options(answer.scores[0], normalisation)


def _shares_held_out(example: Example, answer: Answer, normalisation: Normalisation) -> list[tuple[float, ...]]:
    lettered = any(score.wording.kind == "letters" for score in answer.scores)
    # by letter the options are asked for in the training wording alone
    return [] if lettered else [p_options(score, normalisation) for score in comparable(example, answer)]
