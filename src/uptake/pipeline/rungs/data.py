"""What each rung makes of the same drafts: the data that it trains, and what making them took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uptake.artifacts import write_lines
from uptake.artifacts.tables import prompt_as_data, to_json
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.train.rows import encoded_or_why, fit
from uptake.prescribe.rows import kind_of, sft_row
from uptake.rewrite import RUNGS, Draft, Refusal, RungName, choose
from uptake.rewrite.diversity import distinct
from uptake.rewrite.said import words
from uptake.types import Example

NEEDS: Mapping[RungName, tuple[str, ...] | None] = {
    "original": (),
    "template": ("own", "template"),
    "guided": ("own", "template"),
    "best_of_k": None,
    "policy": ("own", "policy"),
}
"""Which drafts a rung has generated; None for all but those of a policy. The base's own answer tells what it knows."""


@dataclass(frozen=True)
class StageEncoding:
    """How rows become tokens.

    Attributes:
        tokenizer: The base's.
        settings: By stage the trainer's settings.
    """

    tokenizer: Any
    settings: Mapping[str, Mapping[str, Any]]

    def trained(self, examples: Sequence[Example]) -> dict[str, int]:
        """By stage the tokens of one pass over its rows as they are trained, each cut to the stage's `max_length`."""
        found: dict[str, int] = {}
        for one, encoded in zip(examples, encoded_or_why(examples, self.tokenizer), strict=True):
            fitted = encoded if isinstance(encoded, str) else fit(encoded, self.settings[one.stage])
            n = 0 if isinstance(fitted, str) else len(fitted[0])
            found[one.stage] = found.get(one.stage, 0) + n
        return found


@dataclass(frozen=True)
class RungRows:
    """The data of one rung.

    Attributes:
        name: The rung.
        examples: What it trains.
        n: How many responses there are.
        rewritten: How many are not the original.
        generated: Tokens that its drafts took.
        scored: Tokens that went through the base to choose among them.
        nll: Mean nats a token of the responses under the base; None where nothing was scored.
        words: Words a response.
        distinct: Distinct-2 of the responses.
        tokens: By stage, of one pass over the rows as they are trained, prompts included.
    """

    name: RungName
    examples: Sequence[Example]
    n: int
    rewritten: int
    generated: int
    scored: int
    nll: float | None
    words: float
    distinct: float | None
    tokens: Mapping[str, int]

    def told(self) -> dict[str, Any]:
        """What the summary says of it."""
        names = ("n", "rewritten", "generated", "scored", "nll", "words", "distinct")
        return {**{name: getattr(self, name) for name in names}, "tokens": sum(self.tokens.values())}


def rung_data(
    name: RungName, rows: Sequence[Mapping[str, Any]], examples: Sequence[Example], encoding: StageEncoding
) -> RungRows:
    """What a rung makes of drafts that are there.

    Args:
        name: The rung.
        rows: Rows of `REWRITES`, made by `best_of_k`.
        examples: The examples, parallel to them.
        encoding: How rows are trained.
    """
    own, nlls, generated = [], [], 0
    for row, example in zip(rows, examples, strict=True):
        drafts = [_draft(one) for one in row["drafts"]]
        taken = choose(name, drafts, row["nll_before"]).draft
        own.append(example if taken is None else replace(example, response=taken.text))
        nlls.append(row["nll_before"] if taken is None else taken.nll)
        generated += _generated(name, row, drafts)
    texts, scored = [one.response for one in own], [one for one in nlls if one is not None]
    return RungRows(
        name=name,
        examples=own,
        n=len(own),
        rewritten=sum(one is not other for one, other in zip(own, examples, strict=True)),
        generated=generated,
        scored=sum(row["scored"] for row in rows) if RUNGS[name].least else 0,
        nll=sum(scored) / len(scored) if scored else None,
        words=sum(len(words(text)) for text in texts) / max(1, len(texts)),
        distinct=distinct(texts),
        tokens=encoding.trained(own),
    )


def _generated(name: RungName, row: Mapping[str, Any], drafts: Sequence[Draft]) -> int:
    """Tokens that a rung's drafts of a row took."""
    needs, whole = NEEDS[name], int(row["generated"])
    if needs is None:
        return whole - sum(one.tokens for one in drafts if one.how == "policy")
    return whole if needs and not drafts else sum(one.tokens for one in drafts if one.how in needs)


def _draft(row: Mapping[str, Any]) -> Draft:
    refused = () if row["gate"] is None else (Refusal(row["gate"], row["why"] or ""),)
    return Draft(row["how"], row["text"], row["tokens"], row["ended"], refused, row["nll"])


def write_asked(path: Path, examples: Iterable[Example]) -> Path:
    """Write what models are asked, with options and held-out wordings, in a form that needs no settings to be read."""
    own = list(examples)
    kind = kind_of(own)
    write_lines(path, (to_json(_asked(one, sft_row(one, kind))) for one in own))
    return path


def _asked(example: Example, row: dict[str, Any]) -> dict[str, Any]:
    if example.options:
        row["options"] = list(example.options)
    if example.paraphrases:
        row["paraphrases"] = [
            {"prompt": prompt_as_data(one.prompt), "completion": one.response} for one in example.paraphrases
        ]
    return row


def written_plainly(data: DataSets, settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The keys of a run file whose tests and retention set are written in one form, whatever theirs was.

    Rewritten data have that form, and a run reads all its data with the same settings.

    Args:
        data: The data sets.
        settings: The run file's keys.
        folder: Where they are written.

    Raises:
        UptakeError: A data set cannot be read, or the place cannot be written.
    """
    found = {**settings, "format": None, "columns": None, "test_share": None, "paraphrases": None, "rewrite": {}}
    found["stages"] = [
        {**stage, "columns": None, "test": str(write_asked(folder / f"test-{stage['name']}.jsonl", _good(rows)))}
        for stage, rows in ((one, data.tested(one["name"])) for one in settings["stages"])
    ]
    if data.retention is not None:
        rows = data.read(data.retention, "retention")
        found["retention"] = str(write_asked(folder / "retention.jsonl", _good(rows)))
    return found


def _good(rows: Iterable[Any]) -> list[Example]:
    return [row for row in rows if isinstance(row, Example)]
