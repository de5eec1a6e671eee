"""The whole flow on one page: data, models, answers, rule, verdicts, tables."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import digest, empty, locked, versions
from uptake.config import RunConfig, load_run
from uptake.data import with_paraphrases
from uptake.detect import Rule, Settings, calibrate, compare, judge, summarise, summarise_retention
from uptake.detect.calibrate import Calibration, NullKind
from uptake.errors import UptakeError
from uptake.pipeline.answers import Answer, Answers, Asking, Source, ask_base, ask_tuned, drawing
from uptake.pipeline.attributing import Asked, Attributing, require_ledger
from uptake.pipeline.cohort import BadRows, Cohort, Progress, ingest, token_check
from uptake.pipeline.diagnosis import Collector, Diagnosis, read_diagnosis, write_diagnosis
from uptake.pipeline.interventions import Intervening, intervene, trainer_settings
from uptake.pipeline.sources import Reworded, Trained, read_rows
from uptake.pipeline.writer import Writer, open_writer, take_over
from uptake.probe import AnswerPool, Embed, hashed_words
from uptake.types import BadRow, Example, Finding, Score

if TYPE_CHECKING:
    from uptake.models.load import Lazy

__all__ = ["Diagnosis", "Progress", "diagnose", "diagnose_run", "read_diagnosis"]


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
    models = _Models.find(config, tuned, has_base)
    with locked(folder):
        if former is not None:
            take_over(former.folder / "work", folder / "work")
        rule = None if former is None else former.rule()
        return _diagnose(config, folder, models, progress or _silent, rule)


def _silent(step: str, done: int, total: int | None) -> None:
    pass


def _diagnose(config: RunConfig, folder: Path, models: _Models, progress: Progress, rule: Rule | None) -> Diagnosis:
    no_ledger = None if config.attribution == "off" else require_ledger(config, models.tuned)
    embed, encoder = _encoder(config)
    if config.intervene:
        trainer_settings(config)  # what is wrong with them is told before any work
    writer = open_writer(config, folder / "work")
    tokenizers = [model.tokenizer for model in models.all]
    check = token_check(tokenizers, models.max_length, config.option_form)
    bad_rows = BadRows(folder / "bad_rows.jsonl")
    reworded = None if writer is None else Reworded(writer, config.n_paraphrases, check)
    cohorts = {
        name: ingest(
            name, rows, folder / "work", check, bad_rows=bad_rows, on_bad_row=config.on_bad_row, progress=progress
        )
        for name, rows in datasets(config, reworded)
    }
    for name in ("heldout", "retention"):
        if name not in cohorts:
            empty(folder / "work" / name)
    pool = cache(lambda: AnswerPool(cohorts["train"], embed, seed=config.seed))
    before, after = _ask(config, models, cohorts, writer, (pool, encoder), progress)

    train, settings = cohorts["train"], detection(config)
    null_kind, null = _null(before, after)
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
            for example, earlier, answer in _together(cohorts["retention"], before["retention"], after["retention"])
            if earlier is not None
        )
        summary["retention"] = summarise_retention(changes, settings)
    summary["notes"] += [*models.notes(), *_notes(cohorts, before, after), *_of_judge(reworded)]
    summary["run"] = _manifest(config, models, cohorts)
    return write_diagnosis(folder, findings, summary)


@dataclass(frozen=True)
class _Models:
    """The models that are asked: found and checked at once, loaded one after the other, when there is work for them."""

    base: Lazy | None
    tuned: Lazy
    asked_length: int | None

    @classmethod
    def find(cls, config: RunConfig, tuned: str, has_base: bool) -> _Models:
        """Find both; the base takes over the tuned model's chat template where it has none of its own.

        Raises:
            UptakeError: One is not there, or cannot be read.
        """
        from uptake.models.load import Lazy, LoadSettings

        given = _text(config.chat_template) if config.chat_template else None
        names = ("dtype", "device", "attn_implementation", "trust_remote_code", "batch_tokens")
        settings = LoadSettings(**{name: getattr(config, name) for name in names}, chat_template=given)
        if not has_base:
            last = Lazy.find(tuned, replace(settings, revision=config.tuned_revision or config.revision))
            return cls(None, last, config.max_length)
        last = Lazy.find(tuned, replace(settings, revision=config.tuned_revision), base=config.model_name_or_path)
        settings = replace(settings, revision=config.revision)
        base = Lazy.find(config.model_name_or_path, settings)
        if base.tokenizer.chat_template is None and last.tokenizer.chat_template is not None:
            base = Lazy.find(base.name, replace(settings, chat_template=last.tokenizer.chat_template))
        return cls(base, last, config.max_length)

    @property
    def all(self) -> list[Lazy]:
        return [model for model in (self.base, self.tuned) if model is not None]

    @property
    def max_length(self) -> int | None:
        """What the user allows and every model takes; None when nobody sets a limit."""
        limits = (self.asked_length, *(model.max_length for model in self.all))
        return min((limit for limit in limits if limit is not None), default=None)

    def notes(self) -> list[str]:
        """Whether the base is another model than the tuned one, and the one that an adapter was trained on."""
        from uptake.models.load import Lazy

        if self.base is not None and self.base.fingerprint == self.tuned.fingerprint:
            return [f"the base {self.base.name} and the tuned model {self.tuned.name} are one and the same model"]
        own = self.tuned.adapter_base
        if own is None or (self.base is not None and own == self.base.name):
            return []
        if self.base is None:
            return [f"the tuned model is an adapter on {own}: give --base {own} to learn what was forgotten"]
        if Lazy.find(own, replace(self.base.settings, revision=None)).fingerprint == self.base.fingerprint:
            return []
        return [
            f"the tuned model is an adapter on {own}, which is not the base given ({self.base.name}): what is said to "
            "be forgotten, and what the base says, are about another model than the one it was trained from"
        ]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="a Jinja chat template as UTF-8 text") from error


def datasets(config: RunConfig, reworded: Reworded | None) -> Iterator[tuple[str, Iterable[Example | BadRow]]]:
    """The cohorts' rows: all stages as one, then what was never trained on, then what must not get worse."""
    trained = Trained()
    train: Iterator[Example | BadRow] = chain.from_iterable(
        read_rows(config, stage.dataset, stage.name) for stage in config.stages
    )
    if config.paraphrases is not None:
        train = with_paraphrases(train, config.paraphrases)
    train = trained.noting(train)
    yield "train", train if reworded is None else reworded(train)
    if config.heldout is not None:
        yield "heldout", trained.without(read_rows(config, config.heldout, "heldout"))
    if config.retention is not None:
        yield "retention", read_rows(config, config.retention, "retention")


