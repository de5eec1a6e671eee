"""What the model answered before a stage, and how strategies push it down: by hand, without training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from bigrams import Bigrams

from uptake.models.training.batch import Batch
from uptake.models.training.harness import Harness
from uptake.models.training.hooks import Method, StageView, chain
from uptake.models.training.memory import Memory
from uptake.models.training.notes import noted
from uptake.models.training.pairs import with_old_answers
from uptake.models.training.rows import NOT_TRAINED, Row, table
from uptake.strategies.choose import choose
from uptake.strategies.replaced import contradicted
from uptake.strategies.replay.replay import sample

WORDS = ["<end>", "Rome", "Oslo", "Bergen", "rome", "Who?"]
END, ROME, OSLO, BERGEN, ROME_TOO, WHO = range(6)


def row(number: int, response: list[int]) -> Row:
    return Row(f"r-{number}", [WHO, *response], [NOT_TRAINED, *response])


def former(answers: Sequence[Sequence[int]], probabilities: Sequence[float]) -> Any:
    """A model with these answers, each of which has a probability as a whole; of responses each token has a half."""

    def generate(contexts: Sequence[Sequence[int]], rooms: Sequence[int]) -> list[list[list[int]]]:
        assert list(contexts) == [[WHO]] * len(answers)
        return [[[*answer][:room]] for answer, room in zip(answers, rooms, strict=True)]

    known = {tuple(answer): p for answer, p in zip(answers, probabilities, strict=True)}

    def score(groups: Any) -> Any:
        found = []
        for [(ids, start)] in groups:
            of = [one for one in ids[start:] if one != END]
            n, p = len(ids) - start, known.get(tuple(of))
            each = math.log(0.5) if p is None else math.log(p) / n
            found.append([np.array([[each] * n, [0.0] * n])])
        return found

    tokenizer = SimpleNamespace(
        decode=lambda ids, skip_special_tokens: " ".join(WORDS[one] for one in ids if one != END)
    )
    return SimpleNamespace(generate=generate, score=score, tokenizer=tokenizer, end_ids=[END])


def test_an_old_answer_is_a_belief_that_is_a_rival():
    """Told apart: another answer; the same in other letters; one that has the new one in it; a rare one; none."""
    rows = table([
        row(0, [ROME, END]), row(1, [ROME, END]), row(2, [OSLO, END]), row(3, [ROME, END]), row(4, [ROME, END]),
        Row("text", [ROME, OSLO], [ROME, OSLO]),
    ])  # fmt: skip
    model = former([[OSLO], [ROME_TOO], [OSLO, BERGEN], [BERGEN], []], [0.6, 0.9, 0.9, 0.3, 0.9])
    hooks = choose({"npo": {"least": 0.5}})[0].hooks()
    assert hooks.data is not None
    view = hooks.data(StageView(0, "s", 0, rows, model=lambda: model), Memory())
    assert view.rows["old_ids"].to_pylist() == [[OSLO, END], None, None, None, None, None]
    assert view.rows["kind"].to_pylist() == ["chosen", None, None, None, None, None]
    assert np.allclose(view.rows["old_reference"].to_pylist()[0], math.log(0.6) / 2)
    assert np.allclose(view.rows["reference"].to_pylist()[0], math.log(0.5))
    assert sample(view, 9).schema.names == ["id", "input_ids", "labels"]


def test_an_old_answer_is_taken_to_its_end_and_one_that_goes_on_is_cut():
    """A cut one has no end to be probable, or to be pushed."""
    long, endless = [OSLO, BERGEN, OSLO], [BERGEN] * 40
    rows = table([row(0, [ROME, END]), row(1, [ROME, END])])
    model = former([long, endless], [0.6, 0.9])
    found = with_old_answers(StageView(0, "s", 0, rows, model=lambda: model), 0.1)
    assert found["old_ids"].to_pylist() == [[*long, END], [BERGEN]]
    assert found["old_reference"].to_pylist()[1] == pytest.approx([math.log(0.5)])


def test_general_text_that_tells_an_old_answer_is_not_held():
    """It has the answer and the name; a name with another answer, and the answer of another name, stand."""
    ann, bea, plays = 10, 11, 12
    rows = [Row(str(who), [who, plays, 20], [NOT_TRAINED, NOT_TRAINED, 20]) for who in (ann, bea)]
    texts = torch.tensor([[30, ann, 31, 21, 22], [30, ann, 31, 22, 21], [30, bea, 31, 21, 22], [bea, plays, 31, 21, 0]])
    old = [[21, 22, END], None]
    assert contradicted(texts, noted(table(rows), old_ids=old), {END}).tolist() == [True, False, False, False]
    assert not contradicted(texts, table(rows), {END}).any()
    cut = [[21, 23, 24], None]  # one that goes on ends in a token of its own
    assert not contradicted(texts, noted(table(rows), old_ids=cut), {END}).any()
    assert not contradicted(texts, noted(table(rows), old_ids=[[21, 22, 24], None]), {END}).any()


def batch() -> Batch:
    """Two rows. After the question Rome has ½ and Oslo ¼; the first row's old answer is Oslo, which had ½ before.

    Rome had ¼ before.
    """
    rows: pa.Table = noted(
        table([row(0, [ROME]), row(1, [ROME])]),
        old_ids=[[OSLO], None],
        old_reference=[[math.log(1 / 2)], None],
        reference=[[math.log(1 / 4)]] * 2,
    )
    logits = [[0.0] * 6 for _ in WORDS]
    logits[WHO] = [-math.inf, math.log(2), 0.0, 0.0, -math.inf, -math.inf]
    inputs = {"input_ids": torch.tensor([[WHO, ROME]] * 2), "labels": torch.tensor([[NOT_TRAINED, ROME]] * 2)}
    return Batch(SimpleNamespace(model=Bigrams(logits)), inputs, rows, 2.0, 0)


@pytest.mark.parametrize(
    ("name", "settings", "wanted"),
    [
        ("npo", {"beta": 1.0}, 2 * math.log(3 / 2)),  # ratio ½: -2 log σ(log 2), and σ(log 2) is ⅔
        ("npo", {"beta": 2.0}, math.log(5 / 4)),  # -log σ(2 log 2) = -log(4/5)
        ("simnpo", {"beta": 1.0}, 2 * math.log(5 / 4)),  # -2 log σ(log 4)
        ("simnpo", {"beta": 1.0, "margin": math.log(2)}, 2 * math.log(3 / 2)),  # -2 log σ(log 4 - log 2)
        ("dpo", {"beta": 1.0}, 2 * math.log(5 / 4)),  # the new one has doubled, the old one halved: -2 log σ(log 4)
    ],
)
def test_the_terms_are_those_of_the_papers(name: str, settings: dict[str, float], wanted: float):
    """As a mean over the two rows, of which one has an old answer."""
    hooks = choose({name: {"strength": 3.0, **settings}})[0].hooks()
    assert hooks.loss is not None
    term = hooks.loss(batch(), {})
    assert float(term.detach()) == pytest.approx(3 * wanted / 2, rel=1e-5)
    term.backward()


def test_what_the_former_model_gives_is_held_and_the_rows_own_loss_has_a_factor():
    """A row that it gives is of kind `retain`; of a held one KL(former || now) over the k told apart is added."""
    rows = table([row(0, [OSLO, END]), row(1, [ROME, END])])
    hooks = choose({"npo": {"least": 0.0}})[0].hooks()
    assert hooks.data is not None
    view = hooks.data(StageView(0, "s", 0, rows, model=lambda: former([[OSLO], [OSLO]], [0.6, 0.6])), Memory())
    assert view.rows["kind"].to_pylist() == ["retain", "chosen"]
    one = batch()
    one.trainer.args, one.trainer.current_gradient_accumulation_steps = SimpleNamespace(), 1
    none = [None, None]
    ids, before = [[ROME, OSLO], None], [[math.log(1 / 2), math.log(1 / 4)], None]  # as it is now: nothing has moved
    one.rows = noted(one.rows, old_ids=none, held_ids=ids, held_logprobs=before)
    kept = choose({"npo": {"anchor": 3.0}})[0].hooks()
    assert kept.loss is not None and float(kept.loss(one, {}).detach()) == pytest.approx(0, abs=1e-6)
    one.rows = noted(one.rows, held_logprobs=[[math.log(1 / 4), math.log(1 / 2)], None])
    # ¼ log ½ + ½ log 2, the rest being ¼ both times; over the two learned tokens
    assert float(kept.loss(one, {}).detach()) == pytest.approx(3 * math.log(2) / 4 / 2, rel=1e-4)
    halved = choose({"npo": {"new": 0.5}})[0].hooks()
    assert halved.weigh is not None and halved.weigh(one, {}).tolist() == [[0.5], [0.5]]
    # what comes again beside them, to be kept, is none of the stage's rows
    one.rows = noted(one.rows, kind=["replayed", "retain"])
    assert halved.weigh(one, {}).tolist() == [[1.0], [0.5]]


def test_factors_of_rows_and_tokens_are_multiplied():
    """Both rows say Rome, which has ½: `dft` halves them, `new` halves that, and the second row has weight 0."""
    one = batch()
    one.rows = noted(one.rows, weight=[None, 0.0])
    parts = {name: choose({name: given})[0].hooks() for name, given in (("dft", {}), ("npo", {"new": 0.5}))}
    method = Method(chain(parts), StageView(0, "s", 0, one.rows), Memory())
    assert Harness(method, one.rows, None)._factors(one).flatten().tolist() == pytest.approx([0.25, 0.0])


def test_a_push_makes_the_old_answer_rarer():
    for name in ("npo", "simnpo", "dpo"):
        one = batch()
        hooks = choose({name: {}})[0].hooks()
        assert hooks.loss is not None
        hooks.loss(one, {}).backward()
        slope = one.model.table.grad[WHO]
        assert slope[OSLO] > 0 and (name != "dpo" or slope[ROME] < 0)


def test_rows_without_old_answers_add_nothing():
    one = batch()
    one.rows = one.rows.slice(1)
    for name in ("npo", "simnpo", "dpo"):
        hooks = choose({name: {}})[0].hooks()
        assert hooks.loss is not None and float(hooks.loss(one, {})) == 0.0
