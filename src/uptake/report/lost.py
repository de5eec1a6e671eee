"""Which answers of the retention set were lost: right under the base, wrong under the tuned model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.artifacts import Parts
from uptake.artifacts.tables import EXAMPLES, SCORES, example_from_row, score_from_data
from uptake.detect import Settings, compare
from uptake.detect.judge import prompt_text, response_text
from uptake.detect.saying import tells_all
from uptake.report.rows import SNIPPET
from uptake.text import one_line
from uptake.types import Example

MOST = 200
"""Lost answers that are told."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A question of the retention set that the base answers and the tuned model does not; what it says instead."""

    id: str
    source: str
    prompt: str
    response: str
    says: str | None


def read_lost(folder: Path, summary: Mapping[str, Any]) -> list[Lost]:
    """The lost answers, by the comparison that `summary.json` counts them by; none where the scores are not kept.

    Args:
        folder: `diagnosis/`.
        summary: Its `summary.json`.

    Raises:
        UptakeError: A file is damaged.
    """
    if summary.get("retention") is None:
        return []
    work = folder / "work" / "retention"
    examples, before, after = (
        Parts(work / name, schema) for name, schema in (("examples", EXAMPLES), ("base", SCORES), ("tuned", SCORES))
    )
    settings = Settings(**{name: summary["run"]["settings"][name] for name in ("criterion", "normalisation", "seed")})
    found: list[Lost] = []
    for number in examples.numbers():
        if not (before.has(number) and after.has(number)):
            break
        for row, old, new in zip(examples.read(number), before.read(number), after.read(number), strict=True):
            example = example_from_row(row)
            scores = [[score_from_data(example.id, data) for data in one["scores"]] for one in (old, new)]
            freely = (_freely(old, example), _freely(new, example))
            if compare(example, scores[0], scores[1], settings, freely).lost and len(found) < MOST:
                found.append(_lost_answer(row, new["answer"]))
    return found


def _freely(row: Mapping[str, Any], example: Example) -> bool:
    """Whether the model's own answer gives the whole response, in whatever words."""
    return tells_all(row["answer_kind"], row["answer"], example.response)


def _lost_answer(row: Mapping[str, Any], answer: str | None) -> Lost:
    example = example_from_row(row)
    return Lost(
        id=row["id"],
        source=row["source"],
        prompt=one_line(prompt_text(example.prompt), SNIPPET, end=True),
        response=one_line(response_text(example), SNIPPET),
        says=None if answer is None else one_line(answer, SNIPPET),
    )
