"""What a model goes on with in its own words in long responses that it was never trained on.

Training examples are judged by it too (see `continuations`): the null says how many of them would pass untrained only
if the very same is asked of it. It needs few examples for that, which are spread over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from uptake.artifacts import digest
from uptake.pipeline.asking.answers import Answers, Respondent, Role, Tell, by_part, rows_of
from uptake.pipeline.asking.parts import continuations, continued_in
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.progress import Progress
from uptake.types import Example

ASKED = 256
"""Long examples of the null that are asked about: a share of them is known to within six points."""

OwnWords: TypeAlias = Mapping[int, str] | None
"""By the first character of a span, what is written from there on; None where that was not asked."""


def ask_null_words(
    cohort: Cohort,
    role: Role,
    model: Respondent,
    answers: Answers,
    earlier: Answers | None,
    max_length: int | None,
    progress: Progress,
) -> Answers:
    """Let a model go on in its own words where it goes wrong, in some of the long responses of the null.

    Args:
        cohort: The examples.
        role: Which model it is.
        model: The model.
        answers: What it answered about them.
        earlier: What the base answered about them; None without one, or where the base is asked.
        max_length: Tokens that it may be given; None for no limit.
        progress: Told after each part.
    """
    quota = -(-ASKED // max(1, len([*cohort.parts.numbers()])))

    def work(number: int, examples: list[Example], tell: Tell) -> list[dict[str, Any]]:
        scored = [answer.scores for answer in answers.read(number)]
        base = None if earlier is None else [answer.scores for answer in earlier.read(number)]
        long = [index for index, scores in enumerate(scored) if scores[0].tokens is not None]
        wanted = long[:: max(1, -(-len(long) // quota))]
        n = len(examples)
        rows = rows_of(examples, [()] * n, [()] * n, [None] * n, [None] * n)
        if wanted:
            found = continuations(examples, scored, base, model.model.load(), max_length, wanted)
            for index in wanted:
                rows[index]["continued"] = found[index] or []
        return rows

    how = digest(ASKED, answers.key, earlier and earlier.key, max_length)
    return by_part(cohort, role, model, how, work, progress)


def null_words(answers: Answers) -> Iterator[OwnWords]:
    """What was written of each example, in order."""
    for number in answers.parts.numbers():
        yield from answers.parts.records(number, continued_in)
