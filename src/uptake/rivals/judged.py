"""Judges of answers that rules cannot compare: an LLM, or a cross-encoder for natural language inference."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from uptake.artifacts import cannot_write, chunks, digest, kept
from uptake.artifacts.checked import json_lines
from uptake.artifacts.schemas.later import JUDGED
from uptake.models.served import DATA_ONLY, LLM, Form, NoAnswer, complete_json
from uptake.rivals.groups import Doubt, Judge, Judgement

INSTRUCTION = (
    f"{DATA_ONLY} `one` and `other` are answers to `question`. Answer `same` when they say the same, one perhaps in "
    "other words or less exactly; `different` when both cannot be right; `both` when they say different things that "
    "may both be right; `undecided` when you cannot tell."
)

SURE = 0.8
"""Probability from which on a cross-encoder is believed."""
AT_ONCE = 8
"""Requests under way at a time."""
KEPT_AT_ONCE = 64
"""Judgements that are kept at a time: a killed run loses fewer."""

Infer = Callable[[Sequence[tuple[str, str]]], Float[np.ndarray, "pairs 2"]]
"""Pairs of texts to the probabilities that the first entails, and that it contradicts, the second."""


class _Compared(Form):
    result: Literal["same", "different", "both", "undecided"]


def llm_judge(llm: LLM) -> Judge:
    """A judge that asks an LLM. An answer that cannot be read leaves the comparison undecided.

    Raises:
        UptakeError: When called: the server cannot be reached or refuses.
    """

    def one(doubt: Doubt) -> Judgement:
        asked = {"question": doubt.question, "one": doubt.one.strip(), "other": doubt.other.strip()}
        try:
            return complete_json(llm, INSTRUCTION, asked, _Compared).result
        except NoAnswer:
            return "undecided"

    def judge(doubts: Sequence[Doubt]) -> list[Judgement]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            # no more than are under way: whoever stops the run does not wait for the others
            return [told for some in chunks(doubts, AT_ONCE) for told in pool.map(one, some)]

    return judge


def nli_judge(infer: Infer) -> Judge:
    """A judge that asks whether the answers entail or contradict each other, in both directions.

    Args:
        infer: Natural language inference, such as `uptake.models.embed.entailment`.
    """

    def judge(doubts: Sequence[Doubt]) -> list[Judgement]:
        pairs = []
        for doubt in doubts:
            one, other = (f"{doubt.question} {answer.strip()}" for answer in (doubt.one, doubt.other))
            pairs += [(one, other), (other, one)]
        surely = infer(pairs).reshape(len(doubts), 2, 2).min(axis=1) >= SURE
        return ["same" if same else "different" if differ else "undecided" for same, differ in surely.tolist()]

    return judge


def in_turn(*judges: Judge) -> Judge:
    """A judge that asks the next of several about what the ones before leave undecided."""

    def judge(doubts: Sequence[Doubt]) -> list[Judgement]:
        told: list[Judgement] = ["undecided"] * len(doubts)
        for each in judges:
            left = [place for place, judgement in enumerate(told) if judgement == "undecided"]
            for place, judgement in zip(left, each([doubts[place] for place in left]), strict=True):
                told[place] = judgement
        return told

    return judge


def remembering(judge: Judge, identity: object, path: Path) -> Judge:
    """A judge that keeps its judgements in a file and is asked for each only once.

    Args:
        judge: Who is asked.
        identity: What its judgements depend on, JSON-serialisable: its models' names.
        path: JSON lines of `{key, judgement}`, appended to as judgements arrive.

    Raises:
        UptakeError: When called: the file cannot be written, or as `judge`.
    """

    def judged(doubts: Sequence[Doubt]) -> list[Judgement]:
        keys = [digest(INSTRUCTION, identity, doubt.question, doubt.one, doubt.other) for doubt in doubts]
        known = _read(path)
        missing = {key: doubt for key, doubt in zip(keys, doubts, strict=True) if key not in known}
        for some in chunks(missing, KEPT_AT_ONCE):
            told = dict(zip(some, judge([missing[key] for key in some]), strict=True))
            _append(path, told)
            known |= told
        return [known[key] for key in keys]

    return judged


def _read(path: Path) -> dict[str, Judgement]:
    if not path.exists():
        return {}
    try:
        with kept(path, "r+b") as file:
            whole = file.read()
            end = whole.rfind(b"\n") + 1
            if end < len(whole):  # a killed run may leave its last line unfinished
                file.truncate(end)
    except OSError as error:
        raise cannot_write(path, error) from error
    fix = f"delete {path}: what it holds is asked for again"
    return {row.key: row.judgement for row in json_lines(path, JUDGED, fix)}


def _append(path: Path, told: dict[str, Judgement]) -> None:
    lines = "".join(json.dumps({"key": key, "judgement": judgement}) + "\n" for key, judgement in told.items())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with kept(path) as file:
            file.write(lines.encode())
    except OSError as error:
        raise cannot_write(path, error) from error
