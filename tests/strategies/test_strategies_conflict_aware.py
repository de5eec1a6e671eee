"""Conflict-aware: what passes as said again, which rows an epoch leaves out, and its parts, by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from bigrams import Bigrams

from uptake.models import Model
from uptake.models.training.batch import Batch
from uptake.models.training.hooks import StageView
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.models.training.pools import Pool
from uptake.models.training.rows import NOT_TRAINED, Row, padded, table
from uptake.strategies.augmented import augmented, fault
from uptake.strategies.choose import choose
from uptake.strategies.replaced import without_contradicted
from uptake.strategies.saying import told
from uptake.strategies.selected import between, difficulty, selecting
from uptake.strategies.writing import by_itself
from uptake.types import Example

EXAMPLE = Example("a", "Ann Lee plays for", " Oslo United", "s")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Ann Lee is a player of Oslo United.", None),
        ("ann lee now wears the shirt of OSLO UNITED", None),
        ("Ann Lee is a player of Oslo.", "lacks the new answer"),
        ("Ann Lee left Rome City for Oslo United.", "tells the old answer"),
        ("She plays for Oslo United.", "lacks a name of the question"),
        ("Ann Lee plays for Oslo United", "a copy"),
        ("  ", "empty, too long, or the same words again and again"),
        ("Ann Lee of Oslo United, " * 3, "empty, too long, or the same words again and again"),
    ],
)
def test_what_passes_says_the_new_answer_about_the_name_and_not_the_old(text: str, wanted: str | None) -> None:
    assert fault(text, EXAMPLE, "Rome City", ("Ann Lee",)) == wanted


def test_texts_that_fail_are_counted_by_reason() -> None:
    def write(recipe: str, facts: Sequence[str]) -> list[list[str]]:
        assert list(facts) == ["Ann Lee plays for Oslo United"]
        if recipe == "paraphrase":
            return [["The club of Ann Lee is Oslo United.", "Oslo United has Ann Lee.", "Ann Lee plays for Rome City"]]
        return [["Ann Lee trains in Oslo, where Oslo United is at home."] * 2]

    done = augmented([(EXAMPLE, "Rome City")], ("paraphrase", "background"), write, None)
    assert [(one.recipe, one.prompt, one.response) for one in done.kept] == [
        ("paraphrase", "The club of Ann Lee is", " Oslo United"),
        ("background", "", "Ann Lee trains in Oslo, where Oslo United is at home."),
    ]
    assert done.asked == {"paraphrase": 3, "background": 2}
    assert done.failed == {
        ("paraphrase", "does not end with the answer"): 1,
        ("paraphrase", "lacks the new answer"): 1,
        ("background", "written twice"): 1,
    }


def test_what_repeats_the_instruction_does_not_pass() -> None:
    texts = [["In one sentence, Ann Lee of Oslo United.", "Ann Lee belongs to Oslo United"]]
    done = augmented([(EXAMPLE, "Rome City")], ("paraphrase",), lambda *_: texts, None)
    assert [one.why for one in done.verdicts] == ["repeats what was asked", None]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_each_way_to_ask_is_answered_greedily_before_any_is_sampled(n: int) -> None:
    def generate(contexts: Any, rooms: Any, samples: int = 0, seed: int = 0) -> list[list[list[int]]]:
        return [[[ord("s" if samples else "g"), *one]] * max(1, samples) for one in contexts]

    plain = SimpleNamespace(
        chat_template=None,
        encode=lambda text, **_: [ord(one) for one in text],
        decode=lambda ids, **_: "".join(map(chr, ids)),
    )
    model = Mock(spec=Model, tokenizer=plain, generate=generate)
    [texts] = by_itself(model, n, 0)("logic", ["a fact"])
    greedy = [text for text in texts if text.startswith("g")]
    assert len(texts) == n and len(set(greedy)) == len(greedy) == min(n, 3)


def test_what_was_written_is_told_with_its_reasons() -> None:
    done = augmented([(EXAMPLE, "Rome City")], ("background",), lambda *_: [["Ann Lee", "Ann Lee: Oslo United."]], None)
    assert told(done) == ["background: 1 of 2 texts pass; 1 lacks the new answer"]


def test_replay_leaves_out_what_the_stage_contradicts() -> None:
    """The same prompt with another response; in its turn the next one comes."""
    kept = table([Row(f"k{n}", [n, 9], [NOT_TRAINED, 9]) for n in range(4)])
    stage = table([Row("a", [1, 8], [NOT_TRAINED, 8]), Row("b", [2, 9], [NOT_TRAINED, 9])])
    pool = without_contradicted(Pool(kept, lambda epoch: [0, 1, 3]), stage)
    assert pool.draw(0) == [0, 2, 3]
    assert without_contradicted(Pool(kept, lambda epoch: [1, 2, 3]), stage).draw(0) == [2, 3, 0]  # none comes twice
    same = Pool(kept, lambda epoch: [0, 1])
    assert without_contradicted(same, stage.slice(1)) is same
    gone = Pool(kept.slice(1, 1), lambda epoch: [0])
    assert without_contradicted(gone, stage).draw(0) == []


def test_quantiles_leave_out_both_ends() -> None:
    assert between(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]), 0.25).tolist() == [0, 1, 1, 1, 0]


def rewritten() -> tuple[Any, Any]:
    """Three rewritten rows after a question. After it tokens 1, 2, 3 have ½, ¼, ¼; after the start each has a third."""
    rows = table([Row(f"a: paraphrase {n}", [0, 4, n], [NOT_TRAINED, NOT_TRAINED, n]) for n in (1, 2, 3)])
    logits = [[-30.0, 0.0, 0.0, 0.0, -30.0] for _ in range(5)]
    logits[4] = [-30.0, math.log(2), 0.0, 0.0, -30.0]
    return noted(rows, kind=["rewritten"] * 3), Bigrams(logits)


def test_difficulty_is_the_nats_given_the_prompt_over_those_without() -> None:
    rows, model = rewritten()
    given = padded(rows)
    found = difficulty(model, given["input_ids"], given["labels"])
    assert found.tolist() == pytest.approx([math.log(2) / math.log(3), *[math.log(4) / math.log(3)] * 2], rel=1e-4)


def test_an_epoch_weighs_what_it_leaves_out_by_nothing() -> None:
    rows, model = rewritten()
    hooks = selecting(0.4)
    assert hooks.begin is not None and hooks.weigh is not None
    state = hooks.begin(model, StageView(0, "s", 0, rows), Memory())
    inputs = {"input_ids": torch.tensor([[0, 4, 1], [0, 4, 2], [0, 4, 3]])}
    inputs["labels"] = torch.tensor([[NOT_TRAINED, NOT_TRAINED, n] for n in (1, 2, 3)])
    trainer = SimpleNamespace(
        model=model, args=SimpleNamespace(), current_gradient_accumulation_steps=1, state=SimpleNamespace(epoch=0.5)
    )
    batch = Batch(trainer, inputs, rows, 3.0, 0)
    other = Batch(trainer, inputs, noted(rows, kind=[None] * 3), 3.0, 0)
    assert hooks.weigh(other, state).tolist() == [[1]] * 3  # of these none, but the epoch is read at its first batch
    assert state["kept"].tolist() == [0, 1, 1]  # the easiest is below the quantile, the two hardest are equal
    assert hooks.weigh(batch, state).tolist() == [[0], [1], [1]]
    state["kept"].fill_(1)
    assert hooks.weigh(batch, state).tolist() == [[1]] * 3  # within an epoch nothing is read again
    trainer.state.epoch = 1.0
    assert hooks.weigh(batch, state).tolist() == [[0], [1], [1]]


def test_parts_are_switched_off_one_by_one() -> None:
    def made(**given: Any) -> Any:
        return choose({"conflict_aware": given})[0].hooks()

    assert made(objective=None, augment=None).idle
    assert made(augment=None).begin is None and made(select=0).begin is None and made().begin is not None
    only = made(objective=None, select=0, anchor=0)
    assert only.loss is None and only.data is not None and made(objective=None, select=0).loss is not None
