"""Records as table rows: the schema of every table that uptake writes, and the way there and back.

What has no fixed shape (messages, evidence) is a column of JSON text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import pyarrow as pa

from uptake.artifacts.checked import fitting
from uptake.artifacts.checked_tables import TableSchema
from uptake.artifacts.evidence import evidence_data, evidence_from_text
from uptake.artifacts.files import finite
from uptake.artifacts.schemas.later import KEYS, PROMPT, WORDINGS
from uptake.artifacts.schemas.parts import JsonSchema
from uptake.evidence import ORIGINS
from uptake.span_evidence import SpanEvidence, TokenReadings
from uptake.types import Candidate, Example, Finding, Message, Prompt, Score, Wording, WordingKind, WordingName

CAUSES = ("knowledge_gap", "base_conflict", "data_conflict", "forgetting", "undertraining")

EXAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("stage", pa.string()),
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("options", pa.list_(pa.string())),
        ("paraphrases", pa.string()),
        ("template", pa.string()),
        ("response_extra", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
    ]
)

EXAMPLES_FILE = TableSchema(EXAMPLES, nullable=("file", "line"))

MOST = 1.0
"""A log-probability (nats) is 0 at most, and rounding in short numbers adds less than this."""
_TOKENS = (
    ("logprobs", pa.float32()),
    ("recalled", pa.bool_()),
    ("ends", pa.int32()),
    ("best", pa.int32()),
    ("best_logprobs", pa.float32()),
)

_SCORE = pa.struct(
    [
        ("wording", pa.string()),
        ("logprobs", pa.list_(pa.float64())),
        ("n_tokens", pa.list_(pa.int32())),
        ("n_bytes", pa.list_(pa.int32())),
        ("right", pa.int32()),
        ("recalled", pa.bool_()),
        ("end_logprob", pa.float64()),
        ("end_recalled", pa.bool_()),
        ("tokens", pa.struct([(name, pa.list_(kind)) for name, kind in _TOKENS])),
    ]
)

SCORES = pa.schema(
    [
        ("id", pa.string()),
        ("candidates", pa.list_(pa.struct([("text", pa.string()), ("origin", pa.string())]))),
        ("scores", pa.list_(_SCORE)),
        ("answer", pa.string()),
        ("answer_kind", pa.string()),
        ("successes", pa.list_(pa.int32())),
        ("continued", pa.list_(pa.struct([("start", pa.int32()), ("text", pa.string())]))),
    ]
)
"""A row an example and model: its candidates, a score a wording, the model's own answer and what it is; of a long
response also what the model writes from the beginning of a span on."""

SCORES_FILE = TableSchema(
    SCORES,
    nullable=(
        *("scores.end_logprob", "scores.end_recalled", "answer", "answer_kind", "successes", "continued"),
        *("scores.tokens", *(f"scores.tokens.{name}" for name, _ in _TOKENS)),
    ),
    ranges={
        name: (-(name == "scores.tokens.best"), 2**31 - 1)
        for name in (
            *("scores.n_tokens", "scores.n_bytes", "scores.right"),
            *("scores.tokens.ends", "scores.tokens.best", "continued.start"),
        )
    },
    minus_infinity=("scores.logprobs", "scores.end_logprob", "scores.tokens.logprobs"),
    among={"candidates.origin": ORIGINS},
)

OWN_ANSWERS = pa.schema([("id", pa.string()), ("text", pa.string()), ("kind", pa.string())])
"""A row an example: a model's own answer and what it is; without either where it was not asked for one."""

OWN_ANSWERS_FILE = TableSchema(OWN_ANSWERS, nullable=("text", "kind"))

_SPAN = pa.struct(
    [
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("kind", pa.string()),
        ("information", pa.float64()),
        ("informative", pa.bool_()),
        ("learned", pa.bool_()),
        ("logprob", pa.float64()),
        ("said_instead", pa.string()),
        ("top", pa.string()),
        ("p_top", pa.float64()),
        ("base_logprob", pa.float64()),
        ("base_top", pa.string()),
        ("p_base_top", pa.float64()),
        ("cause", pa.string()),
    ]
)

_SPAN_FIELDS = tuple(field.name for field in _SPAN)

DIAGNOSIS = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("stage", pa.string()),
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("scored", pa.string()),
        ("learned", pa.bool_()),
        ("shallow", pa.bool_()),
        ("forgotten", pa.bool_()),
        ("p_response", pa.float64()),
        ("p_option", pa.float64()),
        ("learned_share", pa.float64()),
        ("spans", pa.list_(_SPAN)),
        ("cause", pa.string()),
        *((f"cause_{name}", pa.float64()) for name in CAUSES),
        ("evidence", pa.string()),
    ]
)

