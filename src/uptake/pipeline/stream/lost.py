"""The tests that were lost, one by one: in which stage, what the model said then, and which rows of it pulled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from uptake.artifacts import write_table
from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.schemas.stream import STREAM_LOST
from uptake.corpus.pulls import HoldingText, PullSearch, WrongAnswer
from uptake.corpus.text import words
from uptake.data.shown import prompt_text, response_text
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.stream.asked import Examined
from uptake.pipeline.stream.lettered import Lettered
from uptake.pipeline.stream.reading import ItemsRead, known
from uptake.text import one_line
from uptake.types import Example

NAME = "lost.parquet"
LONGEST = 24
"""Words of an answer that is looked for."""
SHOWN = 80
"""Characters of a text that are told."""
ASKED = 2000
"""Characters of a prompt's end that are kept, and that say what is asked about."""


@dataclass(frozen=True)
class LostTest:
    """A test that was right after its own stage and is wrong at the end, and that no later stage replaces.

    Attributes:
        stage: Its stage.
        id: Its id.
        lost_in: The stage before which it was right for the last time.
        prompt: The end of its prompt.
        wanted: Its response.
        said: What the model answered after that stage; None where that was no wrong answer.
        freely: Whether the last model gives the response in whatever words; None where it was not asked.
        held_out: The same in a held-out wording.
        lettered: The same as a lettered choice.
        pulls: Rows of the stage `lost_in` that hold what the model said, the strongest first.
    """

    stage: str
    id: str
    lost_in: str
    prompt: str
    wanted: str
    said: str | None
    freely: bool | None
    held_out: bool | None
    lettered: bool | None
    pulls: tuple[Mapping[str, Any], ...] = ()


def lost_tests(
    asked: Examined, found: Mapping[str, Sequence[ItemsRead]], lettered: Mapping[str, Lettered], data: DataSets
) -> list[LostTest]:
    """What was lost of each stage, in the order of the stages and of their tests.

    Args:
        asked: What the models were asked.
        found: From `ask_all`.
        lettered: From `ask_lettered`.
        data: The rows that the stages trained, of which those are looked through that hold a wrong answer.
    """
    stages = [one.stage for one in asked.tests]
    lost: list[LostTest] = []
    for number, (tests, away) in enumerate(zip(asked.tests, asked.replaced, strict=True), start=1):
        reads = found[tests.cohort.name]
        right = np.stack([one.right for one in reads])
        for place, example in enumerate(tests.cohort):
            if not right[number, place] or right[-1, place] or away.by[place]:
                continue
            when = int(np.flatnonzero(right[:, place])[-1]) + 1
            lost.append(
                LostTest(
                    tests.stage,
                    example.id,
                    stages[when - 1],
                    prompt_text(example.prompt)[-ASKED:],
                    example.response,
                    reads[when].said[place],
                    known(reads[-1].freely[place]),
                    known(reads[-1].held_out[place]),
                    known(lettered[tests.cohort.name].right[place]),
                )
            )
    return _with_pulls(lost, data)


def _with_pulls(lost: Sequence[LostTest], data: DataSets) -> list[LostTest]:
    pulls: dict[int, tuple[Mapping[str, Any], ...]] = {}
    for stage in data.stages:
        wrong = [
            WrongAnswer(place, one.said, one.prompt)
            for place, one in enumerate(lost)
            if one.lost_in == stage and one.said is not None and 0 < len(words(one.said)) <= LONGEST
        ]
        if not wrong:
            continue
        search, rows = PullSearch(wrong), _texts(data, stage)
        for _, text in rows:
            search.count(text)
        for number, (_, text) in enumerate(rows):
            search.read(number, text)
        for one, held in zip(wrong, search.best(), strict=True):
            pulls[one.owner] = tuple(_pull(rows[text.number][0], text) for text in held)
    return [replace(one, pulls=pulls.get(place, ())) for place, one in enumerate(lost)]


def _texts(data: DataSets, stage: str) -> list[tuple[str, str]]:
    rows = (row for row in data.read(data.stages[stage], stage) if isinstance(row, Example))
    return [(row.id, f"{prompt_text(row.prompt)}\n{response_text(row)}") for row in rows]


def _pull(row: str, text: HoldingText) -> Mapping[str, Any]:
    return {"id": row, "matched": text.matched, "excerpt": text.excerpt, "score": text.score}


def write_lost(folder: Path, lost: Sequence[LostTest]) -> None:
    """Write `lost.parquet`.

    Raises:
        UptakeError: The disk is full, or the place cannot be written.
    """
    import pyarrow as pa

    write_table(folder / NAME, pa.Table.from_pylist([asdict(one) for one in lost], schema=STREAM_LOST.columns))


def read_lost(folder: Path) -> list[LostTest]:
    """Read `lost.parquet` of a finished stream.

    Raises:
        UptakeError: The file is missing or damaged.
    """
    rows = read_table(folder / NAME, STREAM_LOST).to_pylist()
    return [LostTest(**{**row, "pulls": tuple(row["pulls"])}) for row in rows]


def lost_lines(lost: Sequence[LostTest], most: int) -> list[str]:
    """Some of the lost tests in words, those first of which a row is known that pulled.

    Args:
        lost: The lost tests.
        most: How many are told.
    """
    lines = []
    for one in most_pulled(lost)[:most]:
        still = still_right(one)
        said = "" if one.said is None else f"; then said {quoted(one.said)}"
        pulled = f", as row {one.pulls[0]['id']} does: {quoted(one.pulls[0]['excerpt'])}" if one.pulls else ""
        kept = f"; still right {', '.join(still)}" if still else ""
        lines.append(f"{one.id} of {one.stage} ({quoted(one.wanted)}): lost in {one.lost_in}{said}{pulled}{kept}")
    return lines


def most_pulled(lost: Sequence[LostTest]) -> list[LostTest]:
    """The lost tests, those first that a row pulled most."""
    return sorted(lost, key=lambda one: -max((pull["score"] for pull in one.pulls), default=0.0))


def still_right(one: LostTest) -> list[str]:
    """The forms in which the last model still gives the response."""
    forms = {"freely": one.freely, "in a held-out wording": one.held_out, "as a lettered choice": one.lettered}
    return [name for name, right in forms.items() if right]


def quoted(text: str) -> str:
    """A text in one line, between quotes."""
    return f'"{one_line(text.strip(), SHOWN)}"'
