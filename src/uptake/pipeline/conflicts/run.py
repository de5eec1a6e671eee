"""`uptake conflicts`: what the rows of a stage meet in the model that it starts from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from uptake.artifacts import locked, refuse_links, write_json, write_lines, write_table
from uptake.artifacts.checked import read_data
from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.schemas.conflicts import AFTER, CONFLICTS, CONFLICTS_SUMMARY
from uptake.artifacts.schemas.exposure import EXPOSURE_TABLE
from uptake.artifacts.tables import to_json
from uptake.config import RunConfig
from uptake.data import Notes
from uptake.data.shown import prompt_text, response_text
from uptake.detect.conflicts import MEETINGS, Stance
from uptake.errors import UptakeError
from uptake.models import Loadable
from uptake.pipeline.asking.answers import Asking, Respondent, ask_base
from uptake.pipeline.conflicts.after import adopted_in, outcome
from uptake.pipeline.conflicts.asking import AskedRow, Eliciting, ask, asking_of, draw, met, own_wordings
from uptake.pipeline.conflicts.belief_rows import write_belief_rows
from uptake.pipeline.conflicts.beside import Likelier, Neighbour, Testimony, likelier, neighbours
from uptake.pipeline.diagnose.ask import encoder_of
from uptake.pipeline.diagnose.models import Models, run_by
from uptake.pipeline.examples.check import token_check
from uptake.pipeline.examples.cohort import BadRows, Cohort, ingest
from uptake.pipeline.examples.datasets import DataSets
from uptake.pipeline.examples.today import kept_today
from uptake.pipeline.progress import Progress
from uptake.pipeline.run_file import actors_of, datasets_of, load_settings
from uptake.stats import wilson
from uptake.text import counted
from uptake.types import BadRow, Example

ANEW = "run `uptake conflicts run.yaml` again: what was asked is kept"
FEW_WORDINGS = (
    "less than half of the rows have another wording (`paraphrases`): where there is none, an answer that the model "
    "makes up for this wording alone cannot be told from a belief"
)


@dataclass(frozen=True)
class Conflicts:
    """What `uptake conflicts` wrote.

    Attributes:
        folder: Holds `conflicts.parquet`, `conflicts.jsonl` and `summary.json`.
    """

    folder: Path

    def summary(self) -> dict[str, Any]:
        """Counts with intervals, the model, and notes."""
        found: dict[str, Any] = read_data(self.folder / "summary.json", CONFLICTS_SUMMARY, ANEW)
        return found

    def after(self) -> dict[str, Any] | None:
        """What became of the rows once the stage was trained; None where that was not asked."""
        path = self.folder / "after.json"
        again = "run `uptake conflicts run.yaml --after` again"
        found: dict[str, Any] | None = read_data(path, AFTER, again) if path.is_file() else None
        return found

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the stage, in the order of the data."""
        found: list[dict[str, Any]] = read_table(self.folder / "conflicts.parquet", CONFLICTS, ANEW).to_pylist()
        return found


def read_conflicts(output_dir: Path) -> list[Conflicts]:
    """All stages of a run that were looked at, by the stage's name."""
    found = sorted((output_dir / "conflicts").glob("*/summary.json"))
    return [Conflicts(path.parent) for path in found]


def conflicts_run(
    config: RunConfig, stage: str | None = None, progress: Progress = lambda step, done, total: None
) -> Conflicts:
    """Ask the model that a stage starts from about the stage's rows, and write what each of them meets.

    Args:
        config: The run.
        stage: The stage; None takes the first one that is not trained yet.
        progress: Told after each part of the work.

    Raises:
        UptakeError: There is no such stage, the one before it is not trained, or the input cannot be used.
    """
    trained = config.output_dir / "train"
    name, before = _place([one.name for one in config.stages], stage, trained, config.model_name_or_path)
    refuse_links(config.output_dir)
    folder = config.output_dir / "conflicts" / name
    revision = config.revision if before == config.model_name_or_path else None
    models = Models.find(before, load_settings(config, revision), asked_length=config.max_length)
    embed, encoder = encoder_of(config.embedding_model_name_or_path, config.device)
    with locked(folder), actors_of(config.spread) as actors:
        model = models.on(kept_today(config.output_dir)).tuned if models.tell_the_date else models.tuned
        model = run_by(model, config.backend, actors)
        how, data, read = Eliciting(embed, encoder, config.seed, models.max_length), datasets_of(config), Notes()
        take = _taking(folder, model, models.max_length, data.on_bad_row, progress)
        cohort = take("rows", _rows(data, name, read))
        asked = ask(cohort, model, how, progress)
        known: list[Example] = []
        if data.retention is not None:
            known = _given(take("retention", data.read(data.retention, "retention")), model, how, progress)
        model.release()
        exposure, corpus = config.output_dir / EXPOSURE_TABLE, folder / "work" / "corpus"
        found = _judged(asked, known, Testimony(exposure, config.corpus, corpus, data.on_bad_row), embed, config.seed)
        pairs = [(one.example, row["old"] or "") for one, row in zip(asked, found, strict=True)]
        write_belief_rows(folder, [one for one, row in zip(pairs, found, strict=True) if row["meets"] == "conflict"])
        notes = [*read.told(), *_notes(asked, cohort.n_bad), *model.notes]
        return _write(folder, found, {"stage": name, "model": model.name, "fingerprint": model.fingerprint}, notes)


