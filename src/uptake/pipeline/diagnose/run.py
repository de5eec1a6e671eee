"""The whole flow on one page: data, models, answers, rule, verdicts, tables."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import empty, locked, versions
from uptake.config import RunConfig, load_run
from uptake.data import Notes
from uptake.detect import Rule, Settings, calibrate, compare, judge, summarise, summarise_retention
from uptake.detect.calibrate import Calibration
from uptake.errors import UptakeError
from uptake.pipeline.asking.answers import Answers
from uptake.pipeline.diagnose.ask import ask_all, detection, encoder_of, null_of, together
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.diagnosis import Collector, Diagnosis, write_diagnosis
from uptake.pipeline.examples.check import token_check
from uptake.pipeline.examples.cohort import BadRows, Cohort, ingest
from uptake.pipeline.examples.datasets import datasets
from uptake.pipeline.examples.sources import Reworded
from uptake.pipeline.examples.writer import open_writer, take_over
from uptake.pipeline.progress import Progress
from uptake.pipeline.why.attributing import Asked, Attributing, require_ledger
from uptake.pipeline.why.interventions import Intervening, intervene, trainer_settings
from uptake.probe import AnswerPool
from uptake.types import Finding

if TYPE_CHECKING:
    pass


def diagnose(
    *,
    tuned: str | Path,
    dataset: str | Path,
    base: str | Path | None = None,
    output_dir: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Diagnosis:
    """Find out which training examples a fine-tuned model did not learn.

    Args:
        tuned: The fine-tuned model: a folder (full weights or a PEFT adapter) or a hub id.
        dataset: What it was trained on: a file, a folder, or a hub id; formats in docs/data.md.
        base: The model it was trained from. Without it there is no belief of the base among the candidates, nothing is
            known to be forgotten, and only held-out examples can serve as a null.
        output_dir: Where the tables go, under `diagnosis/`; a killed run with the same one goes on where it stopped.
            None takes a temporary folder.
        progress: Told after each part of the work.
        **settings: Any other key of the run file: `heldout`, `retention`, `paraphrases`, `criterion`, `dtype`, ...
            `model_name_or_path` and `stages` are `base` and `dataset` here.

    Returns:
        The diagnosis: counts and rates, and a row an example.

    Raises:
        UptakeError: Something about the input is wrong; it is told before any work is lost.
    """
    for key, own in (("model_name_or_path", "base"), ("stages", "dataset")):
        if any(name.split(".")[0] == key for name in settings):
            raise UptakeError(f"{key} contradicts {own}", fix=f"give {own} alone")
    overrides = {
        **settings,
        "model_name_or_path": str(tuned if base is None else base),
        "stages": [{"name": "main", "dataset": str(dataset)}],
        "output_dir": str(output_dir or tempfile.mkdtemp(prefix="uptake-")),
    }
    config = load_run(None, overrides)
    return diagnose_run(config, str(tuned), has_base=base is not None, progress=progress)


def diagnose_run(
    config: RunConfig,
    tuned: str,
    *,
    has_base: bool = True,
    former: Diagnosis | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Diagnose a run: read the data, ask the base, ask the tuned model, settle the rule, judge, write the tables.

    Args:
        config: The run.
        tuned: The fine-tuned model.
        has_base: Whether `config.model_name_or_path` is the model that it was trained from.
        former: A diagnosis of these data that this one is to be compared with: its rule is taken over, and what its
            LLM wrote. None settles a rule for this model.
        progress: Told after each part of the work.

    Raises:
        UptakeError: Something about the input is wrong; it is told before any work is lost.
    """
    folder = config.output_dir / "diagnosis"
    models = Models.find(config, tuned, has_base)
    with locked(folder):
        if former is not None:
            take_over(former.folder / "work", folder / "work")
        rule = None if former is None else former.rule()
        return _diagnose(config, folder, models, progress or _silent, rule)


def _silent(step: str, done: int, total: int | None) -> None:
    pass