DIAGNOSIS_FILE = TableSchema(
    DIAGNOSIS,
    nullable=(
        *("scored", "shallow", "forgotten", "p_option", "learned_share", "spans", "cause"),
        *(f"spans.{name}" for name in _SPAN_FIELDS if name not in ("start", "end", "kind", "informative")),
        *(f"cause_{name}" for name in CAUSES),
    ),
    ranges={
        **{name: (0, 2**31 - 1) for name in ("spans.start", "spans.end")},
        **{
            name: (-1e-6, 1 + 1e-6)
            for name in (
                *("p_response", "p_option", "learned_share", "spans.p_top", "spans.p_base_top"),
                *(f"cause_{name}" for name in CAUSES),
            )
        },
    },
    among={"cause": (*CAUSES, "unexplained"), "spans.cause": CAUSES},
)

OUTCOMES = pa.schema(
    [
        ("id", pa.string()),
        ("stage", pa.string()),
        ("unit", pa.string()),
        ("cause", pa.string()),
        ("arm", pa.string()),
        ("remedy", pa.string()),
        ("seed", pa.int64()),
        ("kind", pa.string()),
        ("recalled_training", pa.bool_()),
        ("recalled_heldout", pa.float64()),
        ("tokens", pa.int64()),
    ]
)
"""A row an item, arm and seed: what the model that was trained so recalls.

`kind` is what the arm does with the item: "treated" (assigned to it), "untreated" (flagged, and assigned to another),
"retention", "earlier" or "learned" (never flagged: what must not get worse; learned in a stage before the last, or in
the last), or "taken out" (whatever it was, the arm's plan does not train it). `cause`, `unit`
and `remedy` are null where there are none, `remedy` also in arms that treat with nothing.
`recalled_heldout` is the share of the held-out wordings, null without any. `tokens` are the training tokens that the
arm spends on the item; null where it is not treated.
"""

OUTCOMES_FILE = TableSchema(
    OUTCOMES,
    nullable=("unit", "cause", "remedy", "recalled_heldout", "tokens"),
    ranges={"recalled_heldout": (0, 1)},
    among={"kind": ("treated", "untreated", "retention", "earlier", "learned", "taken out")},
)