def after_run(
    config: RunConfig, stage: str | None = None, progress: Progress = lambda step, done, total: None
) -> dict[str, Any]:
    """Ask the model that a stage trained about the rows that were looked at before, and write what became of them.

    Args:
        config: The run.
        stage: The stage; None takes the last one that was looked at and is trained.
        progress: Told after each part of the work.

    Returns:
        See `uptake.pipeline.conflicts.after.outcome`.

    Raises:
        UptakeError: The stage was not looked at, is not trained, or the input cannot be used.
    """
    trained, looked = config.output_dir / "train", config.output_dir / "conflicts"
    ready = [one.name for one in config.stages if (looked / one.name / "summary.json").is_file()]
    ready = [name for name in ready if (trained / name / "manifest.json").is_file()]
    if not ready or stage not in (None, *ready):
        raise UptakeError(
            f"{'no stage' if stage is None else f'the stage {stage!r}'} was looked at and then trained",
            fix="run `uptake conflicts run.yaml`, then `uptake train run.yaml`, then this again",
        )
    name = stage or ready[-1]
    load = load_settings(config, None)
    base, revision = config.model_name_or_path, config.revision
    models = Models.find(str(trained / name), load, base=base, base_revision=revision, asked_length=config.max_length)
    folder = looked / name
    with locked(folder), actors_of(config.spread) as actors:
        model = models.on(kept_today(config.output_dir)).tuned if models.tell_the_date else models.tuned
        model = run_by(model, config.backend, actors)
        data = datasets_of(config)
        take = _taking(folder / "after", model, models.max_length, data.on_bad_row, progress)
        rows, cohort = Conflicts(folder).rows(), take("rows", _rows(data, name, Notes()))
        if [row["id"] for row in rows] != [one.id for one in cohort]:
            raise UptakeError("the data have changed since they were looked at", fix=f"{ANEW}, before the stage")
        asking = Asking(n_distractors=0, seed=config.seed, max_length=models.max_length)
        respondent = Respondent(model, model.fingerprint)
        found = outcome(rows, cohort, lambda ids: take("beside", _kept(data, ids)), respondent, asking, progress)
        found["conflicts"] |= adopted_in(config.output_dir, name, rows)
        write_json(folder / "after.json", found)
        return found


def undo_run(config: RunConfig, out: Path, stage: str | None = None) -> Path:
    """Write the model of a stage without its adapter: what the base says, with the stage's tokenizer.

    Args:
        config: The run.
        out: A new folder.
        stage: The stage; None takes the last one that is trained.

    Raises:
        UptakeError: The stage is not trained, has no adapter, or the folder is there.
    """
    from uptake.models.places.undone import without_adapter

    trained = config.output_dir / "train"
    ready = [one.name for one in config.stages if (trained / one.name / "manifest.json").is_file()]
    if not ready or stage not in (None, *ready):
        raise UptakeError("no such stage is trained", expected=", ".join(ready) or "a trained stage", fix="train it")
    return without_adapter(str(trained / (stage or ready[-1])), load_settings(config, None), out)


def _rows(data: DataSets, name: str, read: Notes) -> Iterable[Example | BadRow]:
    """The rows of a stage, with their held-out wordings."""
    if data.paraphrases is None:
        return data.read(data.stages[name], name, read)
    return (one for one in data.worded(read) if isinstance(one, BadRow) or one.stage == name)


def _kept(data: DataSets, ids: Collection[str]) -> list[Example]:
    """Rows of the retention set, as they are asked: with all their turns."""
    read = () if data.retention is None else data.read(data.retention, "retention")
    found = [one for one in read if isinstance(one, Example) and one.id in ids]
    if {one.id for one in found} != set(ids):
        raise UptakeError("the retention set has changed since it was looked at", fix=f"{ANEW}, before the stage")
    return found


def _taking(
    folder: Path, model: Loadable, limit: int | None, on_bad_row: Literal["error", "skip"], progress: Progress
) -> Callable[[str, Iterable[Example | BadRow]], Cohort]:
    """Writes rows to disk under a name."""
    return partial(
        ingest,
        folder=folder / "work",
        check=token_check([model.tokenizer], limit, "text"),
        bad_rows=BadRows(folder / "bad_rows.jsonl"),
        on_bad_row=on_bad_row,
        progress=progress,
    )


