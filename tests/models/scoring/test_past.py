"""What rows begin with is computed once, and their scores are those of each row alone."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from sharp import (
    groups_of,
    language_model,
    largest_difference,
    plain,
    same_flags,
    sharp_model,
    tokenizer_of,
    with_greedy,
)
from uptake.models.scoring import abilities, hf, past
from uptake.models.scoring.rows import Scored, plan_row

NATS = 1e-4
SLIDING = ("mistral", "gemma2", "gemma3_text")
CONTINUING = ("llama", "qwen3", "gpt2", "gpt_neox", "opt", "phi", "cohere", "bloom", *SLIDING)
SYSTEM = list(range(100, 130))
"""What all rows begin with: 30 tokens, as SmolLM2's system turn."""


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of()


@pytest.fixture(scope="module")
def llama(tokenizer):
    return sharp_model("llama", tokenizer)


@pytest.fixture(autouse=True)
def _any_saving_is_worth_it(monkeypatch):
    monkeypatch.setattr(hf, "WORTH", {"cpu": 1})
    monkeypatch.setattr(hf, "ROW", 8)  # in longer rows a beginning is shared without being computed apart


def begun(groups, ids=SYSTEM):
    """The same groups after some tokens."""
    return [[Scored([*ids, *one.ids], one.start + len(ids)) for one in group] for group in groups]


def expected_of(model, groups):
    return [[plain(model, one) for one in group] for group in groups]


def fed(model):
    """Records how many tokens each forward pass is given."""
    sizes = []
    model.get_input_embeddings().register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].numel()))
    return sizes


def different_beginnings(groups):
    """How many tokens there are to compute: the different beginnings of what is input."""
    return len({tuple(one.ids[:end]) for group in groups for one in group for end in range(1, len(one.ids))})


@pytest.mark.parametrize("model_type", CONTINUING)
def test_scores_after_a_common_beginning_are_those_of_each_row_alone(model_type, tokenizer):
    small = {"sliding_window": 8} if model_type in SLIDING else {}
    model = sharp_model(model_type, tokenizer, **small)
    # lengths that differ, alone and in candidates, and rows that share nothing with the others
    groups = with_greedy(model, [*begun(groups_of(40)), *begun([group[:1] for group in groups_of(4, seed=7)])])
    groups += groups_of(2, seed=3)
    expected = expected_of(model, groups)
    scorer = language_model(model, tokenizer, window=8 if small else None)
    assert scorer.abilities.continues
    sizes = fed(model)
    found = scorer.score(groups)
    assert largest_difference(found, expected) < NATS
    assert same_flags(found, expected)
    assert len(SYSTEM) in sizes


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gemma2"])
def test_control_after_another_beginning_they_differ(model_type, tokenizer, monkeypatch):
    model = sharp_model(model_type, tokenizer)
    groups = begun(groups_of(30))
    scorer = language_model(model, tokenizer)
    own = hf.past_of
    monkeypatch.setattr(hf, "past_of", lambda backbone, ids: own(backbone, [*ids[:-1], ids[-1] + 1]))
    assert largest_difference(scorer.score(groups), expected_of(model, groups)) > 100 * NATS


def test_every_shared_token_is_computed_once(llama, tokenizer, monkeypatch):
    # no two groups go on with the same token, so their beginning is all that they share
    groups = begun([[Scored([n, *one.ids], one.start + 1) for one in g] for n, g in enumerate(groups_of(12, k=1))])
    sizes = fed(llama)
    scorer = language_model(llama, tokenizer, batch_tokens=1)  # a row in each batch, without padding
    sizes.clear()
    scorer.score(groups)
    assert sizes[0] == len(SYSTEM)
    assert sum(sizes) == different_beginnings(groups)
    # all in one row: questions that begin alike, and the same question in several groups
    monkeypatch.setattr(hf, "ROW", 4000)
    groups = begun([*groups_of(12), *groups_of(12)[:4], *begun(groups_of(6, seed=2), [7, 8, 9])])
    scorer.batch_tokens = 10_000
    sizes.clear()
    assert largest_difference(scorer.score(groups), expected_of(llama, groups)) < NATS
    assert sizes[0] == different_beginnings(groups)


def test_beginnings_of_two_data_sets_are_computed_apart(llama, tokenizer):
    other = list(range(50, 95))
    groups = [*begun(groups_of(30)), *begun(groups_of(30, seed=5), other)]
    order = np.random.default_rng(0).permutation(len(groups)).tolist()
    groups = [groups[index] for index in order]
    sizes = fed(llama)
    scorer = language_model(llama, tokenizer)
    sizes.clear()
    assert largest_difference(scorer.score(groups), expected_of(llama, groups)) < NATS
    assert {len(SYSTEM), len(other)} <= set(sizes)


