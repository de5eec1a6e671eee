"""A loaded model: scores that do not depend on their company, bounded memory, and what it generates."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from sharp import groups_of, language_model, largest_difference, plain, same_flags, sharp_model, tokenizer_of
from uptake.errors import UptakeError
from uptake.models.scoring import forward, hf
from uptake.models.scoring.rows import Scored, plan_row

NATS = 1e-4


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of()


@pytest.fixture(scope="module")
def llama(tokenizer):
    return sharp_model("llama", tokenizer)


def references(model, groups):
    return [[plain(model, sequence) for sequence in group] for group in groups]


def forward_sizes(monkeypatch):
    """Records the padded tokens of each batch."""
    sizes = []
    own = hf.forward_rows

    def recorded(model, rows, *rest):
        sizes.append(max(len(row) for row in rows) * len(rows))
        return own(model, rows, *rest)

    monkeypatch.setattr(hf, "forward_rows", recorded)
    return sizes


@pytest.mark.parametrize("model_type", ["mistral", "gemma2", "gemma3_text"])
def test_rows_longer_than_the_sliding_window_go_plain_and_stay_right(model_type, tokenizer, monkeypatch):
    model = sharp_model(model_type, tokenizer, sliding_window=8)
    # short groups share their row; groups longer than the window do not; one batch would hold both
    groups = [
        group
        for pair in zip(groups_of(6, context=(1, 3)), groups_of(6, context=(9, 15)), strict=True)
        for group in pair
    ]
    scorer = language_model(model, tokenizer, window=8, batch_tokens=4000)
    assert scorer.abilities.shares_prefix
    expected = references(model, groups)
    assert largest_difference(scorer.score(groups), expected) < NATS
    # control: without the limit, long groups share rows under a mask that knows no window
    scorer.window = None
    assert largest_difference(scorer.score(groups), expected) > 100 * NATS


LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 8,
    "long_factor": [4.0] * 8,
    "original_max_position_embeddings": 12,
    "factor": 8.0,
}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}


def with_limit(rope, tokenizer):
    """Of 12 tokens; 4 heads of 16: 8 frequencies."""
    longest = 12 if rope is DYNAMIC else 96
    return sharp_model("llama", tokenizer, rope_parameters=dict(rope), max_position_embeddings=longest)


def fresh(model, sequence):
    """Reference: this row alone, by a copy that has met no other, since dynamic RoPE remembers the longest.

    The last token is no input, as in generating it and in lm-evaluation-harness: a row is as long as what predicts.
    """
    ids, start = sequence
    with torch.no_grad():
        logits = copy.deepcopy(model)(torch.tensor([ids[:-1]])).logits[0, start - 1 :].log_softmax(-1)
    return logits.gather(1, torch.tensor(ids[start:])[:, None]).T.numpy()


@pytest.mark.parametrize("rope", [LONGROPE, DYNAMIC])
def test_scores_on_both_sides_of_a_limit_of_positions_are_those_of_each_row_alone(rope, tokenizer):
    # contexts of 1 to 20 tokens with responses of 1 to 6: below, above and across the limit of 12, and exactly at it
    groups = [*groups_of(10), [Scored(list(range(12)), 9), Scored(list(range(13)), 9), Scored(list(range(14)), 9)]]
    model = with_limit(rope, tokenizer)
    expected = [[fresh(model, sequence) for sequence in group] for group in groups]
    scorer = language_model(model, tokenizer, batch_tokens=4000)
    assert scorer.abilities.shares_prefix
    assert largest_difference(scorer.score(groups), expected) < NATS
    assert largest_difference(scorer.score(groups[::-1]), expected[::-1]) < NATS  # whatever came before
    assert largest_difference(scorer.score(groups[-1:]), expected[-1:]) < NATS
    # control: without the limit, what shares a batch changes the numbers
    scorer.__dict__["_limit"] = None
    assert largest_difference(scorer.score(groups), expected) > 100 * NATS


@pytest.mark.parametrize("rope", [LONGROPE, DYNAMIC])
def test_answers_across_a_limit_of_positions_are_those_of_each_context_alone(rope, tokenizer):
    contexts = contexts_of(12, longest=40)
    lengths = [1 + index % 5 for index in range(len(contexts))]
    assert any(len(c) + n > 12 for c, n in zip(contexts, lengths, strict=True))
    model = with_limit(rope, tokenizer)
    expected = [
        language_model(copy.deepcopy(model), tokenizer).generate([c], [n])[0]
        for c, n in zip(contexts, lengths, strict=True)
    ]
    scorer = language_model(model, tokenizer, batch_tokens=4000)
    assert scorer.generate(contexts, lengths) == expected
    order = list(range(len(contexts)))[::-1]
    again = scorer.generate([contexts[i] for i in order], [lengths[i] for i in order])
    assert again == [expected[i] for i in order]
    scorer.__dict__["_limit"] = None  # control
    assert scorer.generate(contexts, lengths) != expected


def test_masks_are_bounded(llama, tokenizer, monkeypatch):
    groups = groups_of(40)
    expected = references(llama, groups)
    cells, own = [], forward.block_mask
    monkeypatch.setattr(hf, "MASK_CELLS", 600)
    monkeypatch.setattr(forward, "block_mask", lambda s, dtype: cells.append(len(s) * s.shape[1] ** 2) or own(s, dtype))
    found = language_model(llama, tokenizer, batch_tokens=4000).score(groups)
    assert 300 < max(cells) <= 600
    assert max(len(plan_row(group)) ** 2 for group in groups) > 600  # some rows are too long for one: they go plain
    assert largest_difference(found, expected) < NATS


def test_a_shared_row_without_memory_is_scored_as_plain_rows(llama, tokenizer, monkeypatch):
    groups = groups_of(20)
    expected = references(llama, groups)
    own = hf.forward_rows

    def limited(model, rows, *rest):
        if any(row.branches for row in rows) and len(rows) * max(len(row) for row in rows) > 15:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return own(model, rows, *rest)

    monkeypatch.setattr(hf, "forward_rows", limited)
    assert largest_difference(language_model(llama, tokenizer, batch_tokens=60).score(groups), expected) < NATS


def test_remarks_join_the_notes(tokenizer, llama):
    scorer = language_model(llama, tokenizer)
    scorer.remarks = ("a remark",)
    assert scorer.notes == ("a remark",)


def test_a_fallback_is_told(tokenizer, llama):
    mamba = language_model(sharp_model("falcon_mamba", tokenizer), tokenizer)
    assert not mamba.abilities.shares_prefix
    (note,) = mamba.notes
    assert "slow" in note and "4-D attention mask" in note
    assert language_model(llama, tokenizer).notes == ()


def test_scores_do_not_depend_on_order_or_budget(llama, tokenizer):
    groups = groups_of(40)
    expected = references(llama, groups)
    order = np.random.default_rng(3).permutation(len(groups)).tolist()
    for budget in (1, 50, 100_000):
        scorer = language_model(llama, tokenizer, batch_tokens=budget)
        assert largest_difference(scorer.score(groups), expected) < NATS
        shuffled = scorer.score([groups[index] for index in order])
        assert largest_difference(shuffled, [expected[index] for index in order]) < NATS


def test_groups_of_one_and_of_many_in_one_call(llama, tokenizer):
    groups = [group[: 1 + number % 3] for number, group in enumerate(groups_of(12))]
    found = language_model(llama, tokenizer).score(groups)
    assert [len(group) for group in found] == [len(group) for group in groups]
    assert largest_difference(found, references(llama, groups)) < NATS
    assert same_flags(found, references(llama, groups))
    assert language_model(llama, tokenizer).score([]) == []


def test_batches_keep_to_the_budget(llama, tokenizer, monkeypatch):
    sizes = forward_sizes(monkeypatch)
    language_model(llama, tokenizer, batch_tokens=100).score(groups_of(40))
    assert max(sizes) <= 100
    assert len(sizes) < 40


def out_of_memory(monkeypatch, above, error=torch.OutOfMemoryError):
    """The model has memory for so many padded tokens."""
    attempts = []
    own = hf.forward_rows

    def limited(model, rows, *rest):
        attempts.append(max(len(row) for row in rows) * len(rows))
        if attempts[-1] > above:
            raise error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return own(model, rows, *rest)

    monkeypatch.setattr(hf, "forward_rows", limited)
    return attempts


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_when_memory_runs_out_the_budget_halves_and_the_scores_stay(llama, tokenizer, monkeypatch, error):
    monkeypatch.setattr(hf, "ROW", 30)
    groups = groups_of(60)
    expected = references(llama, groups)
    attempts = out_of_memory(monkeypatch, 200, error)
    scorer = language_model(llama, tokenizer, batch_tokens=1000)
    assert largest_difference(scorer.score(groups), expected) < NATS
    # by hand: 1000 fails, half of it fails, a quarter too, an eighth is below 200
    assert [size > 200 for size in attempts[:4]] == [True, True, True, False]
    assert not any(size > 200 for size in attempts[4:])  # what was learned holds for the rest
    assert 100 <= scorer.batch_tokens <= 200


def test_a_single_row_that_is_too_large_is_an_error(llama, tokenizer, monkeypatch):
    out_of_memory(monkeypatch, 5)
    with pytest.raises(UptakeError, match="memory ran out on a single row of 30 tokens"):
        language_model(llama, tokenizer).score([[Scored([1] * 31, 3)]])


def test_another_error_is_not_taken_for_out_of_memory(llama, tokenizer, monkeypatch):
    def broken(*_):
        raise RuntimeError("a shape is wrong")

    monkeypatch.setattr(hf, "forward_rows", broken)
    with pytest.raises(RuntimeError, match="a shape is wrong"):
        language_model(llama, tokenizer).score(groups_of(2))


def test_numbers_that_are_none_are_an_error(tokenizer):
    model = sharp_model("llama", tokenizer)
    scorer = language_model(model, tokenizer)
    with torch.no_grad():
        model.lm_head.weight[3, 0] = torch.nan
    with pytest.raises(UptakeError, match="NaN"):
        scorer.score(groups_of(1))


def contexts_of(n=12, longest=15):
    return [group[0].ids[: group[0].start] for group in groups_of(n, context=(1, longest), seed=5)]


def greedy(model, context, length, ends):
    """Reference: one arg-max after the other, no cache, no padding."""
    ids = list(context)
    for _ in range(length):
        with torch.no_grad():
            token = int(model(torch.tensor([ids])).logits[0, -1].argmax())
        if token in ends:
            break
        ids.append(token)
    return ids[len(context) :]


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gpt_neox", "opt", "gemma3_text", "falcon_mamba"])
def test_greedy_answers_are_those_of_each_context_alone(model_type, tokenizer):
    model = sharp_model(model_type, tokenizer)
    scorer = language_model(model, tokenizer)
    contexts = contexts_of()
    lengths = [1 + index % 6 for index in range(len(contexts))]
    expected = [[greedy(model, c, n, {tokenizer.eos_token_id})] for c, n in zip(contexts, lengths, strict=True)]
    for budget in (1, 100, 100_000):
        scorer.batch_tokens = budget
        assert scorer.generate(contexts, lengths) == expected
    assert scorer.generate([], []) == []


def test_greedy_answers_are_those_of_transformers(llama, tokenizer):
    contexts = contexts_of()
    config = GenerationConfig(max_new_tokens=6, do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=1)
    for context, (answer,) in zip(
        contexts, language_model(llama, tokenizer).generate(contexts, [6] * len(contexts)), strict=True
    ):
        ids = torch.tensor([context])
        out = llama.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)[0].tolist()
        out = out[len(context) :]
        assert answer == (out[: out.index(0)] if 0 in out else out)  # 0: the end of text


def test_an_answer_stops_at_any_end_that_the_model_knows(tokenizer):
    model = sharp_model("llama", tokenizer)
    contexts = contexts_of()
    first = [greedy(model, context, 3, set())[1] for context in contexts]
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *first]
    scorer = language_model(model, tokenizer)
    assert set(scorer.end_ids) == {tokenizer.eos_token_id, *first}
    expected = [[greedy(model, context, 6, {tokenizer.eos_token_id, *first})] for context in contexts]
    assert max(len(answer) for (answer,) in expected) <= 1
    assert scorer.generate(contexts, [6] * len(contexts)) == expected


def test_generation_defaults_that_ship_with_a_model_do_not_count(tokenizer):
    model = sharp_model("llama", tokenizer)
    scorer = language_model(model, tokenizer)
    contexts = contexts_of()
    lengths = [6] * len(contexts)
    answers, samples = scorer.generate(contexts, lengths), scorer.generate(contexts, lengths, samples=3)
    shipped = GenerationConfig(
        do_sample=True, temperature=0.2, top_k=2, top_p=0.3, min_p=0.4, repetition_penalty=3.0, no_repeat_ngram_size=1,
        min_new_tokens=6, bad_words_ids=[[7]], forced_bos_token_id=9, num_beams=2, renormalize_logits=True,
    )  # fmt: skip
    model.generation_config = shipped
    assert scorer.generate(contexts, lengths) == answers
    assert scorer.generate(contexts, lengths, samples=3) == samples
    assert model.generation_config is shipped


def test_samples_are_seeded_and_leave_the_global_generator_alone(llama, tokenizer):
    scorer = language_model(llama, tokenizer)
    contexts, lengths = contexts_of(), [4] * 12
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = scorer.generate(contexts, lengths, samples=3, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert scorer.generate(contexts, lengths, samples=3, seed=1) == first
    assert scorer.generate(contexts, lengths, samples=3, seed=2) != first
    assert [len(texts) for texts in first] == [3] * 12
    # one after the other they are drawn anew, not repeated from the seed
    assert len({tuple(ids) for texts in scorer.generate([contexts[0]] * 12, lengths, samples=3) for ids in texts}) > 12


def test_samples_are_as_frequent_as_their_probabilities(tokenizer):
    # scaled less: no token is sure. 2,000 samples of the first token, against softmax(logits) of the plain pass
    model = sharp_model("llama", tokenizer, scale=3)
    context = contexts_of(1)[0]
    with torch.no_grad():
        exact = model(torch.tensor([context])).logits[0, -1].softmax(-1).numpy()
    n = 2000
    (samples,) = language_model(model, tokenizer, batch_tokens=1 << 20).generate([context], [1], samples=n, seed=0)
    counts = np.bincount([ids[0] if ids else tokenizer.eos_token_id for ids in samples], minlength=len(exact))
    # Pearson's statistic over tokens expected at least 5 times, the rest as one: mean k - 1, variance 2 (k - 1)
    often = exact * n >= 5
    seen, due = [*counts[often], counts[~often].sum()], [*(exact[often] * n), exact[~often].sum() * n]
    assert often.sum() > 20
    statistic = sum((s - d) ** 2 / d for s, d in zip(seen, due, strict=True))
    freedom = len(seen) - 1
    assert abs(statistic - freedom) < 3 * math.sqrt(2 * freedom)


def test_wrong_in_five_samples_as_often_as_the_exact_form_says(tokenizer):
    # the greedy first token of each context is the response: p = exp(its score), (1 - p)^5 = all of five samples miss
    model = sharp_model("llama", tokenizer, scale=4)
    scorer = language_model(model, tokenizer, batch_tokens=4096)
    contexts = contexts_of(300, longest=6)
    best = [greedy(model, context, 1, set()) for context in contexts]
    scored = scorer.score([[Scored(c + b, len(c))] for c, b in zip(contexts, best, strict=True)])
    p = np.exp([float(numbers[0, 0]) for (numbers,) in scored])
    exact = (1 - p) ** 5
    samples = scorer.generate(contexts, [1] * len(contexts), samples=5, seed=0)
    missed = sum(
        all((ids or [tokenizer.eos_token_id]) != b for ids in texts) for texts, b in zip(samples, best, strict=True)
    )
    assert 10 < exact.sum() < 290
    assert abs(missed - exact.sum()) < 3 * math.sqrt((exact * (1 - exact)).sum())


def test_when_memory_runs_out_while_generating_the_budget_halves(llama, tokenizer, monkeypatch):
    scorer = language_model(llama, tokenizer, batch_tokens=400)
    contexts = contexts_of()
    expected = scorer.generate(contexts, [4] * 12)
    own = hf.continued

    def limited(model, some, wanted, *rest):
        if sum(len(ids) + room for ids, room in zip(some, wanted.rooms, strict=True)) > 60:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return own(model, some, wanted, *rest)

    monkeypatch.setattr(hf, "continued", limited)
    assert scorer.generate(contexts, [4] * 12) == expected
    assert scorer.batch_tokens <= 120


def test_a_context_with_an_unknown_token_is_an_error(llama, tokenizer):
    with pytest.raises(UptakeError, match="token id 999"):
        language_model(llama, tokenizer).generate([[1, 999]], [2])
