"""What `uptake rewrite` writes: the data with the responses that are trained, a row a response, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from uptake.artifacts import write_json, write_lines, write_table
from uptake.artifacts.checked import read_data
from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.schemas.rewrite import REWRITE_SUMMARY, REWRITES_FILE
from uptake.artifacts.tables import to_json
from uptake.prescribe.rows import kind_of, sft_row
from uptake.rewrite.diversity import distinct
from uptake.rewrite.said import words
from uptake.stats import bootstrap_mean, bootstrap_ratio
from uptake.types import Example

ANEW = "run `uptake rewrite run.yaml`: it writes the folder anew"


@dataclass(frozen=True)
class Rewrites:
    """Rewritten data on disk.

    Attributes:
        folder: Holds `<stage>.jsonl`, `rewrites.parquet`, `rewrites.jsonl` and `summary.json`.
    """

    folder: Path

    def summary(self) -> dict[str, Any]:
        """Counts, likelihoods and costs; the keys are explained in docs/rewrite.md.

        Raises:
            UptakeError: The file is missing or damaged.
        """
        found: dict[str, Any] = read_data(self.folder / "summary.json", REWRITE_SUMMARY, ANEW)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """The table, a row a response, in the order of the data.

        Raises:
            UptakeError: The table is missing or damaged.
        """
        found: list[dict[str, Any]] = read_table(self.folder / "rewrites.parquet", REWRITES_FILE, ANEW).to_pylist()
        return found


def read_rewrites(output_dir: Path) -> Rewrites | None:
    """What was rewritten for a run; None where nothing was."""
    folder = output_dir / "rewrite"
    return Rewrites(folder) if (folder / "summary.json").is_file() else None


def write_rewrites(
    folder: Path,
    examples: Iterable[Example],
    rows: Sequence[Mapping[str, Any]],
    told: Mapping[str, Any],
    seed: int,
) -> Rewrites:
    """Write everything; the summary comes last, so that where it is, the folder is whole.

    Args:
        folder: Where it goes.
        examples: The examples, in the order of the rows.
        rows: The rows.
        told: What the summary says of the run: `rung`, `notes`, `run`, `policy`.
        seed: Of the intervals.

    Raises:
        UptakeError: The place cannot be written.
    """
    import pyarrow as pa

    (folder / "summary.json").unlink(missing_ok=True)
    write_stages(folder, (replace(one, response=row["text"]) for one, row in zip(examples, rows, strict=True)))
    write_table(folder / "rewrites.parquet", pa.Table.from_pylist(rows, schema=REWRITES_FILE.columns))
    write_lines(folder / "rewrites.jsonl", map(to_json, rows))
    write_json(folder / "summary.json", {**told, **summarised(rows, seed)})
    return Rewrites(folder)


def write_stages(folder: Path, examples: Iterable[Example]) -> dict[str, Path]:
    """Write what is trained, a file a stage.

    Raises:
        UptakeError: The place cannot be written.
    """
    by_stage: dict[str, list[Example]] = {}
    for example in examples:
        by_stage.setdefault(example.stage, []).append(example)
    found = {}
    for stage, own in by_stage.items():
        kind, found[stage] = kind_of(own), folder / f"{stage}.jsonl"
        write_lines(found[stage], (to_json(sft_row(one, kind)) for one in own))
    return found


def summarised(rows: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Any]:
    """What the rows come to.

    Args:
        rows: Rows of `REWRITES`.
        seed: Of the bootstrap of the intervals.
    """
    scored = [row for row in rows if row["nll_before"] is not None]
    taken = [row for row in scored if row["how"] is not None]
    before, after = ([row[f"nll_{when}"] for row in scored] for when in ("before", "after"))
    drafts = [draft for row in rows for draft in row["drafts"]]
    own, texts = ([row[name] for row in rows] for name in ("original", "text"))
    return {
        "n": len(rows),
        "rewritten": len(taken),
        "how": _counts(row["how"] for row in rows),
        "why": _counts(row["why"] for row in rows),
        "gates": _counts(draft["gate"] for draft in drafts),
        "knows": _counts(row["knows"] for row in rows),
        "drafts": len(drafts),
        "nll_before": _mean(before, seed),
        "nll_after": _mean(after, seed),
        "change": _change(scored, seed),
        "of_rewritten": _change(taken, seed),
        "words_before": _words(own),
        "words_after": _words(texts),
        "distinct_before": distinct(own),
        "distinct_after": distinct(texts),
        "generated": sum(row["generated"] for row in rows),
        "scored": sum(row["scored"] for row in rows),
    }


def _counts(values: Iterable[str | None]) -> dict[str, int]:
    """How often each stands there, the commonest first."""
    counted = Counter(value for value in values if value is not None)
    return dict(sorted(counted.items(), key=lambda one: (-one[1], one[0])))


def _mean(values: Sequence[float], seed: int) -> dict[str, Any] | None:
    found = bootstrap_mean(np.array(values, dtype=float), seed=seed)
    return None if found is None else asdict(found)


def _change(rows: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Any] | None:
    """By which share the mean nats a token of the responses changed: -0.3 is 30 % less; its interval by resampled rows.

    Both means are of the same rows, which are resampled in pairs.
    """
    before, after = (np.array([row[f"nll_{when}"] for row in rows], dtype=float) for when in ("before", "after"))
    found = bootstrap_ratio(after, before, seed=seed)
    if found is None:
        return None
    return {**asdict(found), **{name: getattr(found, name) - 1 for name in ("estimate", "low", "high")}}


def _words(texts: Sequence[str]) -> float | None:
    return sum(len(words(text)) for text in texts) / len(texts) if texts else None


def drafts_of(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The drafts of a row, the one that was taken first."""
    yield from sorted(row["drafts"], key=lambda draft: draft["text"] != row["text"])
