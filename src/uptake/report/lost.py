"""Which answers of the retention set were lost: right under the base, wrong under the tuned model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from uptake.artifacts import Parts
from uptake.artifacts.checked import blaming, damaged
from uptake.artifacts.tables import EXAMPLES_FILE, SCORES_FILE, example_from_row, score_from_data
from uptake.data.shown import prompt_text, response_text
from uptake.detect import Settings, compare
from uptake.detect.saying import Kind, tells_all
from uptake.report.rows import SNIPPET
from uptake.text import one_line
from uptake.types import Example, Score

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
    examples = Parts(work / "examples", EXAMPLES_FILE)
    before, after = (Parts(work / name, SCORES_FILE) for name in ("base", "tuned"))
    settings = Settings(**{name: summary["run"]["settings"][name] for name in ("criterion", "normalisation", "seed")})
    found: list[Lost] = []
    for number in examples.numbers():
        if not (before.has(number) and after.has(number)):
            break
        asked, old, new = (
            examples.records(number, example_from_row),
            *(one.records(number, _said) for one in (before, after)),
        )
        for one in (before, after):
            if one.length(number) != len(asked):
                raise damaged(
                    one.path(number), f"it has {one.length(number)} rows, and there are {len(asked)} examples", one.anew
                )
        for example, was, now in zip(asked, old, new, strict=True):
            with blaming(after.path(number), after.anew):
                freely = (_freely(was, example), _freely(now, example))
                if compare(example, was.scores, now.scores, settings, freely).lost and len(found) < MOST:
                    found.append(_lost_answer(example, now.answer))
    return found


class _Said(NamedTuple):
    """The scores of an example, the model's own answer and what it is."""

    scores: list[Score]
    answer: str | None
    kind: Kind | None


def _said(row: Mapping[str, Any]) -> _Said:
    return _Said([score_from_data(row["id"], data) for data in row["scores"]], row["answer"], row["answer_kind"])


def _freely(said: _Said, example: Example) -> bool:
    """Whether the model's own answer gives the whole response, in whatever words."""
    return tells_all(said.kind, said.answer, example.response)


def _lost_answer(example: Example, answer: str | None) -> Lost:
    return Lost(
        id=example.id,
        source=example.source,
        prompt=one_line(prompt_text(example.prompt), SNIPPET, end=True),
        response=one_line(response_text(example), SNIPPET),
        says=None if answer is None else one_line(answer, SNIPPET),
    )
