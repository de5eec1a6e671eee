"""Dataset Cartography's files: `training_dynamics/dynamics_epoch_N.jsonl`, a line an example.

    {"guid": "ex-17", "logits_epoch_0": [-0.11, -2.26], "gold": 0, "tokens": 3, "recalled": true}

Cartography is for classifiers: softmax(logits)[gold] is the probability of the gold label, and arg-max = gold says that
it is right. A generated response has no classes. What stands for them here are "the response" and "anything else" for
one of its tokens: with p = exp(-nll / tokens), the geometric mean of its tokens' probabilities, the logits are
[log p, log(1 - p)], whose softmax is [p, 1 - p]. So Cartography's confidence and variability are those of
`uptake.ledger.curves`, while its correctness says p > 0.5. `tokens` and `recalled` are ours; Cartography ignores them.

Source: https://github.com/allenai/cartography, `cartography/selection/selection_utils.py`; its versions name
the files .json or .jsonl, and both are read here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from uptake.artifacts import refuse_links, write_bytes
from uptake.artifacts.ledger_files import LEDGER
from uptake.errors import UptakeError
from uptake.ledger.read import Ledger, from_table

_FILE = re.compile(r"dynamics_epoch_(\d+)\.jsonl?")


_INT32 = 2**31


def write_cartography(ledger: Ledger, output_dir: str | Path, stage: str | None = None) -> list[str]:
    """Write a stage's readings for Dataset Cartography.

    One value an example and epoch: the last in the epoch, as in `curves`. Cartography's reader wants all examples
    in the first epoch. Files of that kind that lie there already are replaced.

    Args:
        ledger: From `read_ledger`.
        output_dir: Where `training_dynamics/` is to lie.
        stage: Which one; the last when left out.

    Returns:
        The ids that were left out, because they have no reading in the stage's first epoch.

    Raises:
        UptakeError: There is no such stage, or the place cannot be written.
    """
    stage = stage or (ledger.stages[-1] if ledger.stages else "")
    if stage not in ledger.stages:
        raise UptakeError(f"the ledger has no stage {stage!r}", expected=f"one of {', '.join(ledger.stages)}")
    epochs: dict[int, dict[str, dict[str, Any]]] = {}
    columns = ("stage", "epoch", "id", "nll", "tokens", "recalled")
    for row in ledger.table.select(columns).to_pylist():
        if row["stage"] == stage and row["nll"] is not None:
            epochs.setdefault(row["epoch"], {})[row["id"]] = row
    first = epochs.get(0, {})
    folder = Path(output_dir) / "training_dynamics"
    refuse_links(Path(output_dir), (folder.name,))
    for path in folder.glob("*.json*"):  # Cartography counts the files to know the epochs
        if _FILE.fullmatch(path.name):
            path.unlink()
    for epoch, rows in sorted(epochs.items()):
        lines = [json.dumps(_record(row, epoch), ensure_ascii=False) for name, row in rows.items() if name in first]
        write_bytes(
            folder / f"dynamics_epoch_{epoch}.jsonl",
            "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass"),
        )
    return sorted({name for rows in epochs.values() for name in rows if name not in first})


def _record(row: dict[str, Any], epoch: int) -> dict[str, Any]:
    log_p = -row["nll"] / row["tokens"]
    other = float(np.log(-np.expm1(min(log_p, -1e-38))))
    extra = {"tokens": row["tokens"], "recalled": row["recalled"]}
    return {"guid": row["id"], f"logits_epoch_{epoch}": [log_p, other], "gold": 0, **extra}


def read_cartography(output_dir: str | Path, stage: str = "main") -> Ledger:
    """Read training dynamics that Dataset Cartography, or `write_cartography`, wrote.

    A classifier's example is read as a response of one token: nll = -log softmax(logits)[gold], recalled = the gold
    label is the arg-max. `step` is the epoch's number from 1, since the files know no other time.

    Args:
        output_dir: The folder in which `training_dynamics/` lies.
        stage: What to call the stage.

    Raises:
        UptakeError: There are no such files, or a line of them is not as described above.
    """
    folder = Path(output_dir) / "training_dynamics"
    files = sorted((int(m[1]), path) for path in folder.glob("*.json*") if (m := _FILE.fullmatch(path.name)))
    if not files:
        raise UptakeError(f"there are no training dynamics in {folder}", expected="dynamics_epoch_0.jsonl, ...")
    rows = []
    for epoch, path in files:
        if epoch >= _INT32:
            raise UptakeError(f"{path} is of epoch {epoch}", expected=f"a number below {_INT32}")
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UptakeError(f"cannot read {path}: {error}", expected="JSON lines in UTF-8") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                rows.append({"stage": stage, "pass": "train", "epoch": epoch, "step": epoch + 1})
                rows[-1] |= _read_line(line, epoch, f"{path}, line {number}")
    return from_table(pa.Table.from_pylist(rows, schema=LEDGER), (stage,))


def _read_line(line: str, epoch: int, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
        logits = np.asarray(record[f"logits_epoch_{epoch}"], dtype=np.float64)
        gold, name, tokens = record["gold"], str(record["guid"]), record.get("tokens", 1)
        if type(gold) is not int or type(tokens) is not int:
            raise TypeError("gold and tokens are whole numbers")
        name.encode("utf-8")  # half of a character cannot be written
        if logits.ndim != 1 or not np.isfinite(logits).all():
            raise ValueError("the logits are no list of finite numbers")
        if not 0 <= gold < len(logits) or not 0 < tokens < _INT32:
            raise ValueError(f"gold is {gold}, of {len(logits)} classes, and tokens {tokens}")
        top, nll = int(logits.argmax()), -float(_log_softmax(logits)[gold]) * tokens
        if nll > float(np.finfo(np.float32).max):
            raise ValueError("the logits are too far apart")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise UptakeError(
            f"{where} is no record of training dynamics ({type(error).__name__}: {error})",
            expected=f'{{"guid": ..., "logits_epoch_{epoch}": [...], "gold": index}}',
        ) from error
    recalled = bool(record.get("recalled", top == gold))
    return {"id": name, "row": None, "nll": nll, "tokens": tokens, "recalled": recalled}


def _log_softmax(logits: Float[np.ndarray, " classes"]) -> Float[np.ndarray, " classes"]:
    with np.errstate(over="ignore"):  # of numbers that are far apart the smaller ones count for nothing
        shifted = logits - logits.max()
    result: Float[np.ndarray, " classes"] = shifted - np.log(np.exp(shifted).sum())
    return result