def _place(names: Sequence[str], wanted: str | None, trained: Path, base: str) -> tuple[str, str]:
    """The stage, and the model that it starts from."""
    done = [(trained / name / "manifest.json").is_file() for name in names]
    if wanted is None:
        if all(done):
            raise UptakeError("all stages are trained", expected="one that is not", fix=f"--stage {names[-1]}")
        wanted = names[done.index(False)]
    if wanted not in names:
        raise UptakeError(f"there is no stage {wanted!r}", expected=", ".join(names), fix="correct --stage")
    number = names.index(wanted)
    if number == 0:
        return wanted, base
    if not done[number - 1]:
        raise UptakeError(
            f"the stage {names[number - 1]}, which {wanted} starts from, is not trained",
            fix=f"train it first, or look at --stage {names[done.index(False)]}",
        )
    return wanted, str(trained / names[number - 1])


def _given(cohort: Cohort, model: Loadable, how: Eliciting, progress: Progress) -> list[Example]:
    """What the model answers rightly of a cohort."""
    answers = ask_base(cohort, Respondent(model, model.fingerprint), draw, asking_of(how), progress)
    return [one for one, answer in zip(cohort, answers, strict=True) if answer.freely(one.response)]


def _judged(
    asked: Sequence[AskedRow], kept: Sequence[Example], sources: Testimony, embed: Any, seed: int
) -> list[dict[str, Any]]:
    told = [(one, stance, what) for one, (stance, what) in zip(asked, met(asked), strict=True)]
    known = [one.example for one, _, what in told if what == "known"] + list(kept)
    against = [(one.example, _old(one) or "") for one, _, what in told if what == "conflict"]
    beside = iter(neighbours(against, known, embed, seed))
    speaks = iter(likelier(against, sources))
    return [
        _row(
            one, stance, what, next(beside) if what == "conflict" else (), next(speaks) if what == "conflict" else None
        )
        for one, stance, what in told
    ]


def _old(one: AskedRow) -> str | None:
    """What the model tells instead of the row's answer."""
    framed = one.case.in_frame
    if framed is not None and not framed.same:
        return framed.span
    return one.answer.answer.strip() if one.answer.kind == "wrong" and one.answer.answer else None


def _row(
    one: AskedRow, stance: Stance, what: str | None, beside: Sequence[Neighbour], speaks: Likelier | None
) -> dict[str, Any]:
    example, freely = one.example, one.case.freely
    answers = freely.answers if freely is not None else (one.answer.answer.strip(),) if one.answer.answer else ()
    own = own_wordings(one.answer)
    asked = bool(example.prompt)
    return {
        "id": example.id,
        "source": example.source,
        "prompt": prompt_text(example.prompt),
        "response": response_text(example),
        "meets": what,
        "unasked": None if asked else "it has no prompt",
        "old": _old(one) if what in ("conflict", "new") else None,
        "freely": one.answer.freely(example.response) if asked else None,
        "p_own": one.answer.scores[0].p_response,
        "p_new": sum(score.p_response for score in own) / len(own),
        "p_old": stance.likely if what in ("conflict", "new") else None,
        **{name: getattr(stance, name) if asked else None for name in ("gives", "agreed", "sure", "apart", "familiar")},
        "answers": list(answers),
        "neighbours": [asdict(other) for other in beside],
        "likelier": None if speaks is None else speaks.answer,
        "why": None if speaks is None else speaks.why,
        "file": example.file,
        "line": example.line,
    }


def _notes(asked: Sequence[AskedRow], n_bad: int) -> Iterator[str]:
    if n_bad:
        yield f"{counted(n_bad, 'row')} could not be used: see bad_rows.jsonl"
    if unasked := sum(not one.example.prompt for one in asked):
        yield f"{counted(unasked, 'row was', 'rows were')} not asked: plain text has no prompt"
    if 2 * sum(bool(one.example.paraphrases) for one in asked) < len(asked):
        yield FEW_WORDINGS


def _write(folder: Path, rows: Sequence[Mapping[str, Any]], told: Mapping[str, Any], notes: Sequence[str]) -> Conflicts:
    """The table, the same as JSON Lines, and last the summary."""
    import pyarrow as pa

    with suppress(OSError):  # where it is, the tables beside it are of the same run
        (folder / "summary.json").unlink()
    write_table(folder / "conflicts.parquet", pa.Table.from_pylist(list(rows), schema=CONFLICTS.columns))
    write_lines(folder / "conflicts.jsonl", map(to_json, rows))
    asked = [row["meets"] for row in rows if row["meets"] is not None]
    rates = {what: wilson(asked.count(what), len(asked)) for what in MEETINGS}
    counts = {
        what: {"count": asked.count(what), "rate": asdict(rate)} for what, rate in rates.items() if rate is not None
    }
    summary = {**told, "n": len(rows), "unasked": len(rows) - len(asked), "meets": counts, "notes": list(notes)}
    write_json(folder / "summary.json", summary)
    return Conflicts(folder)
