"""What a stream came to, as `summary.json` and two tables; and that read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from uptake.artifacts import cannot_write, write_bytes, write_json, write_table
from uptake.artifacts.checked import read_data
from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.schemas.stream import STREAM, STREAM_ITEMS, STREAM_MATRIX
from uptake.pipeline.examples.cohort import Cohort
from uptake.pipeline.stream.asked import Examined, TestSet
from uptake.pipeline.stream.lettered import Lettered
from uptake.pipeline.stream.lost import LostTest, write_lost
from uptake.pipeline.stream.markdown import stream_markdown
from uptake.pipeline.stream.reading import ItemsRead, known
from uptake.pipeline.stream.replaced import Replaced
from uptake.stats import bootstrap_mean, wilson
from uptake.stream import Change, StageTests, along, changes, fate, matrix, metrics

ANEW = "run `uptake stream run.yaml` again: what was trained and read is kept"


@dataclass(frozen=True)
class StreamResult:
    """A finished stream on disk.

    Attributes:
        folder: Holds `summary.json`, `summary.md`, `matrix.parquet` and `items.parquet`.
    """

    folder: Path

    def summary(self) -> dict[str, Any]:
        """The matrix, its metrics with 95 % intervals, costs and notes; the keys are explained in docs/stream.md.

        Raises:
            UptakeError: The file is missing or damaged.
        """
        summary: dict[str, Any] = read_data(self.folder / "summary.json", STREAM, ANEW)
        return summary

    def items(self) -> list[dict[str, Any]]:
        """The rows of `items.parquet`.

        Raises:
            UptakeError: The file is missing or damaged.
        """
        rows: list[dict[str, Any]] = read_table(self.folder / "items.parquet", STREAM_ITEMS, ANEW).to_pylist()
        return rows


def read_stream(output_dir: Path) -> StreamResult | None:
    """The stream of a run; None where there is none that is finished."""
    folder = output_dir / "stream"
    return StreamResult(folder) if (folder / "summary.json").is_file() else None


def summarised(
    asked: Examined,
    found: Mapping[str, Sequence[ItemsRead]],
    lettered: Mapping[str, Lettered],
    costs: Sequence[Mapping[str, Any]],
    seed: int,
) -> dict[str, Any]:
    """The summary without its notes and what it was computed from.

    Args:
        asked: What the models were asked.
        found: From `ask_all`.
        lettered: From `ask_lettered`, of the tests that are lost.
        costs: Of each stage.
        seed: Of the bootstrap.
    """
    stages = [one.stage for one in asked.tests]
    of_all = [found[one.cohort.name] for one in asked.tests]
    of_tests = [[one.of(away.kept) for one in reads] for reads, away in zip(of_all, asked.replaced, strict=True)]
    right = [StageTests(stage, _stacked(reads, "right")) for stage, reads in zip(stages, of_tests, strict=True)]
    elicited = [StageTests(stage, _stacked(reads, "elicited")) for stage, reads in zip(stages, of_tests, strict=True)]
    known = all(bool(one.told.all()) for reads in of_tests for one in reads)
    each = zip(of_all, of_tests, asked.tests, asked.replaced, strict=True)
    fates = [
        _fate(number, reads, kept, lettered[tests.cohort.name], away)
        for number, (reads, kept, tests, away) in enumerate(each, start=1)
    ]
    for told_of in fates:
        told_of["lost_in"] = {stages[number - 1]: n for number, n in told_of["lost_in"].items()}
    rows = [
        {
            "after": after,
            "tests": [_cell(reads[number], seed) for reads in of_tests],
            "retention": _beside(asked.retention, found, number, seed),
            "general": _beside(asked.general, found, number, seed, judged=False),
        }
        for number, after in enumerate([None, *stages])
    ]
    of_right, of_elicited = metrics(right, seed=seed), metrics(elicited, seed=seed)
    return {
        "stages": stages,
        "tests": [
            {
                "n": one.cohort.n,
                "trained": int(one.trained.sum()),
                "share": one.share,
                "replaced": int((~away.kept).sum()),
            }
            for one, away in zip(asked.tests, asked.replaced, strict=True)
        ],
        "rows": rows,
        "metrics": {name: one and asdict(one) for name, one in of_right.items()},
        "elicited": {name: asdict(one) if one is not None and known else None for name, one in of_elicited.items()},
        "along": along(matrix(right)),
        "fates": fates,
        "costs": list(costs),
    }


def forms_of(read: ItemsRead, lettered: Lettered) -> dict[str, np.ndarray]:
    """By form whether the last model is right in it: 1, 0, or -1 where it was not asked."""
    return {"freely": read.freely, "held_out": read.held_out, "lettered": lettered.right}


def lost_items(asked: Examined, found: Mapping[str, Sequence[ItemsRead]]) -> dict[str, np.ndarray]:
    """By the cohort's name which tests were right after their own stage and are wrong at the end, and not replaced."""
    lost = {}
    for number, (one, away) in enumerate(zip(asked.tests, asked.replaced, strict=True), start=1):
        reads = found[one.cohort.name]
        lost[one.cohort.name] = reads[number].right & ~reads[-1].right & away.kept
    return lost


def _stacked(reads: Sequence[ItemsRead], field: str) -> np.ndarray:
    return np.stack([getattr(one, field) for one in reads])