def _diagnose(config: RunConfig, folder: Path, models: Models, progress: Progress, rule: Rule | None) -> Diagnosis:
    no_ledger = None if config.attribution == "off" else require_ledger(config, models.tuned)
    embed, encoder = encoder_of(config)
    if config.intervene:
        trainer_settings(config)  # what is wrong with them is told before any work
    writer = open_writer(config, folder / "work")
    tokenizers = [model.tokenizer for model in models.all]
    check = token_check(tokenizers, models.max_length, config.option_form)
    bad_rows = BadRows(folder / "bad_rows.jsonl")
    reworded = None if writer is None else Reworded(writer, config.n_paraphrases, check)
    read = Notes()
    cohorts = {
        name: ingest(
            name, rows, folder / "work", check, bad_rows=bad_rows, on_bad_row=config.on_bad_row, progress=progress
        )
        for name, rows in datasets(config, reworded, read)
    }
    for name in ("heldout", "retention"):
        if name not in cohorts:
            empty(folder / "work" / name)
    pool = cache(lambda: AnswerPool(cohorts["train"], embed, seed=config.seed))
    before, after = ask_all(config, models, cohorts, writer, (pool, encoder), progress)

    train, settings = cohorts["train"], detection(config)
    null_kind, null = null_of(before, after)
    calibration = calibrate((answer.scores for answer in after["train"]), null, null_kind, settings, rule)

    def judged() -> Iterator[Finding]:
        return _findings(train, before.get("train"), after["train"], calibration, settings)

    why = None
    if config.attribution == "off":
        models.tuned.release()
    else:
        said, lazy = (before.get("train"), after["train"]), (models.base, models.tuned)
        asked = Asked(train, *said, *lazy, models.max_length, encoder, no_ledger)
        why = Attributing(config, folder / "work", asked, embed, progress)
    findings = Collector(judged() if why is None else why(judged))
    summary = summarise(findings, calibration, settings)
    if why is not None:
        summary["attribution"] = why.telling.summary()
        summary["notes"] += why.notes()
        if config.intervene and why.contradictions is not None:
            intervening = Intervening(config, folder / "work", asked, calibration, settings, progress)
            intervene(intervening, why.contradictions, findings, summary)
    if settings.criterion == "paper":
        summary["most_severe"] = findings.most_severe()
    if "retention" in cohorts and "retention" in before:
        changes = (
            compare(example, earlier.scores, answer.scores, settings)
            for example, earlier, answer in together(cohorts["retention"], before["retention"], after["retention"])
            if earlier is not None
        )
        summary["retention"] = summarise_retention(changes, settings)
    summary["notes"] = [*read.told(), *summary["notes"], *models.notes()]  # how the data were read comes first
    summary["notes"] += [*_notes(cohorts, before, after), *_of_judge(reworded)]
    summary["run"] = _manifest(config, models, cohorts)
    return write_diagnosis(folder, findings, summary)


def _findings(
    train: Cohort, before: Answers | None, after: Answers, calibration: Calibration, settings: Settings
) -> Iterator[Finding]:
    """Judge every example, and add to the evidence what the models say instead."""
    for example, earlier, answer in together(train, before, after):
        base = None if earlier is None else earlier.scores
        finding = judge(example, answer.scores, base, calibration, settings, successes=answer.successes)
        training = answer.scores[0]
        candidates = [
            {"text": candidate.text, "origin": candidate.origin, "logprob": logprob}
            for candidate, logprob in zip(answer.candidates, training.logprobs, strict=True)
        ]
        said = {
            "file": example.file,
            "line": example.line,
            "tuned_answer": answer.answer,
            "base_answer": None if earlier is None else earlier.answer,
            "base_answer_kind": None if earlier is None else earlier.kind,
            "candidates": candidates,
        }
        yield replace(finding, evidence={**finding.evidence, **said})


def _notes(cohorts: dict[str, Cohort], before: dict[str, Answers], after: dict[str, Answers]) -> list[str]:
    """What a reader must know beyond what detection says, each once."""
    answers = [*before.values(), *after.values()]
    notes = list(dict.fromkeys(note for one in answers for note in one.notes))
    if "retention" in cohorts and not before:
        notes.append(
            "nothing is said about retention: what was lost shows only against the base model, and none is given"
        )
    return notes


def _of_judge(reworded: Reworded | None) -> list[str]:
    """What the LLM did not give, or gave in vain."""
    if reworded is None:
        return []
    notes = []
    if reworded.writer.refused:
        notes.append(f"the judge did not answer {reworded.writer.refused} requests as asked")
    if reworded.dropped:
        notes.append(f"{reworded.dropped} wordings by the judge were left out, for a model cannot be asked in them")
    return notes


def _manifest(config: RunConfig, models: Models, cohorts: dict[str, Cohort]) -> dict[str, Any]:
    """What the numbers were computed from and with: enough to compute them again."""
    # where a server is and how it is reached says nothing about the numbers; which model it runs does
    not_told = {"base_url", "api_key_env", "timeout", "max_retries"}
    return {
        "models": {
            role: {"name": model.name, "fingerprint": model.fingerprint}
            for role, model in (("base", models.base), ("tuned", models.tuned))
            if model is not None
        },
        "data": {
            name: {"n": cohort.n, "content": cohort.key, "bad_rows": cohort.n_bad} for name, cohort in cohorts.items()
        },
        "settings": config.model_dump(mode="json", exclude={"output_dir": True, "gate": True, "judge": not_told}),
        "versions": versions(),
    }
