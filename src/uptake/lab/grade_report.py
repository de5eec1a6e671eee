"""The grades of an attribution over worlds, planted and clean, as text and as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from uptake.artifacts.tables import CAUSES
from uptake.lab.grade import BESIDE, LABELS, TOLD, Grade, grade, pairs
from uptake.lab.key import UNEXPLAINED, DiagnosedItem, Entry, matched
from uptake.lab.score_grade import Point, ScoreGrades, grade_scores
from uptake.stats import Interval, wilson

CLEAN_AT_MOST = 0.01
"""Where nothing was planted, at most this share of the examples may get a cause."""
ENOUGH_WORLDS = 10
"""Intervals over fewer worlds are said to be too narrow: see `uptake.lab.resampling.resampled`."""


@dataclass(frozen=True, slots=True)
class GradedWorld:
    """A world to be graded: its answer key, and a diagnosis of it."""

    key: Sequence[Entry]
    table: Sequence[DiagnosedItem]

    @property
    def clean(self) -> bool:
        """Nothing was planted in it."""
        return not any(entry.causes for entry in self.key)

    @property
    def unknown(self) -> int:
        """Rows of the diagnosis about examples that the key does not know."""
        ids = {entry.id for entry in self.key}
        return sum(row.id not in ids for row in self.table)


@dataclass(frozen=True, slots=True)
class Clean:
    """What a diagnosis says of worlds in which nothing was planted.

    Attributes:
        named: Share of the examples that get one of the causes; the interval is Wilson's, over examples.
        unexplained: The same of those that are called unexplained.
        worlds: How many worlds went in.
    """

    named: Interval
    unexplained: Interval
    worlds: int


@dataclass(frozen=True, slots=True)
class GradeReport:
    """All grades of one attribution.

    Attributes:
        named: Of the causes that it names, over the worlds with plants.
        scores: Of its scores, over the same; None where it has none.
        clean: Over the worlds without plants; None where there are none.
        confirmed_only: Only plants that are confirmed were graded.
        level: Confidence level of the intervals.
        unknown: Rows of the diagnoses about examples that no key knows: left out.
    """

    named: Grade
    scores: ScoreGrades | None
    clean: Clean | None
    confirmed_only: bool
    level: float
    unknown: int


def report(
    worlds: Iterable[GradedWorld],
    *,
    confirmed_only: bool = True,
    threshold: float = 0.5,
    level: float = 0.95,
    seed: int = 0,
) -> GradeReport:
    """Grade an attribution on worlds.

    Args:
        worlds: With plants or without, none twice; those without say how often a cause is seen where none is.
        confirmed_only: As in `uptake.lab.key.matched`.
        threshold: From which score on an item is said to have a cause, in [0, 1].
        level: Confidence level, in (0, 1).
        seed: Of the resampling.

    Raises:
        UptakeError: As `uptake.lab.key.matched`.
    """
    worlds = list(worlds)
    items = [matched(one.key, one.table, confirmed_only=confirmed_only) for one in worlds if not one.clean]
    named = grade(items, level=level, seed=seed)
    scores = None
    if any(item.answer.scores for world in items for item in world):
        scores = grade_scores(items, threshold=threshold, level=level, seed=seed)
    clean = _clean([one for one in worlds if one.clean], level)
    return GradeReport(named, scores, clean, confirmed_only, level, sum(one.unknown for one in worlds))


def _clean(worlds: Sequence[GradedWorld], level: float) -> Clean | None:
    items = [
        item for world in worlds for item in matched(world.key, world.table, confirmed_only=False)
    ]  # every example: nothing was planted that could be unconfirmed
    answers = [item.answer for item in items]
    named = wilson(sum(said in CAUSES for _, said in pairs(items)), len(items), level)
    unexplained = wilson(sum(not one.learned and one.cause == UNEXPLAINED for one in answers), len(items), level)
    return Clean(named, unexplained, len(worlds)) if named and unexplained else None


def as_data(report: GradeReport) -> dict[str, Any]:
    """The report as JSON data; what could not be measured is null."""
    named = asdict(report.named)
    counts = report.named.confusion.tolist()
    named["confusion"] = {"planted": list(LABELS), "told": list(TOLD), "planted_by_told": counts}
    return {
        "confirmed_only": report.confirmed_only,
        "level": report.level,
        "unknown": report.unknown,
        "named": named,
        "scores": None if report.scores is None else asdict(report.scores),
        "clean": None if report.clean is None else asdict(report.clean) | {"bar": CLEAN_AT_MOST},
    }


def report_text(report: GradeReport) -> str:
    """The report as text: the causes that are named, the confusion matrix, the scores, the clean worlds."""
    parts = []
    if report.named.worlds:
        parts += [_named(report.named), "the table has no scores (cause_*)" if report.scores is None else ""]
        if report.scores is not None:
            parts[1:] = [_detection(report.scores), _ranking(report.scores), _missing(report.scores)]
        parts.append(_intervals(report.named.worlds, report.level))
    if report.clean is not None:
        parts.append(_clean_text(report.clean))
    if report.unknown:
        parts.append(f"{_counted(report.unknown, 'row')} of the diagnosis left out: the answer key has no such id")
    return "\n\n".join(filter(None, parts))


def _named(grade: Grade) -> str:
    lines = _table("cause", grade.causes, ("n", "precision", "recall", "f1"))
    items = f"{_counted(grade.items, 'item')} of {_counted(grade.worlds, 'world')}"
    lines.append(f"macro-F1 {_shown(grade.macro_f1)}, {items}, about {_counted(grade.groups, 'fact')}")
    lines += ["", "planted (rows), told (columns)", " " * 16 + "".join(f"{label[:13]:>15}" for label in TOLD)]
    for label, row in zip(LABELS, grade.confusion.tolist(), strict=True):
        lines.append(f"{label:<16}" + "".join(f"{count:>15}" for count in row))
    if grade.confusion[:, TOLD.index(BESIDE)].any():
        lines.append(f"{BESIDE}: a cause that holds, but was not planted; no hit, and no false alarm")
    return "\n".join(lines)


def _intervals(worlds: int, level: float) -> str:
    if worlds == 1:
        return f"[{level:.0%} intervals]: bootstrap over the facts of 1 world; of other worlds they say nothing"
    few = "; of so few worlds they are too narrow" if worlds < ENOUGH_WORLDS else ""
    return f"[{level:.0%} intervals]: bootstrap over {worlds} worlds and their facts{few}"


def _detection(scores: ScoreGrades) -> str:
    lines = _table(f"score >= {scores.threshold:g}", scores.causes, ("planted", "precision", "recall", "f1"))
    lines.append(f"macro-F1 {_shown(scores.macro['f1'])}; an item with several causes counts for each")
    return "\n".join(lines)


def _ranking(scores: ScoreGrades) -> str:
    names = ("average_precision", "auroc", "ece", "adaptive_ece")
    lines = _table("scores", scores.causes, ("scored", *names))
    lines.append(f"{'mean':<16}{'':>7}  " + "".join(f"{_shown(scores.macro[name]):<19}" for name in names).rstrip())
    return "\n".join(lines)


def _missing(scores: ScoreGrades) -> str:
    return "\n".join(
        f"cause_{name}: no score for {_counted(one.missing, 'item')}, left out"
        if one.scored
        else f"cause_{name}: no scores"
        for name, one in scores.causes.items()
        if one.missing or not one.scored
    )


def _clean_text(clean: Clean) -> str:
    def share(value: Interval) -> str:
        return f"{value.estimate:.2%} [{value.low:.2%}, {value.high:.2%}]"

    where = f"nothing planted: {_counted(clean.named.n, 'example')} of {_counted(clean.worlds, 'world')}"
    named = f"{share(clean.named)} get a cause (at most {CLEAN_AT_MOST:.0%} should)"
    return f"{where}; {named}, {share(clean.unexplained)} are unexplained"


_HEADS = {"f1": "F1", "average_precision": "AP", "auroc": "AUROC", "ece": "ECE", "adaptive_ece": "adaptive ECE"}


def _table(title: str, causes: Any, names: Sequence[str]) -> list[str]:
    """A row a cause: the count named first, then intervals."""
    count, *rest = names
    lines = [f"{title:<16}{count[:7]:>7}  " + "".join(f"{_HEADS.get(name, name):<19}" for name in rest).rstrip()]
    for cause, one in causes.items():
        cells = "".join(f"{_shown(getattr(one, name)):<19}" for name in rest)
        lines.append(f"{cause:<16}{getattr(one, count):>7}  {cells}".rstrip())
    return lines


def _shown(value: Interval | Point | None) -> str:
    if value is None:
        return "-"
    return f"{value.estimate:.2f}" + (f" [{value.low:.2f}, {value.high:.2f}]" if isinstance(value, Interval) else "")


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