def _fate(
    number: int, reads: Sequence[ItemsRead], kept: Sequence[ItemsRead], lettered: Lettered, away: Replaced
) -> dict[str, Any]:
    """What became of a stage's tests, as the summary has it but for the stages' names."""
    forms = {name: form[away.kept] for name, form in forms_of(reads[-1], lettered).items()}
    right, elicited, told = (_stacked(kept, name) for name in ("right", "elicited", "told"))
    gone, last = np.flatnonzero(~away.kept).tolist(), reads[-1]
    return asdict(
        replace(
            fate(right, elicited, told, number, forms, lettered.chance[away.kept]),
            replaced=len(gone),
            updated=sum(not last.right[place] and away.updated(place, last.said[place]) for place in gone),
            outdated=sum(bool(last.right[place]) for place in gone),
        )
    )


def _beside(
    cohort: Cohort | None, found: Mapping[str, Sequence[ItemsRead]], number: int, seed: int, *, judged: bool = True
) -> dict[str, Any] | None:
    return None if cohort is None else _cell(found[cohort.name][number], seed, judged=judged)


def _cell(read: ItemsRead, seed: int, *, judged: bool = True) -> dict[str, Any]:
    n, nll = len(read.right), bootstrap_mean(read.nll, seed=seed)
    rate = wilson(int(read.right.sum()), n) if judged else None
    return {
        "n": n,
        "right": None if rate is None else asdict(rate),
        "elicited": float(read.elicited.mean()) if judged and n and read.told.all() else None,
        "nll": None if nll is None else asdict(nll),
    }


def write_result(
    folder: Path,
    summary: Mapping[str, Any],
    asked: Examined,
    found: Mapping[str, Sequence[ItemsRead]],
    lettered: Mapping[str, Lettered],
    lost: Sequence[LostTest],
) -> StreamResult:
    """Write the tables; `summary.json` comes last, so where it is, all is there.

    Args:
        folder: Where they go.
        summary: The summary.
        asked: What the models were asked.
        found: From `ask_all`.
        lettered: From `ask_lettered`.
        lost: From `lost_tests`.

    Raises:
        UptakeError: The disk is full, or the place cannot be written.
    """
    import pyarrow as pa

    try:
        (folder / "summary.json").unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder / "summary.json", error) from error
    stages = summary["stages"]
    write_table(folder / "matrix.parquet", pa.Table.from_pylist(matrix_rows(summary), schema=STREAM_MATRIX.columns))
    items = [
        _of_cohort(one.cohort, one, found[one.cohort.name], stages, lettered, away)
        for one, away in zip(asked.tests, asked.replaced, strict=True)
    ]
    if asked.retention is not None:
        items.append(_of_cohort(asked.retention, None, found["retention"], stages, lettered))
    write_table(folder / "items.parquet", pa.concat_tables(items))
    write_lost(folder, lost)
    write_bytes(folder / "summary.md", stream_markdown(summary).encode())
    write_json(folder / "summary.json", summary)
    return StreamResult(folder)


def matrix_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of `matrix.parquet`."""
    found = []
    for number, row in enumerate(summary["rows"]):
        cells = [("test", stage, cell) for stage, cell in zip(summary["stages"], row["tests"], strict=True)]
        cells += [(kind, None, row[kind]) for kind in ("retention", "general") if row[kind] is not None]
        for kind, of, cell in cells:
            rate = cell["right"] or {}
            found.append(
                {
                    "after_number": number,
                    "after": row["after"],
                    "kind": kind,
                    "of": of,
                    "n": cell["n"],
                    "right": rate.get("estimate"),
                    "low": rate.get("low"),
                    "high": rate.get("high"),
                    "elicited": cell["elicited"],
                    "nll": (cell["nll"] or {}).get("estimate"),
                }
            )
    return found


def _of_cohort(
    cohort: Cohort,
    tests: TestSet | None,
    reads: Sequence[ItemsRead],
    stages: Sequence[str],
    lettered: Mapping[str, Lettered],
    replaced: Replaced | None = None,
) -> Any:
    """The rows of `items.parquet` of one cohort: an item after the other, and of each all models."""
    import pyarrow as pa

    by = (np.zeros(cohort.n, np.int64) if replaced is None else replaced.by).tolist()
    changed: list[list[Change | None]] = changes(_stacked(reads, "right"), None if replaced is None else replaced.by)
    afters = [None, *stages]
    letters = lettered[cohort.name].right if cohort.name in lettered else np.full(cohort.n, -1, np.int8)
    rows = [
        {
            "after_number": number,
            "after": afters[number],
            "kind": "retention" if tests is None else "test",
            "stage": None if tests is None else tests.stage,
            "id": example.id,
            "trained": tests is not None and bool(tests.trained[place]),
            "right": bool(read.right[place]),
            "elicited": bool(read.elicited[place]) if read.told[place] else None,
            "freely": known(read.freely[place]),
            "held_out": known(read.held_out[place]),
            "lettered": known(letters[place]) if number == len(reads) - 1 else None,
            "nll": float(read.nll[place]),
            "change": changed[number][place],
            "replaced_in": stages[by[place] - 1] if by[place] else None,
        }
        for place, example in enumerate(cohort)
        for number, read in enumerate(reads)
    ]
    return pa.Table.from_pylist(rows, schema=STREAM_ITEMS.columns)
