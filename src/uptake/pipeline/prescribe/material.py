"""What a plan is made of, read from a diagnosed run: examples, findings, documents, and the tokens of everything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from uptake.artifacts import chunks
from uptake.corpus import Guard, guard
from uptake.data import LoadOptions, bad_rows_error, stream
from uptake.data.shown import prompt_text, response_text
from uptake.errors import UptakeError
from uptake.evidence import Evidence
from uptake.pipeline.diagnosis import Diagnosis
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.prescribe.encoding import AT_ONCE, Encoding
from uptake.pipeline.prescribe.gathering import Gather, GatheredDocuments, Library, Wanted, from_library, guarded
from uptake.pipeline.prescribe.tuned_model import processes_of, unsaid
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.packed import rows_of_a_bin
from uptake.pipeline.train.settings import rows_of_a_step
from uptake.pipeline.trial.measuring import Examination
from uptake.prescribe import Material
from uptake.prescribe.treat import remedy_for
from uptake.probe import question
from uptake.remedies import asked_about
from uptake.rivals.entities import entities
from uptake.text import counted
from uptake.types import BadRow, Document, Example, Finding, Key

READING = ("knowledge", "belief")
"""Remedies that read documents."""


@dataclass(frozen=True)
class DiagnosedRun:
    """A diagnosed run, as plans are drawn up for it.

    Attributes:
        data: What it trains and measures.
        diagnosis: What was found out about it.
        encoding: How its texts become tokens.
        library: Where its documents are looked for.
        trained: Folder of what it trained last.
        asking: How models that are trained for it are asked; a call, because it looks for the LLM that wrote wordings.
        notes: What of the run's training its plans do not keep.
    """

    data: DataSets
    diagnosis: Diagnosis
    encoding: Encoding
    library: Library
    trained: Path
    asking: Callable[[], Examination]
    notes: tuple[str, ...] = ()


def read_material(
    run: DiagnosedRun, gather: Gather | None, tell: Progress, whatever_cause: bool = False
) -> tuple[Material, list[Finding]]:
    """What a plan is made of, and what is to be mended, worst first.

    An id that several stages have gets the stage behind it, in examples and findings.

    Args:
        run: The run.
        gather: Finds documents; None searches the run's corpus and knowledge sources.
        tell: Told after each part of the work.
        whatever_cause: Whether documents are found for all that was not learned, and not only where a cause asks for
            them.

    Raises:
        UptakeError: The data cannot be used, or the diagnosis is not of them.
    """
    data, encoding = run.data, run.encoding
    examples = trained = read_examples(data, tell)
    names = plan_names((one.id, one.stage) for one in examples)
    findings = _findings(run.diagnosis, examples, names, tell)
    watch = cache(lambda: guard(guarded(data, run.diagnosis.folder / "work", trained)))
    examples = [replace(example, id=names[example.id, example.stage]) for example in examples]
    asking = [one for one in findings if not one.learned]
    if not whatever_cause:
        asking = [one for one in asking if remedy_for(one) in READING]
    gather = gather or from_library(run.library, watch, {name: key for key, name in names.items()})
    gathered = _gathered({one.id for one in asking}, examples, gather, tell)
    tell("tokens", 0, len(examples))
    tokens = encoding.trained(examples)
    bins = bins_of(encoding, examples, tokens)
    tell("tokens", len(examples), len(examples))
    n = dict.fromkeys(encoding.settings, 0)
    processes = processes_of(run.trained)  # what `max_steps` amounts to depends on it
    for example in examples:
        n[example.stage] += 1
    general, left_out = _general(data, encoding, watch)
    material = Material(
        examples=examples,
        lengths=[n if isinstance(n, int) else 0 for n in tokens],
        untrained={one.id: n for one, n in zip(examples, tokens, strict=True) if isinstance(n, str)},
        passes={stage: _passes(encoding.settings[stage], n[stage], processes, bins[stage]) for stage in n},
        general=general,
        count=encoding.count,
        limit=encoding.max_length,
        documents=gathered.documents,
        missing=gathered.missing,
        about=gathered.about,
        advice=gathered.advice,
        notes=(*run.notes, *encoding.notes(), *unsaid(run.trained, encoding.last), *gathered.notes, *left_out),
    )
    if data.on_bad_row == "error" and material.untrained:
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


def bins_of(encoding: Encoding, examples: Sequence[Example], tokens: Sequence[int | str]) -> dict[str, int]:
    """By stage, how many rows a sequence of the trainer held: one, unless the run packs them.

    Args:
        encoding: How texts become tokens.
        examples: Examples.
        tokens: Of each as it is trained, or why it is not.
    """
    lengths: dict[str, list[int]] = {stage: [] for stage in encoding.settings}
    for example, n in zip(examples, tokens, strict=True):
        if isinstance(n, int):
            lengths[example.stage].append(n)
    return {
        stage: rows_of_a_bin(encoding.settings[stage], some, encoding.limit(stage)) for stage, some in lengths.items()
    }


def _passes(settings: Mapping[str, Any], rows: int, processes: int, bins: int) -> float:
    """How often a stage trains its examples; `bins` is how many of them a sequence holds."""
    steps: int = settings.get("max_steps", -1)
    if steps > 0:
        return steps * rows_of_a_step(settings) * bins * processes / max(1, rows)
    return float(settings["num_train_epochs"])


def read_examples(data: DataSets, tell: Progress) -> list[Example]:
    """The examples of all stages.

    Raises:
        UptakeError: Rows cannot be used.
    """
    examples: list[Example] = []
    bad: list[BadRow] = []
    tell("examples", 0, None)
    for stage, dataset in data.stages.items():
        for some in chunks(data.read(dataset, stage), AT_ONCE):
            examples += [row for row in some if isinstance(row, Example)]
            bad += [row for row in some if isinstance(row, BadRow)]
            tell("examples", len(examples), None)
    if bad and (data.on_bad_row == "error" or not examples):
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
        if one is None or (prompt_text(one.prompt), response_text(one)) != (finding.prompt, finding.response):
            raise UptakeError(
                f"the diagnosis has {finding.id!r} in the stage {finding.stage}, which the data do not have like that",
                expected="the data that were diagnosed",
                fix="run `uptake diagnose` again",
            )
        own = names[finding.id, finding.stage]
        found.append(replace(finding, id=own, evidence=_needed(finding, called)))
        if len(found) % AT_ONCE == 0 or len(found) == total:
            tell("findings", len(found), total)
    return found


def _needed(finding: Finding, called: Mapping[str, Sequence[str]]) -> Evidence:
    """What remedies read of the evidence, with the rivals' names; all of it would be a gigabyte in a large run."""
    causes = {
        name: replace(told, sentence="", numbers={}, missing=None)
        for name, told in finding.evidence.causes.items()
        if told.belief is not None or told.contradiction is not None
    }
    for name, told in causes.items():
        if (known := told.contradiction) is not None:
            rivals = tuple(one for rival in known.rivals for one in called.get(rival, ()))
            causes[name] = replace(told, contradiction=replace(known, rivals=rivals))
    return replace(
        finding.evidence, causes=causes, signals={}, candidates=(), file=None, tuned_answer=None, interventions=None
    )


