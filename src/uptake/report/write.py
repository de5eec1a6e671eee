"""`report.html` and `summary.md` from the artifacts of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.artifacts import replacing, write_bytes
from uptake.artifacts.checked import damaged, read_data
from uptake.artifacts.schemas.training import FINISHED
from uptake.attribute.shares import on_what
from uptake.config import is_stage_name
from uptake.errors import UptakeError
from uptake.pipeline import read_diagnosis
from uptake.pipeline.diagnosis import ANEW, Diagnosis
from uptake.report import overview
from uptake.report.charts import PANELS, panels, spans
from uptake.report.later import read_cured, read_plan, read_verdict
from uptake.report.learning import Learning, curves_by_source, read_learning
from uptake.report.lost import read_lost
from uptake.report.markdown import card_section, summary_markdown, with_card_section
from uptake.report.page import render
from uptake.report.rows import DiagnosisRows, read_rows
from uptake.report.stages import in_words, stage_matrix, then_and_now, transfer
from uptake.text import counted

MARK = "<!-- the examples -->\n"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        page: The HTML file.
        summary: The Markdown file.
    """

    page: Path
    summary: Path


def write_report(output_dir: Path) -> Report:
    """Write the report of a run from what is there: `report.html` and `summary.md` under its folder.

    Args:
        output_dir: The run's folder; its `diagnosis/` must be there, everything else may be.

    Raises:
        UptakeError: There is no diagnosis, an artifact is damaged, or the place cannot be written.
    """
    diagnosis = read_diagnosis(output_dir)
    summary = diagnosis.summary()
    learning = read_learning(output_dir)
    plan = read_plan(output_dir)
    rows = read_rows(diagnosis, learning, plan, overview.telling(summary))
    manifests = _trained(output_dir, _stages(diagnosis))
    drawn = _learning(learning, rows, summary, manifests)
    cured, verdict = read_cured(output_dir), read_verdict(output_dir)
    page = render(
        {
            "name": output_dir.resolve().name,
            "summary": {"retention": None, "attribution": None, **summary},
            "groups": overview.groups(summary, rows),
            "corrected": overview.corrected(summary),
            "on_what": on_what,
            "sources": overview.places(summary["by_source"]),
            "stages": overview.places(summary["by_stage"]),
            "rows": rows,
            "lost": read_lost(diagnosis.folder, summary),
            "learning": drawn,
            "fine_tuned": overview.by_the_fine_tune(summary, rows),
            "plan": plan,
            "cured": cured,
            "cure": overview.by_the_cure(summary, cured),
            "verdict": verdict,
            "trained": manifests,
        }
    )
    head, mark, tail = page.partition(MARK)
    assert mark
    with replacing(output_dir / "report.html") as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        file.write(head)
        for number, block in enumerate(rows.blocks):
            file.write(f'<script type="text/plain" id="block-{number}">{block}</script>\n')
        file.write(tail)
    stages = " ".join([*drawn["then_and_now"], drawn["transfer"]]) if drawn and drawn["transfer"] else None
    told = summary_markdown(summary, rows, stages=stages, cured=cured, verdict=verdict)
    write_bytes(output_dir / "summary.md", told.encode("utf-8"))
    return Report(output_dir / "report.html", output_dir / "summary.md")


def write_card(output_dir: Path) -> Path:
    """Put a section "Diagnosis" into the README.md of the model that was diagnosed, or renew the one that is there.

    Raises:
        UptakeError: There is no diagnosis, the model was not trained in this run, or the place cannot be written.
    """
    diagnosis = read_diagnosis(output_dir)
    summary = diagnosis.summary()
    path = output_dir / "train" / _stages(diagnosis)[-1] / "README.md"
    tuned = Path(summary["run"]["models"]["tuned"]["name"])
    if not path.is_file() or (tuned.is_dir() and tuned.resolve() != path.parent.resolve()):
        raise UptakeError(
            f"the diagnosed model {tuned} has no model card from this run",
            expected=f"a model that `uptake train` wrote to {path.parent}",
            fix="leave out --card; summary.md has the same text",
        )
    if path.parent.is_symlink():
        raise UptakeError(
            f"{path.parent} is a symbolic link; uptake does not write through links",
            fix="leave out --card; summary.md has the same text",
        )
    rows = read_rows(diagnosis, None, None, overview.telling(summary))
    try:
        card = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="UTF-8 text") from error
    write_bytes(path, with_card_section(card, card_section(summary, rows)).encode("utf-8"))
    return path


def _learning(
    learning: Learning | None, rows: DiagnosisRows, summary: Mapping[str, Any], manifests: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """What the template draws of the ledger."""
    if learning is None:
        return None
    # where a strategy gave what no step had (an average), the manifest has no share that is recalled
    kept = {
        one["stage"]: None if one.get("strategies") and one.get("recalled") is None else one["kept_step"]
        for one in manifests
        if one.get("kept_step") is not None
    }
    everything = dict.fromkeys(rows.sources, "all sources")
    curves = [*curves_by_source(learning, everything), *curves_by_source(learning, rows.sources)]
    # what a later stage replaces on purpose is not lost when it is gone
    stand = [key for key in rows.sources if key not in rows.replaced]
    matrix = stage_matrix(learning, stand, kept)
    away = "" if len(stand) == len(rows.sources) else _left_out(len(rows.sources) - len(stand))
    order = ["all sources", *(place.name for place in overview.places(summary["by_source"]))]
    return {
        "stages": learning.stages,
        "ends": learning.ends,
        "epochs": learning.epochs,
        "spans": spans(learning.stages, learning.epochs),
        "panels": panels(curves, learning.stages, order) if curves else [],
        "left_out": max(0, len(order) - PANELS),
        "matrix": matrix,
        "transfer": in_words(transfer(matrix)) + away if matrix else None,
        "then_and_now": then_and_now(matrix) if matrix else [],
    }


def _left_out(n: int) -> str:
    return (
        f" Left out: {counted(n, 'example that a later stage asks', 'examples that a later stage asks')} again and "
        "answers otherwise."
    )


def _stages(diagnosis: Diagnosis) -> list[str]:
    """The names of the run's stages; each is part of a path, so that it is held to what a run file may name."""
    names = [str(stage["name"]) for stage in diagnosis.summary()["run"]["settings"]["stages"]]
    for name in names:
        if not is_stage_name(name):
            raise damaged(diagnosis.folder / "summary.json", f"it names a stage {name!r}", ANEW)
    return names


def _trained(output_dir: Path, stages: Sequence[str]) -> list[dict[str, Any]]:
    """The manifests of the stages that were trained here, in their order."""
    found = []
    for stage in stages:
        path = output_dir / "train" / stage / "manifest.json"
        if path.exists():
            found.append(read_data(path, FINISHED, "train the stage again, or delete its folder"))
    return found