MATRIX = pa.schema(
    [
        ("arm", pa.string()),
        ("remedy", pa.string()),
        ("cause", pa.string()),
        ("kind", pa.string()),
        ("outcome", pa.string()),
        ("matched", pa.bool_()),
        ("n", pa.int64()),
        ("units", pa.int64()),
        ("seeds", pa.int64()),
        ("with", pa.float64()),
        ("without", pa.float64()),
        ("effect", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p", pa.float64()),
        ("p_holm", pa.float64()),
        ("gained", pa.int64()),
        ("lost", pa.int64()),
        ("mcnemar_p", pa.float64()),
        ("tokens", pa.float64()),
        ("per_million_tokens", pa.float64()),
    ]
)
"""A row a comparison of an arm with the control, on one kind of items, of one cause or (null) of all;
docs/details/verify.md."""

MATRIX_FILE = TableSchema(
    MATRIX,
    nullable=("remedy", "cause", "low", "high", "p", "p_holm", "tokens", "per_million_tokens"),
    ranges={"with": (0, 1), "without": (0, 1), "effect": (-1, 1), "low": (-1, 1), "high": (-1, 1)},
)


def to_json(value: object) -> str:
    """Compact JSON text, with null for NaN and infinities, since JSON has none."""
    try:
        return _TO_TEXT(value)
    except (TypeError, ValueError):  # it holds a NaN, or a mapping that is no dict: rare, and slow to look for
        return _TO_TEXT(finite(value))


_TO_TEXT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def prompt_as_data(prompt: Prompt) -> str | list[dict[str, Any]]:
    """A prompt as JSON data: text, or a list of turns."""
    return prompt if isinstance(prompt, str) else [message.as_dict() for message in prompt]


def prompt_from_data(data: str | Sequence[Mapping[str, Any]]) -> Prompt:
    """The inverse of `prompt_as_data`."""
    if isinstance(data, str):
        return data
    return tuple(_message(turn) for turn in data)


def _message(turn: Mapping[str, Any]) -> Message:
    # a turn that only calls tools has no content: the template is to see null, everyone else an empty text
    own = ("role",) if turn["content"] is None else ("role", "content")
    return Message(turn["role"], turn["content"] or "", {name: turn[name] for name in turn if name not in own})


def example_row(example: Example) -> dict[str, Any]:
    """An example as a row of `EXAMPLES`."""
    return {
        "id": example.id,
        "source": example.source,
        "stage": example.stage,
        "prompt": to_json(prompt_as_data(example.prompt)),
        "response": example.response,
        "options": list(example.options),
        "paraphrases": to_json([[prompt_as_data(wording.prompt), wording.response] for wording in example.paraphrases]),
        "template": to_json(dict(example.template)),
        "response_extra": to_json(dict(example.response_extra)),
        "file": example.file,
        "line": example.line,
    }


def example_from_row(row: Mapping[str, Any]) -> Example:
    """The inverse of `example_row`.

    Raises:
        ValueError: A column of JSON does not hold what it should.
    """
    return Example(
        id=row["id"],
        source=row["source"],
        stage=row["stage"],
        prompt=prompt_from_data(_json(row, "prompt", PROMPT)),
        response=row["response"],
        options=tuple(row["options"]),
        paraphrases=tuple(
            Wording(prompt_from_data(p), response) for p, response in _json(row, "paraphrases", WORDINGS)
        ),
        template=_json(row, "template", KEYS),
        response_extra=_json(row, "response_extra", KEYS),
        file=row["file"],
        line=row["line"],
    )


def _json(row: Mapping[str, Any], name: str, schema: JsonSchema[Any]) -> Any:
    """The data in a column of JSON text."""
    try:
        return fitting(row[name], schema)[0]
    except ValueError as error:
        raise ValueError(f"its {name}: {error}") from error


def score_data(score: Score) -> dict[str, Any]:
    """A score as an element of the column `scores`."""
    names = ("logprobs", "n_tokens", "n_bytes", "right", "recalled", "end_logprob", "end_recalled")
    tokens = None if score.tokens is None else {name: getattr(score.tokens, name) for name, _ in _TOKENS}
    return {"wording": str(score.wording), **{name: getattr(score, name) for name in names}, "tokens": tokens}


def score_from_data(example_id: str, data: Mapping[str, Any]) -> Score:
    """The inverse of `score_data`.

    Raises:
        ValueError: There is no such wording, the lists are not of one length, or a log-probability is none.
    """
    n = len(data["logprobs"])
    if not data["right"] < n or any(len(data[name]) != n for name in ("n_tokens", "n_bytes")):
        raise ValueError(f"a score of {n} candidates has lists of another length, or a right one that is not there")
    if max(data["logprobs"]) > MOST:
        raise ValueError(f"a log-probability is {max(data['logprobs'])}, and none is above 0")
    lists = {name: tuple(data[name]) for name in ("logprobs", "n_tokens", "n_bytes")}
    tokens = None if data["tokens"] is None else _token_readings(data["tokens"], data["n_tokens"][data["right"]])
    wording = wording_from_text(data["wording"])
    return Score(example_id=example_id, **{**data, **lists, "wording": wording, "tokens": tokens})


def _token_readings(data: Mapping[str, Any], n: int) -> TokenReadings:
    lists = {name: tuple(data[name] or ()) for name, _ in _TOKENS}
    if any(len(own) != n for own in lists.values()):
        raise ValueError(f"a response of {n} tokens has readings of another number")
    return TokenReadings(**lists)


def wording_from_text(text: str) -> WordingName:
    """The wording whose text it is, as the column `scores` has it: `training`, `held_out:3`.

    Raises:
        ValueError: There is no such wording.
    """
    name, colon, number = text.partition(":")
    kind = next((kind for kind in _WORDINGS if kind == name), None)
    if kind is None:
        raise ValueError(f"there is no wording {text!r}")
    return WordingName(kind, int(number) if colon else None)


_WORDINGS: tuple[WordingKind, ...] = get_args(WordingKind)


def candidates_from_data(data: Sequence[Mapping[str, Any]]) -> tuple[Candidate, ...]:
    """Candidates from the column `candidates`."""
    return tuple(Candidate(item["text"], item["origin"]) for item in data)


def finding_row(finding: Finding) -> dict[str, Any]:
    """A finding as a row of `DIAGNOSIS`."""
    row = {name: getattr(finding, name) for name in DIAGNOSIS.names if hasattr(finding, name)}
    if finding.spans is not None:
        row["spans"] = [{name: getattr(span, name) for name in _SPAN_FIELDS} for span in finding.spans]
    return {
        **finite(row),
        **{f"cause_{name}": finding.causes.get(name) for name in CAUSES},
        "evidence": to_json(evidence_data(finding.evidence)),
    }


def _span(data: Mapping[str, Any]) -> SpanEvidence:
    return SpanEvidence(**{**data, "logprob": -math.inf if data["logprob"] is None else data["logprob"]})


def finding_from_row(row: Mapping[str, Any]) -> Finding:
    """The inverse of `finding_row`.

    Raises:
        ValueError: The evidence is not as it was written.
    """
    causes = {name: row[f"cause_{name}"] for name in CAUSES if row[f"cause_{name}"] is not None}
    fields = {name: value for name, value in row.items() if not name.startswith("cause_")}
    spans = None if row["spans"] is None else tuple(map(_span, row["spans"]))
    return Finding(**{**fields, "causes": causes, "evidence": evidence_from_text(row["evidence"]), "spans": spans})
