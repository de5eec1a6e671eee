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
import math
import re
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from uptake.artifacts import write_bytes
from uptake.artifacts.ledger_files import LEDGER
from uptake.errors import UptakeError, first_line
from uptake.ledger.read import Ledger, from_table

_FILE = re.compile(r"dynamics_epoch_(\d+)\.jsonl?")


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
    seen: dict[int, set[str]] = {}
    for epoch, path in files:
        if epoch > MOST_EPOCHS:
            raise UptakeError(f"{path} is of epoch {epoch}", expected=f"a number up to {MOST_EPOCHS}")
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise UptakeError(f"cannot read {path}: {error.strerror or error}") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                rows.append({"stage": stage, "pass": "train", "epoch": epoch, "step": epoch + 1})
                rows[-1] |= _read_line(line, epoch, f"{path}, line {number}", seen.setdefault(epoch, set()))
    return from_table(pa.Table.from_pylist(rows, schema=LEDGER), (stage,))


MOST_EPOCHS = 1_000_000
MOST_TOKENS = 2**31 - 1


def _read_line(line: bytes, epoch: int, where: str, seen: set[str]) -> dict[str, Any]:
    """A reading; what is no number, and what is larger than a float32 holds, is null."""
    try:
        record = json.loads(line.decode("utf-8"))
        if not isinstance(record, dict):
            raise ValueError("it is no object")
        name, tokens, recalled = _name(record["guid"]), record.get("tokens", 1), record.get("recalled")
        logits = np.array([_number(one) for one in record[f"logits_epoch_{epoch}"]], dtype=np.float64)
        gold = record["gold"]
        if isinstance(gold, bool) or not isinstance(gold, int) or not 0 <= gold < len(logits):
            raise ValueError(f"gold is {short(gold)}, and there are {len(logits)} logits")
        if isinstance(tokens, bool) or not isinstance(tokens, int) or not 1 <= tokens <= MOST_TOKENS:
            raise ValueError(f"tokens is {short(tokens)}")
        if not isinstance(recalled, bool | None):
            raise ValueError(f"recalled is {short(recalled)}")
        if name in seen:
            raise ValueError(f"the guid {short(name)} is in this epoch a second time")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UptakeError(
            f"{where} is no record of training dynamics ({type(error).__name__}: {first_line(error)})",
            expected=f'{{"guid": ..., "logits_epoch_{epoch}": [...], "gold": index}}',
        ) from error
    seen.add(name)
    nll = _nll(logits, gold) * tokens
    known = bool(np.isfinite(logits).all()) and nll <= float(np.finfo(np.float32).max)
    recalled = (int(logits.argmax()) == gold if recalled is None else recalled) if known else None
    return {"id": name, "row": None, "nll": nll if known else None, "tokens": tokens, "recalled": recalled}


def _name(guid: Any) -> str:
    """The id of an example: a text, or a number as its text."""
    if isinstance(guid, bool) or not isinstance(guid, str | int):
        raise ValueError(f"guid is {short(guid)}")
    name = str(guid)  # of a number of many thousand digits a ValueError
    name.encode()
    return name


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a logit is {short(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _nll(logits: Float[np.ndarray, " classes"], gold: int) -> float:
    """-log softmax(logits)[gold]; what comes of numbers that are not finite is not used."""
    with np.errstate(all="ignore"):
        return float(-_log_softmax(logits)[gold])


def _log_softmax(logits: Float[np.ndarray, " classes"]) -> Float[np.ndarray, " classes"]:
    shifted = logits - logits.max()
    result: Float[np.ndarray, " classes"] = shifted - np.log(np.exp(shifted).sum())
    return result