def _ask(
    config: RunConfig,
    models: _Models,
    cohorts: dict[str, Cohort],
    writer: Writer | None,
    drawn: tuple[Callable[[], AnswerPool], object],
    progress: Progress,
) -> tuple[dict[str, Answers], dict[str, Answers]]:
    """Ask the base about all cohorts, then the tuned model: only one of them is in memory at a time."""
    asking = Asking(
        n_distractors=config.n_distractors,
        option_form=config.option_form,
        n_samples=config.n_samples if config.criterion == "paper" and config.paper_mode == "sampled" else 0,
        seed=config.seed,
        max_length=models.max_length,
    )
    pool, encoder = drawn
    write = (lambda examples: writer.wrong_answers(examples, config.n_distractors)) if writer is not None else None
    draw = drawing(pool, asking, write)
    before: dict[str, Answers] = {}
    # where the judge's server is says nothing about what it writes
    drawn_by = (encoder, config.judge and config.judge.model)
    pool_key = digest(cohorts["train"].key, drawn_by)
    if models.base is not None:
        source = _source(models.base, pool_key)
        before = {name: ask_base(cohort, source, draw, asking, progress) for name, cohort in cohorts.items()}
        models.base.release()
    source = _source(models.tuned, pool_key)
    after = {
        # the paper's rule is about training examples: no others are sampled
        name: ask_tuned(
            cohort,
            source,
            draw,
            before.get(name),
            asking if name == "train" else replace(asking, n_samples=0),
            progress,
        )
        for name, cohort in cohorts.items()
    }
    return before, after


def _encoder(config: RunConfig) -> tuple[Embed, object]:
    """What embeds texts, and what it is known by; loaded before any model is asked, for it may not be there.

    Raises:
        UptakeError: There is no such encoder.
    """
    name = config.embedding_model_name_or_path
    if name is None:
        return hashed_words, None
    from uptake.models.embed import encoder_content, sentence_encoder

    return sentence_encoder(name, config.device), encoder_content(name)


def _source(model: Lazy, pool_key: str) -> Source:
    return Source(digest(model.fingerprint, pool_key), model.load, lambda: model.notes)


def detection(config: RunConfig) -> Settings:
    """How a run's examples are judged."""
    return Settings(
        criterion=config.criterion,
        response_end=config.response_end,
        normalisation=config.normalisation,
        n_samples=config.n_samples,
        seed=config.seed,
    )


def _null(
    before: dict[str, Answers], after: dict[str, Answers]
) -> tuple[NullKind | None, Iterator[tuple[Score, ...]] | None]:
    """What never having been trained looks like: held-out examples, else the base on the training examples."""
    if "heldout" in after:
        return "held_out", (answer.scores for answer in after["heldout"])
    if "train" in before:
        return "base", (answer.scores for answer in before["train"])
    return None, None


def _together(
    cohort: Cohort, before: Answers | None, after: Answers
) -> Iterator[tuple[Example, Answer | None, Answer]]:
    return zip(cohort, repeat(None) if before is None else before, after, strict=before is not None)


def _findings(
    train: Cohort, before: Answers | None, after: Answers, calibration: Calibration, settings: Settings
) -> Iterator[Finding]:
    """Judge every example, and add to the evidence what the models say instead."""
    for example, earlier, answer in _together(train, before, after):
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


def _manifest(config: RunConfig, models: _Models, cohorts: dict[str, Cohort]) -> dict[str, Any]:
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