def test_a_whole_prompt_is_the_beginning(llama, tokenizer):
    # twenty answers to one prompt, of which another prompt is the beginning, and a row that is all beginning
    prompt = [*SYSTEM, 7, 8, 9]
    groups = [[Scored([*prompt, n, n + 1, 3], len(prompt))] for n in range(20)]
    groups += [[Scored([*prompt, 5, 6, n], len(prompt) + 2)] for n in range(20)]
    groups += [[Scored([*SYSTEM, 7], len(SYSTEM))], [Scored([*prompt, 5], 1)]]
    found = language_model(llama, tokenizer).score(groups)
    assert largest_difference(found, expected_of(llama, groups)) < NATS
    assert same_flags(found, expected_of(llama, groups))


def test_rows_with_nothing_in_common_go_as_before(llama, tokenizer):
    groups = [[Scored([n, *one.ids], one.start + 1) for one in group] for n, group in enumerate(groups_of(12))]
    scorer = language_model(llama, tokenizer)
    sizes = fed(llama)
    found = scorer.score(groups)
    with_ability = list(sizes)
    scorer.abilities = abilities.Abilities(True, True)
    sizes.clear()
    again = scorer.score(groups)
    assert sizes == with_ability
    assert all(
        np.array_equal(a, b) for one, two in zip(found, again, strict=True) for a, b in zip(one, two, strict=True)
    )


def test_the_same_rows_give_the_same_bytes(llama, tokenizer):
    groups = begun(groups_of(40))
    first, second = (language_model(llama, tokenizer).score(groups) for _ in range(2))
    assert all(
        np.array_equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True)
    )


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # in peft
def test_after_an_adapter(tokenizer):
    model = get_peft_model(
        sharp_model("llama", tokenizer), LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    ).eval()
    groups = begun(groups_of(40))
    scorer = language_model(model, tokenizer)
    assert scorer.abilities.continues
    sizes = fed(model)
    assert largest_difference(scorer.score(groups), expected_of(model, groups)) < NATS
    assert sizes[0] == len(SYSTEM)
    with model.disable_adapter():  # the adapter is in these numbers
        assert largest_difference(scorer.score(groups), expected_of(model, groups)) < NATS
        without = expected_of(model, groups)
    assert largest_difference(scorer.score(groups), without) > 100 * NATS


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gemma3_text"])
def test_in_half_precision(model_type, tokenizer):
    model = sharp_model(model_type, tokenizer, scale=1).to(torch.bfloat16)
    groups = begun(groups_of(40))
    scorer = language_model(model, tokenizer)
    assert scorer.abilities.continues
    found, expected = scorer.score(groups), expected_of(model, groups)
    # as far apart as the same rows in another company are: a few units in the last of 8 bits of a logit, for each token
    most = max(len(one.ids) - one.start for group in groups for one in group)
    assert largest_difference(found, expected) < most * 8 * torch.finfo(torch.bfloat16).eps


LONGROPE = {
    "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 8, "long_factor": [4.0] * 8,
    "original_max_position_embeddings": 36, "factor": 8.0,
}  # fmt: skip
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}


@pytest.mark.parametrize("rope", [LONGROPE, DYNAMIC])
def test_a_beginning_is_not_shared_across_a_limit_of_positions(rope, tokenizer):
    # 30 tokens and 2 to 26 more: rows on both sides of the limit of 36
    longest = 36 if rope is DYNAMIC else 96
    model = sharp_model("llama", tokenizer, rope_parameters=dict(rope), max_position_embeddings=longest)

    def alone(one):
        with torch.no_grad():
            logits = copy.deepcopy(model)(torch.tensor([one.ids[:-1]])).logits[0, one.start - 1 :].log_softmax(-1)
        return logits.gather(1, torch.tensor(one.ids[one.start :])[:, None]).T.numpy()

    groups = begun(groups_of(16, k=1))
    expected = [[alone(one) for one in group] for group in groups]
    scorer = language_model(model, tokenizer, batch_tokens=4000)
    assert largest_difference(scorer.score(groups), expected) < NATS
    scorer.__dict__["_limit"] = None  # control
    assert largest_difference(scorer.score(groups), expected) > 100 * NATS


