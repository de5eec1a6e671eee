"""`uptake show`: everything that is known about one example."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uptake.cli.report import of_diagnosis, run_folder
from uptake.cli.terminal import printable
from uptake.errors import UptakeError
from uptake.text import differs_in_space, one_line, with_space

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from uptake.pipeline import Diagnosis
    from uptake.types import Finding

LONG = 2000
"""Characters of a prompt or a response; a prompt's end, a response's beginning."""
RIVALS = 3
READINGS = 12
LAST = 2
"""Readings of other stages that are shown in any case: what became of it in the end."""
PARTS = 12
BAR = 20


def command(
    ctx: typer.Context,
    example: Annotated[str, typer.Argument(help="Id of the example.", metavar="ID")],
    run: Annotated[Path | None, typer.Argument(help="The run file, or the output folder.", metavar="RUN")] = None,
    diagnosis: Annotated[
        Path | None, typer.Option("--diagnosis", help="Folder of the diagnosis, instead of RUN.")
    ] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", help="Stage of the example, if several stages have this id.")
    ] = None,
) -> None:
    """Show everything about one example.

    What was asked and wanted, what the models say, why the example failed, and what to do.
    """
    from rich.console import Console, Group

    from uptake.pipeline import read_diagnosis

    output_dir = _folder(ctx, run, diagnosis)
    found = read_diagnosis(output_dir)
    one = _find(found, example, stage)
    # nothing of the user's is markup, an emoji's name or a pattern to be coloured
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=False)
    console.print(Group(*_case(found, one, output_dir)))


def _folder(ctx: typer.Context, run: Path | None, diagnosis: Path | None) -> Path:
    if diagnosis is None:
        return run_folder(ctx, run, "uptake show ID runs/first")
    if run is not None:
        raise UptakeError(f"both {run} and --diagnosis are given", fix="give only one of them")
    return of_diagnosis(diagnosis)


def _find(diagnosis: Diagnosis, example: str, stage: str | None) -> Finding:
    try:
        return diagnosis[example] if stage is None else diagnosis[example, stage]
    except UptakeError as error:
        if error.expected is not None:  # the table is damaged
            raise
        # several stages have it
        raise UptakeError(error.problem, fix="name one with --stage") from error
    except KeyError as error:
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = pa.chunked_array([chunk for table in diagnosis.tables() for chunk in table["id"].chunks], pa.string())
        near = ids.filter(pc.match_substring(ids, example, ignore_case=True)).slice(0, 3).to_pylist()
        raise UptakeError(
            str(error.args[0]),
            expected=f"an id such as {', '.join(near or ids.slice(0, 3).to_pylist())}",
            fix=f"look it up in {diagnosis.folder / 'diagnosis.jsonl'}",
        ) from None


def _case(diagnosis: Diagnosis, one: Finding, output_dir: Path) -> Iterator[RenderableType]:
    from rich.text import Text

    yield Text(printable(one.id), style="bold")
    state = "not learned" if not one.learned else "shallow: learned in the training wording only" if one.shallow else ""
    marks = [state or "learned", "forgotten" if one.forgotten else "", f"source {one.source}", f"stage {one.stage}"]
    yield Text(printable(", ".join(mark for mark in marks if mark)), style="dim")
    if one.evidence.after_wrong is not None:
        told = f"comes after {one.evidence.after_wrong}, a turn that was not learned, and was read after the data's own"
        yield Text(printable(told), style="dim")
    yield from _texts(one)
    yield from _parts(one)
    yield _answers(one)
    yield from _reasons(one)
    yield from _exposures(one)
    yield from _rivals(diagnosis, one)
    yield from _pulls(one)
    yield from _remedy(one)
    yield from _curve(output_dir, one)


def _heading(text: str) -> RenderableType:
    from rich.text import Text

    return Text(f"\n{text}", style="bold")


def _texts(one: Finding) -> Iterator[RenderableType]:
    from rich.text import Text

    file, line = one.evidence.file, one.evidence.line
    if file is not None:
        yield Text(printable(f"read from {file}" if line is None else f"read from {file}:{line}"), style="dim")
    for name, text, end in (("Asked", one.prompt, True), ("Wanted", one.wanted, False)):
        yield _heading(name)
        shown = text if len(text) <= LONG else (text[-LONG:] if end else text[:LONG])
        yield Text(printable(shown).strip("\n") or "(nothing)")
        if len(shown) < len(text):
            yield Text(f"({len(text) - len(shown):,} more characters {'before' if end else 'after'} that)", style="dim")


def _columns(*names: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        table.add_column(name, justify="right" if name.startswith("p") else "left", overflow="fold")
    return table


def _answers(one: Finding) -> RenderableType:
    """What the models say, with the tuned model's probabilities."""
    from rich.console import Group
    from rich.text import Text

    said = [("base's", one.evidence.base_answer), ("tuned model's", one.evidence.tuned_answer)]
    spaced = {
        name: f", which is {with_space(answer, 60)} where {with_space(one.wanted, 60)} is wanted"
        for name, answer in said
        if answer is not None and differs_in_space(answer, one.wanted)
    }
    table = _columns("answer", "p, tuned", "")
    listed = one.evidence.candidates
    names = {"response": "wanted", "llm": "an LLM's"}
    for candidate in sorted(listed, key=lambda each: -each.logprob):
        text = one.wanted if candidate.origin == "response" else candidate.text
        whose = [names[candidate.origin]] if candidate.origin in names else []
        whose += [
            name + spaced.get(name, "")
            for name, answer in said
            if answer is not None and answer.strip() == text.strip()
        ]
        p = _p(math.exp(candidate.logprob))
        table.add_row(_cell(text), p, ", ".join(whose))
    unscored = False
    known = [one.wanted.strip(), *(candidate.text.strip() for candidate in listed)]
    for name, answer in said:
        if answer is not None and answer.strip() not in known:
            table.add_row(_cell(answer) if answer.strip() else "(nothing)", "not scored", name + spaced.get(name, ""))
            unscored = True
    told = [Text(_which_p(one), style="dim"), *([Text(_UNSCORED, style="dim")] if unscored else [])]
    return Group(_heading("What they say"), table, *told)


