"""The keys of the run file as a verb's help lists them: those that it reads, in groups, each in a line or two."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from uptake.config.schema import RunConfig, Section
from uptake.config.trainer_fields import PEFT, TRAINING

GROUPS: Mapping[str, Mapping[str, str]] = {
    "models and training": {
        "model_name_or_path": "base model, path or hub id",
        "stages": "fine-tuning runs, in order",
        "training": "TRL SFTConfig fields for all stages",
        "peft": "LoRA settings (peft LoraConfig fields)",
        "strategy": "continual-learning methods: replay, lwf, ...",
        "ledger": "recorded of each example",
        "test_share": "of each stage, for its tests; not trained",
        "test_seed": "of the draw of these tests",
    },
    "further data": {
        "retention": "examples that must not get worse",
        "paraphrases": "other wordings: id, prompt, completion",
        "heldout": "like the training data, never trained on",
    },
    "documents and the plan": {
        "corpus": "documents: file, folder or hub id",
        "knowledge_sources": "wikidata, searxng or llm",
        "general": "general text",
        "plan": "what a plan may cost and hold",
    },
    "a pre-training corpus": {"exposure": "what `uptake exposure` reads"},
    "responses in the base's words": {"rewrite": "how `uptake rewrite` says them"},
    "loading the model": {
        "dtype": "precision",
        "device": "cpu, cuda, cuda:1, mps",
        "attn_implementation": "attention kernel: eager, sdpa, ...",
        "backend": "writes answers",
        "revision": "of the base model on the hub",
        "tuned_revision": "of the tuned model on the hub",
        "trust_remote_code": "run the model's own code",
    },
    "reading the data": {
        "format": "",
        "columns": "uptake's name to yours: prompt, completion, ...",
        "split": "of data sets on the hub, and of folders",
        "chat_template": "file with a Jinja template",
        "assistant_turns": "turns to learn",
        "alpaca_prompt": "form of alpaca rows",
        "on_bad_row": "stop, or go on without",
        "max_length": "longest example, in tokens",
    },
    "judging an example": {
        "criterion": "for learned",
        "response_end": "is the end learned too",
        "normalisation": "of candidates",
        "option_form": "how options are asked for",
        "paper_mode": "of criterion paper",
        "n_samples": "in paper_mode sampled",
        "n_distractors": "wrong candidates sought",
        "n_paraphrases": "wordings asked of the judge",
        "embedding_model_name_or_path": "finds similar questions",
        "nli_model_name_or_path": "compares answers",
        "attribution": "how causes are named",
        "intervene": "examples trained to check causes",
        "thorough": "exposures that each unlearned example needs",
        "batch_tokens": "tokens scored at once",
        "judge": "OpenAI-compatible server",
    },
    "many processes or machines": {"spread": "ray: in actors, each with a model"},
    "the gate": {"gate": "limits for `uptake gate`"},
    "output": {"output_dir": "folder for all that is written", "seed": "of every random draw"},
}
"""Each group's keys with what they are in a few words; docs/reference/run-file.md describes them in full."""

_TRAINS = ("models and training", "loading the model", "reading the data", "output")
_DIAGNOSES = (
    "models and training",
    "further data",
    *_TRAINS[1:3],
    "judging an example",
    "many processes or machines",
    "output",
)
_STREAMS = ("models and training", "further data", "documents and the plan", *_DIAGNOSES[2:])
_PLANS = (*_DIAGNOSES[:-1], "documents and the plan", "output")
READS: Mapping[str, Sequence[str]] = {
    "train": _TRAINS,
    "diagnose": _DIAGNOSES,
    **dict.fromkeys(("stream", "stream compare"), _STREAMS),
    **dict.fromkeys(("prescribe", "cure", "verify", "run"), _PLANS),
    "exposure": (
        "a pre-training corpus",
        "models and training",
        "further data",
        "reading the data",
        "many processes or machines",
        "output",
    ),
    "rewrite": ("responses in the base's words", *_STREAMS),
    "conflicts": _DIAGNOSES,
    "validate": tuple(GROUPS),
    "gate": ("the gate", "output"),
    **dict.fromkeys(("report", "show"), ("output",)),
}
"""The groups of keys that each verb reads."""

_PLAIN: Mapping[object, str] = {str: "text", int: "int", float: "float", bool: "true|false", Path: "path"}


def grouped(verb: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """For each group that a verb reads its title, and for each of its keys the option and what it is, in few words."""
    for title in READS[verb]:
        yield (
            f"Keys: {title}",
            [_row(name, about, RunConfig.model_fields[name]) for name, about in GROUPS[title].items()],
        )


def options() -> Iterator[tuple[str, str]]:
    """Every option that a key of the run file is, those of its sections too, with what it means."""
    fields = {"training": TRAINING, "peft": PEFT}
    for name, field in RunConfig.model_fields.items():
        about = " ".join((field.description or "").split())
        below = _section(field.annotation)
        index = ".0" if get_origin(field.annotation) is tuple else ""
        inner = fields.get(name, ()) if below is None else below.model_fields
        yield from ((f"--{name}{index}.{key}", about) for key in inner)
        if not inner:
            yield f"--{name}", about


def _row(name: str, about: str, field: FieldInfo) -> tuple[str, str]:
    below = _section(field.annotation)
    if below is not None:
        index = ".N" if get_origin(field.annotation) is tuple else ""
        return f"--{name}{index}.KEY", f"{about}. KEY: {', '.join(below.model_fields)}"
    if _bare(field.annotation)[0] is dict or get_origin(_bare(field.annotation)[0]) is dict:
        return f"--{name}.FIELD", about
    return f"--{name}", " ".join(filter(None, (f"<{kind(field.annotation)}>", about, _default(field))))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "[required]"
    value = field.default
    if value is None or value == ():
        return ""
    return f"[{value if isinstance(value, str | Path) else json.dumps(value)}]"


def kind(annotation: Any) -> str:
    """A type as one word, or its choices."""
    parts = _bare(annotation)
    words = []
    for part in parts:
        if get_origin(part) is Literal:
            words += [str(choice) for choice in get_args(part)]
        else:
            words.append(_PLAIN.get(part, "value"))
    return "|".join(words)


def _bare(annotation: Any) -> list[Any]:
    """The members of a type without what surrounds them: `Annotated`, and `None` among others."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Literal, dict, tuple):
        return [annotation]
    parts = [part for part in get_args(annotation) if part is not NoneType]
    return [each for part in parts for each in _bare(part)] if parts else [annotation]


def _section(annotation: Any) -> type[Section] | None:
    """The section of the run file that a key holds, or the first kind of those that it holds many of."""
    for part in _bare(annotation):
        if get_origin(part) is tuple:
            return _section(get_args(part)[0])
        if isinstance(part, type) and issubclass(part, Section):
            return part
    return None