def test_a_model_without_keys_and_values_scores_whole_rows(tokenizer):
    model = sharp_model("falcon_mamba", tokenizer)
    scorer = language_model(model, tokenizer)
    assert not scorer.abilities.continues
    assert "computed anew" in scorer.abilities.reasons[-1]
    groups = begun(groups_of(4, k=1))
    assert largest_difference(scorer.score(groups), expected_of(model, groups)) < NATS


def test_a_model_that_does_not_go_on_from_what_it_is_given_is_found_out(tokenizer, monkeypatch):
    # positions that begin anew after the beginning, as in an implementation that does not count what came before
    for dtype, scale in ((torch.float32, 5), (torch.bfloat16, 5)):
        model = sharp_model("llama", tokenizer, scale=scale).to(dtype)
        own = model.model.forward

        def forward(*args, own=own, position_ids=None, input_ids=None, **kwargs):
            positions = torch.arange(input_ids.shape[1])[None]
            return own(*args, input_ids=input_ids, position_ids=positions, **kwargs)

        model.model.forward = forward
        found = abilities.probe_abilities(model, 257, None)
        assert not found.continues
        [reason] = [one for one in found.reasons if "computed anew" in one]
        assert "off by" in reason


def test_without_memory_for_a_beginning_rows_are_scored_whole(llama, tokenizer, monkeypatch):
    groups = begun(groups_of(30))
    scorer = language_model(llama, tokenizer)

    def none(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(hf, "past_of", none)
    assert largest_difference(scorer.score(groups), expected_of(llama, groups)) < NATS


def test_a_batch_leaves_the_past_as_it_was(llama):
    one = past.past_of(llama.model, SYSTEM)
    before = copy.deepcopy(one.layers)
    for rows in (1, 5):
        llama.model(torch.full((rows, 4), 3), past_key_values=one.cache(rows), use_cache=True)
    assert all(
        torch.equal(old.keys, new.keys) and torch.equal(old.values, new.values)
        for old, new in zip(before, one.layers, strict=True)
    )
    assert one.layers[0].keys.shape[-2] == len(SYSTEM)


MAMBA2 = {"mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 16, "mamba_chunk_size": 16}
MOE = {"num_experts_per_tok": 2, "num_experts": 4, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32}
LINEAR = {"linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 16}
FORKING = {
    "mamba2": {"num_heads": 8, "head_dim": 16, "expand": 2, "state_size": 16, "n_groups": 1, "chunk_size": 16},
    "bamba": {"attn_layer_indices": [1], **MAMBA2},
    "falcon_h1": {"mamba_d_ssm": 128, **MAMBA2},
    "qwen3_next": {"num_hidden_layers": 4, "head_dim": 16, "linear_value_head_dim": 16, **LINEAR, **MOE},
    "lfm2": {"full_attn_idxs": [1]},
}
"""Layers with a state, alone and beside such with keys and values; a beginning is longer than their chunks of 16."""
BEGINNING_ANEW = {
    "mamba": {},
    "falcon_mamba": {},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8, "use_mamba_kernels": False},
}
"""In transformers 5.23 the scan of their first kind of layers begins with zeros, whatever was read before."""


LINEAR_FIRST = {"layer_types": ["linear_attention", "full_attention", "linear_attention"]}
COMPANY = {
    "recurrent_gemma": ("one length", {"lru_width": 64, "attention_window_size": 64, "head_dim": 16}),
    "minimax": ("one length", {"block_size": 8, "num_local_experts": 2, "head_dim": 16, **LINEAR_FIRST}),
    "rwkv": ("none", {"attention_hidden_size": 64, "context_length": 128}),
}
"""In transformers 5.23 padding goes through their state, in MiniMax from the second token of an answer on; what RWKV
keeps of the rows of a batch is mixed up when they go on."""


def recurrent_model(model_type, tokenizer, dtype=torch.float32):
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96}
    own = {**FORKING, **BEGINNING_ANEW, **{name: own for name, (_, own) in COMPANY.items()}}[model_type]
    without = ("mamba", "mamba2", "falcon_mamba", "rwkv")
    given = {"hidden_size": 64, "num_hidden_layers": 3, **({} if model_type in without else heads), **own}
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(model_type, vocab_size=len(tokenizer), **given, **ids)
    )
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(3)
    return model.to(dtype).eval()


