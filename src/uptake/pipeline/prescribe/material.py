"""What a plan is made of, read from a diagnosed run: examples, findings, documents, and the tokens of everything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from uptake.artifacts import chunks
from uptake.config import RunConfig
from uptake.corpus import Guard, guard
from uptake.data import LoadOptions, bad_rows_error, stream
from uptake.detect.judge import prompt_text
from uptake.errors import UptakeError
from uptake.pipeline.diagnosis import Diagnosis
from uptake.pipeline.examples.sources import read_rows
from uptake.pipeline.prescribe.encoding import AT_ONCE, Encoding
from uptake.pipeline.prescribe.gathering import Gather, Gathered, Wanted, from_sources, guarded
from uptake.pipeline.prescribe.tuned_model import unsaid
from uptake.pipeline.progress import Progress
from uptake.prescribe import Material
from uptake.prescribe.treat import remedy_for
from uptake.probe import question
from uptake.remedies import asked_about
from uptake.rivals.entities import entities
from uptake.types import BadRow, Document, Example, Finding, Key

READING = ("knowledge", "belief")
"""Remedies that read documents."""


def read_material(
    config: RunConfig,
    diagnosis: Diagnosis,
    encoding: Encoding,
    gather: Gather | None,
    processes: int,
    tell: Progress,
    whatever_cause: bool = False,
) -> tuple[Material, list[Finding]]:
    """What a plan is made of, and what is to be mended, worst first.

    An id that several stages have gets the stage behind it, in examples and findings.

    Args:
        config: The run.
        diagnosis: What was found out about it.
        encoding: How its texts become tokens.
        gather: Finds documents; None searches the run's corpus and knowledge sources.
        processes: How many train together: what `max_steps` amounts to depends on it.
        tell: Told after each part of the work.
        whatever_cause: Whether documents are found for all that was not learned, and not only where a cause asks for
            them.

    Raises:
        UptakeError: The data cannot be used, or the diagnosis is not of them.
    """
    examples = _examples(config, tell)
    names = plan_names((one.id, one.stage) for one in examples)
    findings = _findings(diagnosis, examples, names, tell)
    watch = cache(partial(_guard, config, examples))
    examples = [replace(example, id=names[example.id, example.stage]) for example in examples]
    asking = [one for one in findings if not one.learned]
    if not whatever_cause:
        asking = [one for one in asking if remedy_for(one) in READING]
    gather = gather or from_sources(config, watch)
    gathered = _gathered({one.id for one in asking}, examples, gather, tell)
    tell("tokens", 0, len(examples))
    trained = encoding.trained(examples)
    tell("tokens", len(examples), len(examples))
    n = dict.fromkeys(encoding.settings, 0)
    for example in examples:
        n[example.stage] += 1
    general, left_out = _general(config, encoding, watch)
    material = Material(
        examples=examples,
        lengths=[n if isinstance(n, int) else 0 for n in trained],
        untrained={one.id: n for one, n in zip(examples, trained, strict=True) if isinstance(n, str)},
        passes={stage: _passes(encoding.settings[stage], n[stage], processes) for stage in n},
        general=general,
        count=encoding.count,
        limit=encoding.max_length,
        documents=gathered.documents,
        missing=gathered.missing,
        about=gathered.about,
        notes=(*encoding.notes(), *unsaid(config, encoding.last), *gathered.notes, *left_out),
    )
    if config.on_bad_row == "error" and material.untrained:
        raise _untrained(examples, material.untrained)
    return material, findings


def _untrained(examples: Sequence[Example], why: Mapping[str, str]) -> UptakeError:
    """The error for examples of which nothing can be learned."""
    bad = [
        BadRow(one.file or one.source, one.line, f"example {one.id}: {why[one.id]}")
        for one in examples
        if one.id in why
    ]
    return bad_rows_error(bad, usable=len(examples) - len(bad))


def rows_of_a_step(settings: Mapping[str, Any]) -> int:
    """Rows of an optimisation step of one process; 8 and 1 are the trainer's defaults."""
    size: int = settings.get("per_device_train_batch_size", 8) * settings.get("gradient_accumulation_steps", 1)
    return size


def _passes(settings: Mapping[str, Any], rows: int, processes: int) -> float:
    """How often a stage trains its examples."""
    steps: int = settings.get("max_steps", -1)
    if steps > 0:
        return steps * rows_of_a_step(settings) * processes / max(1, rows)
    return float(settings["num_train_epochs"])


def _guard(config: RunConfig, examples: Sequence[Example]) -> Guard:
    return guard(guarded(config, examples))


