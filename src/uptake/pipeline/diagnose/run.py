"""The whole flow on one page: data, models, answers, rule, verdicts, tables."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from uptake.artifacts import empty, locked, refuse_links, versions
from uptake.config import RunConfig, load_run
from uptake.data import Notes
from uptake.detect import Beside, Rule, Settings, calibrate, compare, judge, summarise, summarise_retention
from uptake.detect.calibrate import Calibration
from uptake.errors import UptakeError
from uptake.evidence import ScoredCandidate
from uptake.models.served import LLM, from_judge
from uptake.pipeline.asking.answers import Answer, Answers, Asking
from uptake.pipeline.asking.drawn import drawing
from uptake.pipeline.diagnose.ask import ask_all, encoder_of, together
from uptake.pipeline.diagnose.by_spans import BySpans, SpanTally, shares_of
from uptake.pipeline.diagnose.issues import ContradictionsAt, IssueTable
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.diagnose.notes import Noting
from uptake.pipeline.diagnose.turns import TurnTally
from uptake.pipeline.diagnosis import Collector, Diagnosis, write_diagnosis
from uptake.pipeline.examples.check import Check, token_check
from uptake.pipeline.examples.cohort import BadRows, Cohort, ingest
from uptake.pipeline.examples.datasets import DataSets, cohort_rows
from uptake.pipeline.examples.sources import Reworded
from uptake.pipeline.examples.today import kept_today
from uptake.pipeline.examples.writer import open_writer, take_over
from uptake.pipeline.progress import Progress
from uptake.pipeline.run_file import actors_of, datasets_of, detection_of, load_settings
from uptake.pipeline.train.run import stage_settings
from uptake.pipeline.train.settings import with_length
from uptake.pipeline.why.attributing import Attributing, Explaining, Interview, require_ledger
from uptake.pipeline.why.contradictions import Comparers
from uptake.pipeline.why.courses import Treating, Watching
from uptake.pipeline.why.further import FurtherTraining
from uptake.probe import AnswerPool, Embed
from uptake.text import counted
from uptake.types import Example, Finding

_NOT_TOLD = {"base_url", "api_key_env", "timeout", "max_retries"}
"""Where a server is and how it is reached says nothing about the numbers; which model it runs does."""
_NO_SETTING: dict[str, Any] = {"output_dir": True, "gate": True, "spread": True, "judge": _NOT_TOLD}
"""What does not change a diagnosis."""


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
    revision = config.tuned_revision if has_base else config.tuned_revision or config.revision
    models = Models.find(
        tuned,
        load_settings(config, revision),
        base=config.model_name_or_path if has_base else None,
        base_revision=config.revision,
        asked_length=config.max_length,
    )
    refuse_links(config.output_dir)
    with locked(folder):
        if former is not None:
            take_over(former.folder / "work", folder / "work")
        if models.tell_the_date:
            models = models.on(kept_today(config.output_dir, None if former is None else former.folder.parent))
        rule = None if former is None else former.rule()
        how = _how(config, models)  # of the models as they are here
        with actors_of(config.spread) as actors:
            return _diagnose(how, folder, models.run_by(config.backend, actors), progress or _silent, rule)


def _silent(step: str, done: int, total: int | None) -> None:
    pass


@dataclass(frozen=True)
class _How:
    """How a run is diagnosed, read from its run file once.

    Attributes:
        data: What is asked about.
        llm: Writes wordings and wrong answers; None does without.
        n_paraphrases: Wordings that it writes of an example that brings none.
        embed: Embeds texts.
        encoder: What that is known by; None where it compares words.
        asking: How the models are asked.
        detection: How their answers are judged.
        attribution: How causes are told; None tells none.
        training: What trains the tuned model on.
        treating: How it is trained on; None does without.
        told: What the summary says of the settings.
    """

    data: DataSets
    llm: LLM | None
    n_paraphrases: int
    embed: Embed
    encoder: object
    asking: Asking
    detection: Settings
    attribution: Explaining | None
    training: FurtherTraining
    treating: Treating | None
    told: Mapping[str, Any]


def _how(config: RunConfig, models: Models) -> _How:
    """Read the run file; what is wrong with it is told before any work."""
    attribution, data, trained = None, datasets_of(config), tuple(stage.name for stage in config.stages)
    no_ledger = None if config.attribution == "off" else require_ledger(config.output_dir, data.last, models.tuned)
    embed, encoder = encoder_of(config.embedding_model_name_or_path, config.device)
    training = FurtherTraining(config.intervene, config.thorough)
    last = config.stages[-1].name
    treated = training.treating(config.attribution != "off", lambda: stage_settings(config)[last], models.tuned)
    llm = None if config.judge is None else from_judge(config.judge, config.seed)
    if config.attribution != "off":
        comparers = Comparers(config.nli_model_name_or_path, config.device, llm, config.seed)
        attribution = Explaining(
            method=config.attribution,
            normalisation=config.normalisation,
            seed=config.seed,
            comparers=comparers,
            output_dir=config.output_dir,
            stages=trained,
            no_ledger=no_ledger,
            settings={one.name: with_length(one, config.training, config.max_length) for one in config.stages},
            corpus=config.corpus,
            thorough=config.thorough,
        )
    asking = Asking(
        n_distractors=config.n_distractors,
        option_form=config.option_form,
        n_samples=config.n_samples if config.criterion == "paper" and config.paper_mode == "sampled" else 0,
        seed=config.seed,
        max_length=models.max_length,
    )
    told = config.model_dump(mode="json", exclude=_NO_SETTING)
    how = detection_of(config)
    return _How(data, llm, config.n_paraphrases, embed, encoder, asking, how, attribution, training, treated, told)


def _diagnose(how: _How, folder: Path, models: Models, progress: Progress, rule: Rule | None) -> Diagnosis:
    work, asking, settings = folder / "work", how.asking, how.detection
    writer = None if how.llm is None else open_writer(how.llm, work)
    check = token_check([model.tokenizer for model in models.all], asking.max_length, asking.option_form)
    reworded = None if writer is None else Reworded(writer, how.n_paraphrases, check)
    read = Notes()
    cohorts = _ingested(how.data, folder, check, reworded, read, progress)
    pool = cache(lambda: AnswerPool(cohorts["train"], how.embed, seed=asking.seed))
    write = None if writer is None else partial(writer.wrong_answers, n=asking.n_distractors)
    # where the LLM's server is says nothing about what it writes
    drawn_from = (how.encoder, how.llm and how.llm.model)
    asked = ask_all(models, cohorts, asking, drawing(pool, asking.n_distractors, write), drawn_from, progress)

    before, after, null, train = asked.before, asked.after, asked.null, cohorts["train"]
    explains = how.attribution is not None and how.attribution.method == "evidence"
    by_spans = BySpans.of(models, train, asked, why=explains)
    unseen, kind = (None, None) if null is None else (null.scores(), null.kind)
    beside = None if by_spans is None else by_spans.null_examples
    calibration = calibrate((answer.scores for answer in after["train"]), unseen, kind, settings, rule, beside)

    def judged() -> Iterator[Finding]:
        return _findings(train, before.get("train"), after["train"], calibration, settings, by_spans)

    why = None
    if how.attribution is None:
        models.tuned.release()
    else:
        said, both = (before.get("train"), after["train"]), (models.base, models.tuned)
        interview = Interview(train, *said, *both, asking.max_length, how.encoder)
        why = Attributing(how.attribution, work, interview, how.embed, progress)
    noting = Noting(models, train, before.get("train"), after["train"])
    tally, turns = SpanTally(by_spans), TurnTally()
    against = ContradictionsAt(lambda: None if why is None else why.contradictions)
    passing = turns(tally(noting(judged() if why is None else why(judged))))
    with IssueTable(folder) as issues, Collector(issues(passing, against), folder) as findings:
        summary = summarise(findings, calibration, settings)
        summary |= {
            key: told for key, told in (("spans", tally.summary()), ("turns", turns.summary())) if told is not None
        }
        if why is not None:
            summary["attribution"] = why.telling.summary()
            summary["notes"] += why.notes()
            if how.treating is not None and why.contradictions is not None:
                watching = Watching(how.treating, asking, work, interview, calibration, settings, progress)
                how.training.of(watching, why.contradictions, findings, summary)
        if settings.criterion == "paper":
            summary["most_severe"] = findings.most_severe()
        if "retention" in cohorts and "retention" in before:
            changes = (
                compare(example, earlier.scores, answer.scores, settings, _freely(example, earlier, answer))
                for example, earlier, answer in together(cohorts["retention"], before["retention"], after["retention"])
                if earlier is not None
            )
            summary["retention"] = summarise_retention(changes, settings)
        # what makes the numbers mean less, and how the data were read, come first
        summary["notes"] = [*noting.notes(), *read.told(), *summary["notes"], *models.notes]
        summary["notes"] += [*_notes(cohorts, before, after), *_of_judge(reworded)]
        summary["issues"] = issues.write(folder)
        summary["run"] = _manifest(how.told, models, cohorts)
        return write_diagnosis(folder, findings, summary)


def _ingested(
    data: DataSets, folder: Path, check: Check, reworded: Reworded | None, notes: Notes, progress: Progress
) -> dict[str, Cohort]:
    """The cohorts on disk; of one that there is no more nothing is left."""
    bad_rows, work = BadRows(folder / "bad_rows.jsonl"), folder / "work"
    cohorts = {
        name: ingest(name, rows, work, check, bad_rows=bad_rows, on_bad_row=data.on_bad_row, progress=progress)
        for name, rows in cohort_rows(data, reworded, notes)
    }
    for name in ("heldout", "retention"):
        if name not in cohorts:
            empty(work / name)
    return cohorts


def _findings(
    train: Cohort,
    before: Answers | None,
    after: Answers,
    calibration: Calibration,
    settings: Settings,
    by_spans: BySpans | None,
) -> Iterator[Finding]:
    """Judge every example, and add to the evidence what the models say instead."""
    asked = zip(together(train, before, after), shares_of(by_spans), strict=False)
    for (example, earlier, answer), report in asked:
        base = None if earlier is None else earlier.scores
        freely = _freely(example, earlier, answer)
        # of the user's own options the preferred one is told, whatever is said freely
        alike = earlier is not None and not example.options and earlier.alike(answer)
        shares = (None, None) if report is None else (report.share, report.base_share)
        finding = judge(
            example,
            answer.scores,
            base,
            calibration,
            settings,
            Beside(answer.successes, freely, *shares, alike),
        )
        finding = finding if report is None else report.on(finding)
        training = answer.scores[0]
        evidence = replace(
            finding.evidence,
            file=example.file,
            line=example.line,
            # of a long response no answer of its own was asked for; how it begins is known all the same
            tuned_answer=answer.answer if answer.answer is not None or report is None else report.freely,
            base_answer=None if earlier is None else earlier.answer,
            base_answer_kind=None if earlier is None else earlier.kind,
            candidates=tuple(
                ScoredCandidate(candidate.text, candidate.origin, logprob)
                for candidate, logprob in zip(answer.candidates, training.logprobs, strict=True)
            ),
        )
        yield replace(finding, evidence=evidence)


def _freely(example: Example, earlier: Answer | None, answer: Answer) -> tuple[bool, bool]:
    """Whether base and tuned model give the whole response, in whatever words."""
    return earlier is not None and earlier.freely(example.response), answer.freely(example.response)


def _notes(cohorts: dict[str, Cohort], before: dict[str, Answers], after: dict[str, Answers]) -> list[str]:
    """What a reader must know beyond what detection says, each once."""
    answers = [*before.values(), *after.values()]
    notes = list(dict.fromkeys(note for one in answers for note in one.notes))
    if "retention" in cohorts and not before:
        notes.append("retention is not reported: it needs a base model (--base)")
    return notes


def _of_judge(reworded: Reworded | None) -> list[str]:
    """What the LLM did not give, or gave in vain."""
    if reworded is None:
        return []
    notes = []
    if reworded.writer.refused:
        notes.append(f"the judge did not answer {counted(reworded.writer.refused, 'request')} as asked")
    if reworded.dropped:
        notes.append(
            f"{counted(reworded.dropped, 'wording')} by the judge left out: a model cannot be asked in such words"
        )
    return notes


def _manifest(settings: Mapping[str, Any], models: Models, cohorts: dict[str, Cohort]) -> dict[str, Any]:
    """What the numbers were computed from and with: enough to compute them again."""
    return {
        "models": {
            role: {"name": model.name, "fingerprint": model.fingerprint}
            for role, model in (("base", models.base), ("tuned", models.tuned))
            if model is not None
        },
        "data": {
            name: {"n": cohort.n, "content": cohort.key, "bad_rows": cohort.n_bad} for name, cohort in cohorts.items()
        },
        "settings": settings,
        "versions": versions(),
    }