@pytest.mark.parametrize("model_type", FORKING)
def test_rows_go_on_from_copies_of_a_recurrent_state(model_type, tokenizer):
    model = recurrent_model(model_type, tokenizer)
    scorer = language_model(model, tokenizer)
    assert scorer.abilities.continues
    assert not scorer.abilities.shares_prefix and not scorer.abilities.grows
    groups = with_greedy(model, [*begun(groups_of(12)), *groups_of(2, seed=3)])
    expected = expected_of(model, groups)
    sizes = fed(model)
    found = scorer.score(groups)
    assert largest_difference(found, expected) < NATS
    assert same_flags(found, expected)
    assert len(SYSTEM) in sizes
    again = scorer.score(groups)  # the state was copied, and is what it was
    assert all(np.array_equal(a, b) for x, y in zip(found, again, strict=True) for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("field", ["conv_states", "recurrent_states"])
def test_control_from_an_empty_state_they_differ(field, tokenizer, monkeypatch):
    model = recurrent_model("mamba2", tokenizer)
    scorer, groups, own = language_model(model, tokenizer), begun(groups_of(12)), hf.past_of
    monkeypatch.setattr(hf, "past_of", lambda backbone, ids: own(backbone, ids).blank(field))
    assert largest_difference(scorer.score(groups), expected_of(model, groups)) > 100 * NATS


def test_copies_of_a_state_bound_a_batch(tokenizer, monkeypatch):
    model = recurrent_model("mamba2", tokenizer)
    scorer, groups = language_model(model, tokenizer, batch_tokens=100_000), begun(groups_of(12))
    one = past.past_of(model.get_decoder(), SYSTEM)
    # three layers of 8 heads by 16 by 16, and the last 4 inputs of 128 + 2 * 16 channels, in 4 bytes
    assert one.bytes_a_row == 3 * 4 * (8 * 16 * 16 + 4 * 160)
    batches = []
    model.get_input_embeddings().register_forward_hook(lambda _, inputs, __: batches.append(len(inputs[0])))
    found = scorer.score(groups)
    assert max(batches) > 5
    monkeypatch.setattr(hf, "STATE_BYTES", {"cpu": 5 * one.bytes_a_row})
    batches.clear()
    assert largest_difference(scorer.score(groups), found) < NATS
    assert max(batches) == 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model_type", BEGINNING_ANEW)
def test_a_state_that_is_not_gone_on_from_is_found_out(model_type, dtype, tokenizer):
    found = abilities.probe_abilities(recurrent_model(model_type, tokenizer, dtype), 257, None)
    assert not found.continues and not found.grows
    assert "computed anew" in found.reasons[-1]


@pytest.mark.parametrize("model_type", FORKING)
def test_a_state_goes_through_all_of_a_row_in_half_precision_too(model_type, tokenizer):
    found = abilities.probe_abilities(recurrent_model(model_type, tokenizer, torch.bfloat16), 257, None)
    assert found.continues
    assert not found.shares_prefix


@pytest.mark.parametrize("model_type", [*FORKING, *BEGINNING_ANEW])
def test_padding_that_a_model_leaves_out_is_no_hindrance(model_type, tokenizer):
    found = abilities.probe_abilities(recurrent_model(model_type, tokenizer), 257, None)
    assert found.company == "any" and not any("together" in reason for reason in found.reasons)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model_type", COMPANY)
def test_what_changes_the_answers_of_others_is_found_out(model_type, dtype, tokenizer):
    found = abilities.probe_abilities(recurrent_model(model_type, tokenizer, dtype), 257, None)
    assert (found.grows, found.company) == (False, COMPANY[model_type][0])
    assert "answered together" in found.reasons[-1]


@pytest.mark.parametrize("model_type", COMPANY)
def test_control_in_any_company_answers_are_others(model_type, tokenizer):
    scorer, contexts = language_model(recurrent_model(model_type, tokenizer), tokenizer), contexts_of()
    sizes = fed(scorer.model)
    found = scorer.generate(contexts, [4] * len(contexts))
    assert (max(sizes) > max(map(len, contexts))) == (scorer.abilities.company == "one length")
    samples = scorer.generate([[5, 6]], [2], samples=3)
    assert len(samples[0]) == 3 and max(map(len, samples[0])) == 2
    scorer.abilities = replace(scorer.abilities, company="any")
    assert scorer.generate(contexts, [4] * len(contexts)) != found


@pytest.mark.parametrize("model_type", ["mamba2", "bamba", *COMPANY])
def test_answers_of_a_model_with_a_state_are_those_of_each_context_alone(model_type, tokenizer):
    model = recurrent_model(model_type, tokenizer)
    scorer, contexts = language_model(model, tokenizer), contexts_of()
    expected = [continued_alone(model, context, 4, scorer.end_ids) for context in contexts]
    assert scorer.generate(contexts, [4] * len(contexts)) == expected


def test_a_row_after_its_beginning_by_hand():
    row = plan_row([Scored([1, 2, 3, 4, 5, 6], 3), Scored([1, 2, 3, 7, 8], 3)])
    after = row.after(2)  # the 3 predicts the first tokens that are scored
    assert (after.ids, after.positions, after.ends) == ([3, 4, 5, 7], [2, 3, 4, 3], [4, 3, 3, 4])
    assert after.at == [0, 1, 2, 3]
    assert (after.source, after.target) == (row.source, row.target)


def continued_alone(model, context, length, ends):
    """Reference: one arg-max after the other, without anything kept."""
    ids = list(context)
    for _ in range(length):
        with torch.no_grad():
            token = int(model(torch.tensor([ids])).logits[0, -1].argmax())
        if token in ends:
            break
        ids.append(token)
    return [ids[len(context) :]]


def contexts_of(n=10):
    """Prompts after what all begin with, one of them nothing but that, and one that shares nothing."""
    return [one.ids[: one.start] for (one,) in begun(groups_of(n, k=1))] + [SYSTEM, [5, 6]]


@pytest.mark.parametrize("model_type", [*CONTINUING, "falcon_mamba"])
def test_answers_after_a_common_beginning_are_those_of_each_context_alone(model_type, tokenizer):
    small = {"sliding_window": 8} if model_type in SLIDING else {}
    model = sharp_model(model_type, tokenizer, **small)
    scorer = language_model(model, tokenizer, window=8 if small else None)
    contexts = contexts_of()
    rooms = [1 + index % 6 for index in range(len(contexts))]
    expected = [
        continued_alone(model, context, room, scorer.end_ids) for context, room in zip(contexts, rooms, strict=True)
    ]
    for budget in (1, 100_000):
        scorer.batch_tokens = budget
        assert scorer.generate(contexts, rooms) == expected


def test_a_context_is_read_once_and_what_has_ended_is_not_carried_on(llama, tokenizer):
    scorer = language_model(llama, tokenizer, batch_tokens=100_000)
    contexts = [[*SYSTEM, n, n + 1, n + 2] for n in range(10)]
    rooms = [1 + index % 6 for index in range(10)]
    written = scorer.generate(contexts, rooms)
    sizes = fed(llama)
    assert scorer.generate(contexts, rooms) == written
    # the last token of an answer is no input; one that ended by itself had its end computed as well
    steps = [min(len(ids), room - 1) for (ids,), room in zip(written, rooms, strict=True)]
    assert sizes == [len(SYSTEM), 3 * 10, *(sum(n > k for n in steps) for k in range(max(steps)))]
    sizes.clear()
    scorer.generate(contexts, [4] * 10, samples=3)
    assert sizes[:2] == [len(SYSTEM), 3 * 10]  # and not anew for each sample


def test_an_answer_stops_where_it_is_enough(llama, tokenizer):
    scorer = language_model(llama, tokenizer)
    contexts = contexts_of()
    whole = scorer.generate(contexts, [6] * len(contexts))
    asked = {}

    def enough(index, ids):
        asked.setdefault(index, []).append(list(ids))
        return len(ids) > index % 3

    found = scorer.generate(contexts, [6] * len(contexts), enough=enough)
    assert found == [[ids[: 1 + index % 3]] for index, (ids,) in enumerate(whole)]
    assert all(seen == [whole[index][0][:n] for n in range(1, len(seen) + 1)] for index, seen in asked.items())


def test_samples_after_a_common_beginning_are_as_frequent_as_their_probabilities(tokenizer):
    # 3,000 samples of the first token of one prompt, drawn in company, against softmax(logits) of the plain pass
    model = sharp_model("llama", tokenizer, scale=3)
    contexts = [[*SYSTEM, 4], [*SYSTEM, 9, 9, 9]]
    with torch.no_grad():
        exact = model(torch.tensor(contexts[:1])).logits[0, -1].softmax(-1).numpy()
    scorer = language_model(model, tokenizer, batch_tokens=1 << 20)
    samples, other = scorer.generate(contexts, [1, 2], samples=3000)
    counts = np.bincount([ids[0] if ids else tokenizer.eos_token_id for ids in samples], minlength=len(exact))
    often = exact * 3000 >= 20
    assert often.sum() > 5
    # of some dozens none is four standard deviations away
    spread = np.sqrt(3000 * exact * (1 - exact))
    assert (np.abs(counts - 3000 * exact)[often] < 4 * spread[often]).all()
    assert max(map(len, other)) == 2