def _which_p(one: Finding) -> str:
    """Which probability of the response stands there, and what the other one is; see docs/scoring.md."""
    said = "(p: of these words after the prompt, whatever follows them"
    if one.evidence.end_logprob is None or _p(one.p_response) == _p(math.exp(one.evidence.logprob)):
        return f"{said})"
    return f"{said}; that the response also ends there, as it was trained (p_response): {_p(one.p_response)})"


_UNSCORED = (
    "(not scored: the tuned model was asked for the probabilities of the candidates alone, and this answer, which a "
    "model wrote by itself, is none of them)"
)


def _parts(one: Finding) -> Iterator[RenderableType]:
    """The spans of a long response that were not learned, and what the tuned model says instead."""
    from rich.text import Text

    if not one.spans:
        return
    yield _heading("Which part")
    counting = [span for span in one.spans if span.informative and span.learned is not None]
    wrong = [span for span in counting if not span.learned]
    text = f"{len(counting) - len(wrong)} of {len(counting)} spans that tell something are learned"
    if (share := one.evidence.spans) is not None:
        text += f": {share.share:.0%} [{100 * share.low:.0f}, {100 * share.high:.0f}]"
    yield Text(text)
    yield Text(AFTER_THE_TRUE_BEGINNING, style="dim")
    said = one.evidence.tuned_answer
    if said is not None:
        yield Text(printable(f"By itself the tuned model says: {said.strip()[:LONG] or '(nothing)'}"))
    if not wrong:
        return
    table = _columns("not learned", "kind", "p, tuned", "tells (nats)", "says instead", "p, base", "base says", "cause")
    for span in wrong[:PARTS]:
        told = "-" if span.information is None else f"{span.information:.1f}"
        wanted = one.wanted[span.start : span.end]
        base = "-" if span.base_logprob is None else _p(math.exp(span.base_logprob))
        before = "the same" if span.base_logprob is not None and span.base_top is None else _instead(span.base_top)
        own = _instead(span.top if span.said_instead is None else span.said_instead)
        cause = (span.cause or "-").replace("_", " ")
        told_of = (span.kind, _p(math.exp(span.logprob)), told, _cell(own), base, _cell(before), cause)
        table.add_row(_cell(wanted), *told_of)
    yield table
    if len(wrong) > PARTS:
        yield Text(f"and {len(wrong) - PARTS} more", style="dim")


AFTER_THE_TRUE_BEGINNING = (
    "Each span is read after the response's own words, as if the model had said all before it as wanted. So a span can "
    "be learned of an answer that the model never gives by itself."
)


def _instead(text: str | None) -> str:
    return "" if text is None else text or "(nothing)"


