"""`uptake rewrite`: say the responses of a run's data in the base's own words, and check that they say the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uptake.artifacts import Parts, chunks, digest, locked, open_parts, refuse_links, versions
from uptake.artifacts.schemas.rewrite import REWRITES_FILE
from uptake.config import RunConfig
from uptake.config.rewrite import ResponseRewrite
from uptake.errors import UptakeError
from uptake.models import Loadable, each
from uptake.models.places.settings import LoadSettings
from uptake.models.served import LLM, from_judge
from uptake.pipeline.conflicts.asking import Eliciting, ask, met
from uptake.pipeline.conflicts.run import read_conflicts
from uptake.pipeline.diagnose.ask import encoder_of
from uptake.pipeline.diagnose.models import Backend, run_by
from uptake.pipeline.examples.check import token_check
from uptake.pipeline.examples.cohort import BadRows, Cohort, ingest
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.examples.today import asks_for_the_date, kept_today
from uptake.pipeline.examples.today import told as with_date
from uptake.pipeline.examples.writer import open_writer
from uptake.pipeline.progress import Progress
from uptake.pipeline.rewrite.drafting import Writing
from uptake.pipeline.rewrite.policy import PolicyRun, policy_rows
from uptake.pipeline.rewrite.result import Rewrites, write_rewrites
from uptake.pipeline.rewrite.work import GREEDY, Rewriter
from uptake.pipeline.run_file import actors_of, datasets_of, load_settings
from uptake.pipeline.why.contradictions import Comparers
from uptake.probe import hashed_words
from uptake.rewrite import RUNGS, Knows, RungName
from uptake.spans import answer_words
from uptake.spread import Actors
from uptake.text import counted
from uptake.types import Example, Key

VERSION = 5
"""Part of the key of what was rewritten: raised when the same data come to be rewritten otherwise."""
PART = 32
"""Responses that are rewritten before they are kept: a killed run loses no more."""


def rewrite_run(config: RunConfig, progress: Progress = lambda step, done, total: None) -> Rewrites:
    """Rewrite the responses of a run's data.

    The base is asked for its own answer to each prompt, and for its drafts; what passes the gates is scored, and one
    draft is taken, or the original stays. What is done is kept part by part, so that a killed run goes on.

    Args:
        config: The run.
        progress: Told of each step.

    Returns:
        The data as they are to be trained, and what was done to each row.

    Raises:
        UptakeError: The data cannot be used, there is no such model, or the judge is needed and not there.
    """
    section = config.rewrite
    _require_judge(section, config.judge is not None, config.nli_model_name_or_path is not None, config.where)
    refuse_links(config.output_dir)
    llm = None if config.judge is None else from_judge(config.judge, config.seed)
    own = {"output_dir", "gate", "judge", "knowledge_sources", "spread"}
    run = RewriteRun(
        base=config.model_name_or_path,
        load=load_settings(config, config.revision),
        data=datasets_of(config),
        section=section,
        folder=config.output_dir / "rewrite",
        max_length=config.max_length,
        llm=llm,
        comparers=Comparers(config.nli_model_name_or_path, config.device, llm, config.seed),
        seed=config.seed,
        told=config.model_dump(mode="json", exclude=own),
        peft=config.peft,
        backend=config.backend,
        eliciting=Eliciting(*encoder_of(config.embedding_model_name_or_path, config.device), config.seed),
    )
    with actors_of(config.spread) as actors:
        return rewrite(replace(run, actors=actors), progress)


@dataclass(frozen=True)
class RewriteRun:
    """Data to be rewritten, and how.

    Attributes:
        base: The base model: a folder or a hub id.
        load: How it is loaded.
        data: The data sets.
        section: How they are rewritten.
        folder: Where what is written goes; a diagnosis may lie beside it.
        max_length: Tokens that the user allows; None for no limit.
        llm: The judge's model; None without.
        comparers: Who compares a draft with the original, where that is asked for.
        seed: Of the samples.
        told: What the summary says of the settings.
        peft: Settings of the adapter of a policy; None for its own.
        backend: What writes, where the base does.
        eliciting: How the base is asked what it has of the responses.
        actors: Hold copies of the base; None has one in this process.
    """

    base: str
    load: LoadSettings
    data: DataSets
    section: ResponseRewrite
    folder: Path
    max_length: int | None
    llm: LLM | None
    comparers: Comparers
    seed: int
    told: Mapping[str, Any]
    peft: Mapping[str, Any] | None = None
    backend: Backend = "hf"
    eliciting: Eliciting = Eliciting(hashed_words)
    actors: Actors | None = None

    @property
    def served(self) -> bool:
        """Whether a server writes."""
        return self.section.writer == "judge" and self.llm is not None

    def identity(self) -> list[Any]:
        """What rows depend on beside the data, the base and the diagnosis."""
        asked = self.section.judged or self.served
        judges = [self.llm and self.llm.model, self.comparers.cross_encoder] if asked else []
        section = {**self.section.model_dump(mode="json", exclude={"policy"}), "rung": self.made_by}
        return [VERSION, section, self.seed, judges]

    @property
    def made_by(self) -> RungName:
        """The rung by which drafts are made; a policy starts from those of best of k."""
        return "best_of_k" if self.section.rung == "policy" else self.section.rung


def rewrite(run: RewriteRun, progress: Progress) -> Rewrites:
    """Rewrite data; see `rewrite_run`."""
    from uptake.models.scoring.lazy import Lazy

    if run.section.rung == "policy":
        from uptake.models.training.policy import policy_arguments

        policy_arguments(run.section.policy.training, run.folder)  # what it refuses is told before hours of drafts
    with locked(run.folder):
        base: Loadable = Lazy.find(run.base, run.load)
        if asks_for_the_date(base.tokenizer):
            base = with_date(base, kept_today(run.folder.parent))
        base = run_by(base, run.backend, run.actors)
        limit = min((one for one in (run.max_length, base.max_length) if one is not None), default=None)
        check, bad_rows = token_check([base.tokenizer], limit, "text"), BadRows(run.folder / "bad_rows.jsonl")
        work, on_bad_row = run.folder / "work", run.data.on_bad_row
        cohort = ingest(
            "train", run.data.worded(), work, check, bad_rows=bad_rows, on_bad_row=on_bad_row, progress=progress
        )
        known, notes = _known(run, base, cohort, limit, progress) if RUNGS[run.made_by].drafts else ({}, [])
        key = digest(cohort.key, base.fingerprint, limit, run.identity(), sorted(known.items()), versions())
        parts = open_parts(work / "rewrites", key, REWRITES_FILE)
        _fill(parts, run, base, cohort, known, limit, progress)
        manifest = {
            "base": {"name": base.name, "fingerprint": base.fingerprint},
            "data": {"n": cohort.n, "content": cohort.key, "bad_rows": cohort.n_bad},
            "settings": run.told,
            "versions": versions(),
        }
        rows, policy = [row for number in parts.numbers() for row in parts.read(number)], None
        if run.section.rung == "policy":
            rows, policy = policy_rows(_policy_run(run, base, cohort, rows, limit), progress)
            notes.append(policy["why"])
        told = {"rung": run.section.rung, "notes": [*notes, *base.notes], "run": manifest, "policy": policy}
        return write_rewrites(run.folder, cohort, rows, told, run.seed)


def _fill(
    parts: Parts,
    run: RewriteRun,
    base: Loadable,
    cohort: Cohort,
    known: Mapping[Key, Knows],
    limit: int | None,
    progress: Progress,
) -> None:
    """Rewrite the parts that are not there. Each has samples of its own, whatever was there before."""
    section, folder = run.section, run.folder
    telling = answer_words(example.response for example in cohort)
    writer = open_writer(run.llm, folder / "work") if run.served and run.llm is not None else None
    judge = run.comparers.judge(folder / "work" / "judged.jsonl") if section.judged else None
    samples = section.k - GREEDY if run.made_by == "best_of_k" and writer is None else 0
    guides = writer is None and "template" in RUNGS[run.made_by].drafts

    def rewritten(part: tuple[int, list[Example]]) -> list[dict[str, Any]]:
        number, some = part
        writing = Writing(base.load(), limit, telling, guides, samples, run.seed + number)
        how = Rewriter(run.made_by, writing, section.form == "keep", section.k, known, writer, judge)
        return how.rows(some)

    sizes = (min(PART, cohort.n - start) for start in range(0, cohort.n, PART))
    done = sum(size for number, size in enumerate(sizes) if parts.has(number))
    progress("rewriting", done, cohort.n)
    waiting = ((number, some) for number, some in enumerate(chunks(cohort, PART)) if not parts.has(number))
    for (number, some), rows in each(base, waiting, rewritten):
        parts.write(number, rows)
        done += len(some)
        progress("rewriting", done, cohort.n)


def _policy_run(
    run: RewriteRun, base: Loadable, cohort: Cohort, rows: list[dict[str, Any]], limit: int | None
) -> PolicyRun:
    """What the policy is trained with; best of k is asked anew of the rows that both are held against each other by."""
    examples = list(cohort)
    telling = answer_words(example.response for example in examples)
    known = {(row["id"], row["stage"]): row["knows"] for row in rows}
    section = run.section
    writing = Writing(base.load(), limit, telling, True, section.k - GREEDY, run.seed)
    rewriter = Rewriter("best_of_k", writing, section.form == "keep", section.k, known)
    folder = run.folder / "work" / "policy"
    return PolicyRun(
        run.base, run.load, base.fingerprint, run.peft, section.policy, section.k, examples, rows, rewriter, folder
    )


def _require_judge(section: ResponseRewrite, judge: bool, nli: bool, where: Callable[[str], str]) -> None:
    """Refuse what only a judge can do where there is none, and what a server does not do."""
    served = section.writer == "judge"
    if not judge and (served or (section.judged and not nli)):
        raise UptakeError(
            f"{where('rewrite')}rewrite asks for the judge, and judge is null",
            expected="a server: judge: {base_url: ..., model: ...}",
            fix="add the key to the run file, or set rewrite.writer to base and rewrite.judged to false",
        )
    if served and section.rung not in ("best_of_k", "original"):
        raise UptakeError(
            f"{where('rewrite.rung')}rewrite.rung is {section.rung}, which the base alone writes",
            expected="best_of_k or original, where a server writes",
            fix="set rewrite.rung to best_of_k, or rewrite.writer to base",
        )


MET: Mapping[str, Knows] = {"known": "form", "new": "new", "conflict": "conflict"}
"""What a row meets says of what the base has of it."""


def _known(
    run: RewriteRun, base: Loadable, cohort: Cohort, limit: int | None, progress: Progress
) -> tuple[Mapping[Key, Knows], list[str]]:
    """What the base has of each response, as `uptake conflicts` tells it: its verdict where it was run, else its rule.

    Args:
        run: The data, and how they are rewritten.
        base: The base.
        cohort: The rows.
        limit: Tokens that the base takes.
        progress: Told after each part of the work.
    """
    looked, notes = _looked_at(run.folder.parent, base.fingerprint)
    found: dict[Key, Knows] = {key: what for told in looked.values() for key, what in told.items()}
    how = replace(run.eliciting, max_length=limit)
    for stage in dict.fromkeys(example.stage for example in cohort):
        if stage not in looked:
            asked = ask(_of_stage(run, cohort, stage, progress), base, how, progress)
            for row, (_, what) in zip(asked, met(asked), strict=True):
                found |= {} if what is None else {(row.example.id, stage): MET[what]}
    return found, notes


def _looked_at(output_dir: Path, base: str) -> tuple[dict[str, dict[Key, Knows]], list[str]]:
    """What `uptake conflicts` says of the rows of each stage that it looked at, and what the reader should know.

    Args:
        output_dir: The run's folder.
        base: The base's fingerprint: what another model meets, as that of an earlier stage, says nothing of it.
    """
    every = read_conflicts(output_dir)
    own = [one for one in every if one.summary()["fingerprint"] == base]
    found: dict[str, dict[Key, Knows]] = {
        one.folder.name: {
            (row["id"], one.folder.name): MET[row["meets"]] for row in one.rows() if row["meets"] is not None
        }
        for one in own
    }
    notes = []
    if others := [one.folder.name for one in every if one not in own]:
        notes.append(f"conflicts/ of {', '.join(others)} is of another model than the base: it was not read")
    if found:
        n = sum(map(len, found.values()))
        notes.append(f"what the base has of {counted(n, 'row')} was read from conflicts/")
    return found, notes


def _of_stage(run: RewriteRun, cohort: Cohort, stage: str, progress: Progress) -> Cohort:
    """The rows of a stage, in parts of their own: `uptake conflicts` looks at one stage after the other, too."""
    folder = run.folder / "work" / "known" / stage
    rows = (one for one in cohort if one.stage == stage)
    bad_rows, check = BadRows(folder / "bad_rows.jsonl"), token_check([], None, "text")  # they were checked before
    return ingest("rows", rows, folder, check, bad_rows=bad_rows, on_bad_row="error", progress=progress)
