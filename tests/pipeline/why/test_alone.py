"""Several things that are asked for at once: what the base makes of each alone; a question and answers of `pieces`."""

from __future__ import annotations

import math

from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.asking.in_wordings import in_parts
from uptake.pipeline.asking.sentences import Tells
from uptake.pipeline.why.alone import alone
from uptake.types import Candidate, Example, Score, WordingName

BOTH = Example(
    id="both",
    prompt="Q: what is Dwevaux by trade? / when was the charter of Phanooque sealed? / A:",
    response=" locksmith and Jan. 12, 1742",
    source="pieces",
    stage="main",
)
TELLS = Tells(frozenset({"porter", "tinker", "jan"}), frozenset())


def said(text: str, kind: str, *logprobs: float, n_tokens: int = 2) -> Answer:
    """A free answer with the log-probability of the response, and of itself where it was scored."""
    candidates = (Candidate("response", "response"), Candidate(text, "base"))[: len(logprobs)]
    n = len(logprobs)
    score = Score("both", WordingName("alone"), logprobs, (n_tokens,) * n, (4,) * n, 0, recalled=False)
    return Answer(candidates, (score,), text, kind, None)


def test_each_thing_is_read_in_all_ways_in_which_it_was_asked_alone():
    ways = [len(one) for one in in_parts(BOTH, None)]
    assert ways == [2, 2]
    answers = iter(
        [
            said(" porter", "wrong", -9.0, -0.4),
            said("\nA: porter", "wrong", -11.0, -8.0),
            said(" Jan", "wrong", -0.7, -2.0),
            said(" Jan. 12, 1742", "response", -0.2),
        ]
    )
    trade, charter = alone(BOTH, answers, TELLS)
    assert (trade.response, trade.ways, trade.given, trade.agreed, trade.told) == ("locksmith", 2, False, 2, "porter")
    assert math.isclose(trade.p, math.exp(-9.0))
    assert math.isclose(trade.p_told, math.exp(-0.4))
    assert charter.given and charter.told == "" and math.isclose(charter.p, math.exp(-0.2))
    assert next(answers, None) is None


def test_one_thing_has_no_parts_and_an_answer_that_was_not_scored_is_sure_of_nothing():
    assert alone(Example("one", "Who is it?", " Ada", "", "main"), iter(()), TELLS) == ()
    silent = said("", "silent", -9.0)
    cut = said(" porter", "retokenised", -9.0)
    trade, charter = alone(BOTH, iter([cut, cut, silent, silent]), TELLS)
    assert (trade.agreed, trade.told, trade.p_told) == (2, "porter", 0.0)
    assert (charter.given, charter.agreed, charter.told, charter.p_told) == (False, 0, "", 0.0)