def _cell(text: str) -> Any:
    from rich.text import Text

    return Text(one_line(text, 120))


def _p(p: float) -> str:
    return f"{p:.2g}" if p < 0.995 else f"{p:.4f}"


def _reasons(one: Finding) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    causes = one.evidence.causes
    if not causes:
        return
    yield _heading("Why")
    for name, told in sorted(causes.items(), key=lambda item: -(-1 if item[1].score is None else item[1].score)):
        score = told.score
        drawn = "not known" if score is None else f"{score:.2f}  {'█' * round(BAR * score)}"
        yield Text(f"{name.replace('_', ' '):<16}{drawn}", style="bold" if name == one.cause else "")
        yield Padding(Text(printable(told.sentence), style="" if name == one.cause else "dim"), (0, 0, 0, 2))


def _exposures(one: Finding) -> Iterator[RenderableType]:
    from rich.text import Text

    from uptake.attribute.interventions import to_learn

    if (course := one.evidence.exposures_to_learn) is not None:
        yield _heading("Exposures to learn")
        yield Text(to_learn(course))


def _rivals(diagnosis: Diagnosis, one: Finding) -> Iterator[RenderableType]:
    known = one.evidence.contradiction
    if known is None:
        return
    ids = known.rivals
    table = _columns("id", "asks", "wants")
    for example_id in ids[:RIVALS]:
        for rival in diagnosis.rows(example_id):
            table.add_row(_cell(rival["id"]), _cell(rival["prompt"]), _cell(rival["response"]))
    yield _heading("Rivals")
    yield table
    if len(ids) > RIVALS:
        from rich.text import Text

        yield Text(f"and {len(ids) - RIVALS} more", style="dim")


def _pulls(one: Finding) -> Iterator[RenderableType]:
    if not one.evidence.pulls:
        return
    table = _columns("text", "holds", "in")
    for pull in one.evidence.pulls:
        table.add_row(_cell(f"{pull.kind} {pull.name}"), _cell(pull.matched), _cell(pull.excerpt))
    yield _heading("What pulls it the other way")
    yield table


def _remedy(one: Finding) -> Iterator[RenderableType]:
    from rich.text import Text

    from uptake.causes import CAUSES

    cause = CAUSES.get(one.cause or "")
    if cause is not None:
        yield _heading("What to do")
        yield Text(cause.remedy)
        yield Text(f"How safe: {cause.safety}", style="dim")


def _curve(output_dir: Path, one: Finding) -> Iterator[RenderableType]:
    from uptake.artifacts.ledger_files import name_in, stage_folders
    from uptake.ledger import read_ledger

    if not stage_folders(output_dir):
        return
    ledger = read_ledger(output_dir)
    names, _ = ledger.codes()
    readings = ledger.of(name_in(names, one.id, one.stage)).to_pylist()
    if not readings:
        from rich.text import Text

        such = f" It has ids such as {ledger.table['id'][0].as_py()}." if len(ledger) else ""
        yield _heading("How it was learned")
        yield Text(printable(f"The ledger has no reading of this id.{such}"), style="dim")
        return
    table = _columns("stage", "step", "when", "p a token", "")
    shown = _some(readings, one.stage)
    for row in shown:
        p = None if row["nll"] is None else math.exp(-row["nll"] / max(1, row["tokens"]))
        when = "trained on" if row["pass"] == "train" else "end of epoch"
        bar = "" if p is None else "█" * round(BAR * p)
        recalled = " recalled" if row["recalled"] else ""
        table.add_row(row["stage"], str(row["step"]), when, "-" if p is None else _p(p), bar + recalled)
    yield _heading("How it was learned")
    yield table
    if len(shown) < len(readings):
        from rich.text import Text

        of = f"those of {one.stage}, which trains this row, before others" if one.stage else "the last ones"
        yield Text(printable(f"({len(shown)} of {len(readings)} readings: {of})"), style="dim")


def _some(readings: list[dict[str, Any]], stage: str) -> list[dict[str, Any]]:
    """Some of the readings in their order: the last ones of the stage that trains the row first, then the last others.

    Several stages may have the id, and later ones go on reading it: what the row's own stage taught must not be hidden.
    """
    own = [at for at, row in enumerate(readings) if row["stage"] == stage][-READINGS:]
    others = [at for at, row in enumerate(readings) if row["stage"] != stage]
    room = max(READINGS - len(own), LAST)
    return [readings[at] for at in sorted(own[-(READINGS - min(room, len(others))) :] + others[-room:])]