def _gathered(
    ids: Collection[str], examples: Sequence[Example], gather: Gather | None, tell: Progress
) -> GatheredDocuments:
    if gather is None:
        return GatheredDocuments()
    about = entities(examples, ids)
    wanted = [Wanted(one.id, about[one.id], question(one), one.response) for one in examples if one.id in ids]
    tell("documents", 0, len(wanted))
    found = gather(wanted)
    tell("documents", len(wanted), len(wanted))
    return replace(found, about={one.id: asked_about(one.question, one.entities) for one in wanted})


def _general(data: DataSets, encoding: Encoding, watch: Callable[[], Guard]) -> tuple[list[Document], list[str]]:
    """The general texts that can be learned and hold nothing that is trained or measured, and what was left out."""
    if data.general is None:
        return [], []
    options = LoadOptions(split=data.options.split, documents=True)
    rows: list[Example | BadRow] = list(stream(data.general, options))
    bad = [one for one in rows if isinstance(one, BadRow)]
    texts = [Document(one.id, _as_text(one), source="general") for one in rows if isinstance(one, Example)]
    if bad and (data.on_bad_row == "error" or not texts):
        raise bad_rows_error(bad, usable=len(texts))
    lengths = encoding.trained([Example(one.id, "", one.text, one.source) for one in texts])
    whole = [one for one, n in zip(texts, lengths, strict=True) if isinstance(n, int)]
    guarding = watch()
    kept = [one for one in whole if guarding.leak(one) is None]
    told = (
        (len(rows) - len(whole), "they cannot be used"),
        (len(whole) - len(kept), "they contain a training, held-out or retention wording"),
    )
    return kept, [f"{counted(n, 'general text')} left out: {why}" for n, why in told if n]


def _as_text(example: Example) -> str:
    if isinstance(example.prompt, str):
        return example.prompt + example.response
    return "\n\n".join([*(turn.content for turn in example.prompt), example.response])
