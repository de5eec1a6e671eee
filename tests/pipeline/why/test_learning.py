"""What the ledger tells of the unlearned examples, counted by hand; and what it does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from uptake.artifacts.ledger_files import append, open_stage
from uptake.errors import UptakeError
from uptake.pipeline.why.learning import NO_EXPOSURE, NO_READINGS, Curves, read_curves


def readings(rows: Sequence[tuple[str, int, str, bool, float]], folder: Path, stage: str) -> None:
    """Write a stage's ledger: id, step, pass, recalled, nll."""
    ids, steps, passes, recalled, nll = map(list, zip(*rows, strict=True))
    n = len(rows)
    columns = {"stage": [stage] * n, "pass": passes, "step": steps, "epoch": [0] * n, "id": ids, "row": [-1] * n}
    append(open_stage(folder, stage, 0, 0, 1), {**columns, "nll": nll, "tokens": [2] * n, "recalled": recalled})


def test_what_the_ledger_tells(tmp_path: Path) -> None:
    readings(
        [
            ("kept", 1, "train", False, 3.0),
            ("knew", 2, "train", True, 0.1),
            ("kept", 4, "epoch", True, 0.2),
            ("knew", 4, "epoch", False, 2.0),
        ],
        tmp_path,
        "early",
    )
    last = [("new", 16, "train", True, 0.5), ("kept", 16, "epoch", False, 2.5), ("knew", 16, "epoch", False, 2.0)]
    readings(last, tmp_path, "main")
    curves = read_curves(tmp_path, {"kept", "knew", "new"}, ["early", "main"])
    assert curves.notes() == []
    found = curves.by_id
    assert set(found) == {"kept", "knew", "new"} and curves.of("kept", "early") == (found["kept"], None)
    # 20 steps in all; its only exposure was step 1: 19 of 20 came after it
    assert (found["kept"].lost_unseen, found["kept"].stood, found["kept"].idle) == (True, True, pytest.approx(0.95))
    assert (found["kept"].recalled_at, found["kept"].lost_at, found["kept"].exposures) == ("early", "main", 1)
    # right in its only forward pass, wrong ever after: lost, but it never stood
    assert (found["knew"].lost_unseen, found["knew"].stood, found["knew"].idle) == (True, False, pytest.approx(0.9))
    # no reading after its last exposure: that it is lost is what the diagnosis says
    assert (found["new"].lost_unseen, found["new"].stood, found["new"].idle) == (True, None, 0)
    # K is 2 steps here: the reading of step 4 is older than that, e^-0.2, and the last one is e^-2.5
    assert (found["kept"].earlier, found["kept"].latest) == pytest.approx((math.exp(-0.2), math.exp(-2.5)))
    assert found["new"].earlier is None


def test_what_two_stages_mean_by_one_id_has_two_curves(tmp_path: Path) -> None:
    """`a` has another answer in `later`, `b` is trained again as it was; of `c` only `later` knows."""
    readings([("a", 1, "train", True, 0.1), ("b", 1, "train", True, 0.1)], tmp_path, "early")
    rows = [("a@later", 1, "train", False, 4.0), ("b", 1, "train", True, 0.1), ("a", 1, "epoch", False, 3.0)]
    readings([*rows, ("c", 1, "train", True, 0.1)], tmp_path, "later")
    curves = read_curves(tmp_path, {"a", "b", "c"}, ["early", "later"])
    (old, _), (new, _) = (curves.of("a", stage) for stage in ("early", "later"))
    assert old is not None and new is not None
    assert (old.recalled_at, new.recalled_at, new.exposures) == ("early", None, 1)
    assert curves.of("b", "early") == curves.of("b", "later")
    assert curves.of("c", "later")[0] is curves.by_id["c"]


def test_a_stage_without_a_ledger_is_missing_and_what_it_may_have_undone_too(tmp_path: Path) -> None:
    readings([("a", 1, "train", True, 0.1)], tmp_path, "first")
    readings([("c", 1, "train", True, 0.1), ("a", 1, "epoch", True, 0.1)], tmp_path, "third")
    curves = read_curves(tmp_path, {"a", "b", "c"}, ["first", "second", "third"])
    for name, stage, why in (
        ("a", "first", "the later stage second has no ledger"),
        ("b", "second", "the stage second has no ledger"),
    ):
        curve, reason = curves.of(name, stage)
        assert curve is None and reason is not None and why in reason
    curve, reason = curves.of("c", "third")
    assert curve is not None and curve.exposures == 1 and reason is None
    assert [note.split(":")[0] for note in curves.notes()] == [
        "no learning curves of the stage first",
        "no learning curves of the stage second",
    ]


def test_no_exposure_is_missing_and_not_none_at_all(tmp_path: Path) -> None:
    readings([("a", 1, "epoch", False, 2.0), ("b", 1, "train", False, 2.0)], tmp_path, "main")
    curves = read_curves(tmp_path, {"a", "b", "c"}, ["main"])
    assert curves.of("a", "main") == (None, NO_EXPOSURE)
    assert curves.of("c", "main") == (None, NO_READINGS)


def test_without_a_ledger_or_with_anothers_it_says_so(tmp_path: Path) -> None:
    def why(stages: list[str]) -> str:
        curves = read_curves(tmp_path, {"a"}, stages)
        assert curves.by_id == {} and curves.why is not None
        assert curves.of("a", stages[-1]) == (None, curves.why)
        assert curves.notes() == [f"no learning curves: {curves.why}"]
        return curves.why

    assert "LedgerCallback" in why(["main"])
    readings([("a", 1, "train", False, 3.0)], tmp_path, "other")
    assert "belongs to another training" in why(["main"])
    readings([("a", 1, "train", False, 3.0)], tmp_path, "later")
    assert "belongs to a later training" in why(["other"])


def test_a_ledger_under_other_ids_is_noted(tmp_path: Path) -> None:
    readings([("tokens-3f", 1, "train", False, 3.0)], tmp_path, "main")
    (note,) = read_curves(tmp_path, {"b", "a"}, ["main"]).notes()
    assert "'tokens-3f'" in note and "'a'" in note and "LedgerCallback(..., ids=[...])" in note
    readings([("a", 1, "train", False, 3.0)], tmp_path, "main")
    assert read_curves(tmp_path, {"b", "a"}, ["main"]).notes() == []


def test_a_part_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    readings([(f"a{n}", n + 1, "train", False, 3.0) for n in range(500)], tmp_path, "main")
    [part] = tmp_path.glob("ledger/main/rank-*/part-*.parquet")
    whole = part.read_bytes()
    part.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])  # its end is as it was
    with pytest.raises(UptakeError, match=r"part-00000\.parquet is damaged: "):
        read_curves(tmp_path, {"a"}, ["main"])


def test_curves_of_no_ledger_have_their_reason() -> None:
    assert Curves({}, "why", {}).of("a", "main") == (None, "why")