def _examples(config: RunConfig, tell: Progress) -> list[Example]:
    examples: list[Example] = []
    bad: list[BadRow] = []
    tell("examples", 0, None)
    for stage in config.stages:
        for some in chunks(read_rows(config, stage.dataset, stage.name), AT_ONCE):
            examples += [row for row in some if isinstance(row, Example)]
            bad += [row for row in some if isinstance(row, BadRow)]
            tell("examples", len(examples), None)
    if bad and (config.on_bad_row == "error" or not examples):
        raise bad_rows_error(bad, usable=len(examples))
    tell("examples", len(examples), len(examples))
    return examples


def plan_names(keys: Iterable[Key]) -> dict[Key, str]:
    """What a plan calls each example, by id and stage: its id, or `id@stage` where several stages have it."""
    stages: dict[str, set[str]] = {}
    keys = list(dict.fromkeys(keys))
    for id, stage in keys:
        stages.setdefault(id, set()).add(stage)
    names = {(id, stage): id for id, stage in keys if len(stages[id]) == 1}
    taken = set(names.values())
    for id, stage in keys:
        if len(stages[id]) > 1:
            name = f"{id}@{stage}"
            while name in taken:
                name += "@"
            taken.add(name)
            names[id, stage] = name
    return names


def _findings(
    diagnosis: Diagnosis, examples: Sequence[Example], names: Mapping[tuple[str, str], str], tell: Progress
) -> list[Finding]:
    known = {(one.id, one.stage): one for one in examples}
    called: dict[str, list[str]] = {}
    for (identity, _), name in names.items():
        called.setdefault(identity, []).append(name)
    total = len(diagnosis)
    tell("findings", 0, total)
    found: list[Finding] = []
    for finding in diagnosis:
        one = known.get((finding.id, finding.stage))
        if one is None or (prompt_text(one.prompt), one.response) != (finding.prompt, finding.response):
            raise UptakeError(
                f"the diagnosis tells of {finding.id!r} in the stage {finding.stage}, which the data do not hold so",
                expected="the data that were diagnosed",
                fix="run `uptake diagnose` again",
            )
        own = names[finding.id, finding.stage]
        found.append(replace(finding, id=own, evidence=_needed(finding, called)))
        if len(found) % AT_ONCE == 0 or len(found) == total:
            tell("findings", len(found), total)
    return found


def _needed(finding: Finding, called: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What remedies read of the evidence, with the rivals' names; all of it would be a gigabyte in a large run."""
    causes = finding.evidence.get("causes", {})
    kept = {cause: dict(causes[cause]["numbers"]) for cause in ("base_conflict", "data_conflict") if cause in causes}
    if rivals := kept.get("data_conflict", {}).get("rivals"):
        kept["data_conflict"]["rivals"] = [name for rival in rivals for name in called.get(rival, ())]
    rest = {name: finding.evidence.get(name) for name in ("base_right", "base_answer")}
    return {**rest, "causes": {cause: {"numbers": numbers} for cause, numbers in kept.items()}}


def _gathered(ids: Collection[str], examples: Sequence[Example], gather: Gather | None, tell: Progress) -> Gathered:
    if gather is None:
        return Gathered()
    about = entities(examples, ids)
    wanted = [Wanted(one.id, about[one.id], question(one), one.response) for one in examples if one.id in ids]
    tell("documents", 0, len(wanted))
    found = gather(wanted)
    tell("documents", len(wanted), len(wanted))
    return replace(found, about={one.id: asked_about(one.question, one.entities) for one in wanted})


def _general(config: RunConfig, encoding: Encoding, watch: Callable[[], Guard]) -> tuple[list[Document], list[str]]:
    """The general texts that can be learned and hold nothing that is trained or measured, and what was left out."""
    if config.general is None:
        return [], []
    rows: list[Example | BadRow] = list(stream(config.general, LoadOptions(split=config.split, documents=True)))
    bad = [one for one in rows if isinstance(one, BadRow)]
    texts = [Document(one.id, _as_text(one), source="general") for one in rows if isinstance(one, Example)]
    if bad and (config.on_bad_row == "error" or not texts):
        raise bad_rows_error(bad, usable=len(texts))
    lengths = encoding.trained([Example(one.id, "", one.text, one.source) for one in texts])
    whole = [one for one, n in zip(texts, lengths, strict=True) if isinstance(n, int)]
    guarding = watch()
    kept = [one for one in whole if guarding.leak(one) is None]
    told = (
        (len(rows) - len(whole), "they cannot be used"),
        (len(whole) - len(kept), "they hold a training, held-out or retention wording"),
    )
    return kept, [f"{n} general texts are left out: {why}" for n, why in told if n]


def _as_text(example: Example) -> str:
    if isinstance(example.prompt, str):
        return example.prompt + example.response
    return "\n\n".join([*(turn.content for turn in example.prompt), example.response])
