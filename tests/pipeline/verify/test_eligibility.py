"""Who takes part in an experiment, and by what each cause is judged: counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from evidence_made import contradicted, evidence
from uptake.errors import UptakeError
from uptake.pipeline.verify.eligibility import eligible
from uptake.types import Finding


def flagged(id: str, cause: str | None, **known: Any) -> Finding:
    causes = contradicted(**known) if known else {}
    return Finding(id, "a", "main", "p", "r", False, None, None, 0.1, None, evidence(causes=causes), cause)


GAPS = [flagged(f"gap-{number}", "knowledge_gap") for number in range(3)]
FORGOTTEN = [flagged(f"forgotten-{number}", "forgetting") for number in range(2)]


def test_what_cannot_be_asked_as_its_cause_is_judged_is_in_no_arm():
    part = eligible([*GAPS, *FORGOTTEN], {("gap-0", "main"), ("gap-2", "main"), ("forgotten-0", "main")})
    assert part.primary == {"knowledge_gap": "heldout", "forgetting": "training"}
    assert [one.id for one in part.flagged] == ["gap-0", "gap-2", "forgotten-0", "forgotten-1"]
    assert part.notes == ("in no arm: 1 without held-out wordings, which the remedy for their cause is judged by",)


def test_where_few_have_held_out_wordings_all_are_judged_in_the_training_wording():
    part = eligible(GAPS, {("gap-0", "main"), ("gap-1", "other stage")})
    assert part.primary == {"knowledge_gap": "training"} and len(part.flagged) == 3
    (said,) = part.notes
    assert said.startswith("knowledge_gap: judged in the training wording") and "by heart" in said


def test_without_a_cause_or_a_right_answer_nobody_takes_part():
    wrong = flagged("wrong", "data_conflict", rivals=["other"], verdict="mislabelled", likely_wrong=True)
    part = eligible([*GAPS, wrong, flagged("odd", None), flagged("odder", "unexplained")], ())
    assert part.flagged == tuple(GAPS)
    assert part.notes[:-1] == (
        "in no arm: 1 likely the wrong one of a contradiction: learning it would be no success",
        "in no arm: 2 without a cause that has a remedy",
    )
    with pytest.raises(UptakeError, match="1 unlearned example, none of which can be tested"):
        eligible([wrong], ())
