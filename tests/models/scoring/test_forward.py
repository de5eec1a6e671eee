"""The engine's numbers against the model's plain forward pass, and the controls that show the comparison can fail."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

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
from uptake.errors import UptakeError
from uptake.models.scoring import forward
from uptake.models.scoring.abilities import probe_abilities
from uptake.models.scoring.forward import block_mask, forward_rows, position_limit
from uptake.models.scoring.rows import Scored, plan_row

SHARING = "llama qwen3 mistral gemma gemma2 gpt2 gpt_neox olmo2 phi cohere granite gemma3_text opt".split()
NOT_SHARING = ["falcon_mamba", "bloom"]
WHOLE = "llama4_text"  # its backbone has another name than transformers looks for: head and backbone run as one
NATS = 1e-4


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of()


@pytest.fixture(scope="module")
def llama(tokenizer):
    return sharp_model("llama", tokenizer)


def rows_of(groups):
    return [plan_row(group) for group in groups]


@pytest.mark.parametrize("model_type", [*SHARING, *NOT_SHARING, WHOLE])
def test_scores_are_those_of_each_sequence_alone(model_type, tokenizer):
    model = sharp_model(model_type, tokenizer)
    groups = with_greedy(model, groups_of())
    expected = [[plain(model, sequence) for sequence in group] for group in groups]
    scorer = language_model(model, tokenizer)
    found = scorer.score(groups)
    assert largest_difference(found, expected) < NATS
    assert same_flags(found, expected)
    assert sum(flags[1].all() for flags, *_ in found) >= len(groups)  # the greedy ones: the flags are not all 0
    assert scorer.abilities.shares_prefix is (model_type not in NOT_SHARING)
    assert scorer.abilities.splits_head is (model_type != WHOLE)


@pytest.mark.parametrize("model_type", SHARING)
def test_control_branches_that_see_each_other_do_differ(model_type, tokenizer, monkeypatch):
    model = sharp_model(model_type, tokenizer)
    groups = groups_of()
    expected = [[plain(model, sequence) for sequence in group] for group in groups]
    scorer = language_model(model, tokenizer)
    monkeypatch.setattr(
        forward, "block_mask", lambda ends, dtype: block_mask(torch.full_like(ends, forward.PADDING), dtype)
    )
    assert largest_difference(scorer.score(groups), expected) > 100 * NATS


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gpt_neox", "phi", "opt"])
def test_control_positions_that_do_not_restart_do_differ(model_type, tokenizer, monkeypatch):
    model = sharp_model(model_type, tokenizer)
    groups = groups_of()
    expected = [[plain(model, sequence) for sequence in group] for group in groups]
    scorer = language_model(model, tokenizer)
    inputs = forward._inputs

    def counted_on(*arguments):
        given = inputs(*arguments)
        if "position_ids" in given:
            given["position_ids"] = torch.arange(given["position_ids"].shape[1]).expand_as(given["position_ids"])
        return given

    monkeypatch.setattr(forward, "_inputs", counted_on)
    assert largest_difference(scorer.score(groups), expected) > 100 * NATS


@pytest.mark.parametrize(
    ("model_type", "field", "value"),
    [("gemma2", "final_logit_softcapping", 0.5), ("cohere", "logit_scale", 0.3), ("granite", "logits_scaling", 4.0)],
)
def test_the_models_own_head_is_used(model_type, field, value, tokenizer):
    # the same weights without the cap or the scale: were the head a bare matrix product, both would score alike
    model = sharp_model(model_type, tokenizer, **{field: value})
    bare = sharp_model(model_type, tokenizer, **{field: 1000.0 if "cap" in field else 1.0})
    groups = groups_of(4)
    expected = [[plain(model, sequence) for sequence in group] for group in groups]
    assert largest_difference(language_model(model, tokenizer).score(groups), expected) < NATS
    assert largest_difference(language_model(bare, tokenizer).score(groups), expected) > 100 * NATS


def test_block_mask_by_hand():
    low = torch.finfo(torch.float32).min
    never = forward.PADDING
    mask = block_mask(torch.tensor([[3, 2, 3, never]]), torch.float32)
    assert mask.shape == (1, 1, 4, 4)
    assert mask[0, 0].tolist() == [[0, low, low, low], [0, 0, low, low], [0, low, 0, low], [low, low, low, 0]]
    # the second of two paddings sees the first, and no token sees either
    padded = block_mask(torch.tensor([[2, 2, never, never]]), torch.float32)
    assert padded[0, 0].tolist() == [[0, low, low, low], [0, 0, low, low], [low, low, 0, low], [low, low, 0, 0]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}, None),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, (64, True)),
        ({"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 8}}, (8, False)),
        ({"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 16}, (16, False)),
        ({"rope_parameters": {"full": {"rope_type": "dynamic"}, "sliding": {"rope_type": "default"}}}, (64, True)),
    ],
)
def test_where_positions_begin_to_be_encoded_otherwise(fields, expected):
    # as `dynamic_rope_update` in transformers.modeling_rope_utils reads them, in its names of before and after 5.0
    assert position_limit(SimpleNamespace(**({"max_position_embeddings": 64} | fields))) == expected


def test_padding_changes_nothing(llama):
    # one long row and many short ones: the short ones are padded to many times their length
    groups = groups_of(3, context=(1, 3)) + groups_of(1, context=(60, 61))
    together = forward_rows(llama, rows_of(groups), 0)
    alone = np.concatenate([forward_rows(llama, [row], 0) for row in rows_of(groups)], axis=1)
    assert np.abs(together[0] - alone[0]).max() < NATS
    other_padding = forward_rows(llama, rows_of(groups), 77)
    assert np.array_equal(together, other_padding)


def test_logits_come_in_chunks_of_bounded_size(llama, monkeypatch):
    rows = rows_of(groups_of(6, response=(20, 40)))
    whole = forward_rows(llama, rows, 0)
    vocabulary = llama.config.vocab_size
    monkeypatch.setattr(forward, "LOGIT_BYTES", {"cpu": 7 * 4 * vocabulary})
    sizes = []
    read_off = forward._read_off

    def recorded(logits, *rest):
        sizes.append(tuple(logits.shape))
        return read_off(logits, *rest)

    monkeypatch.setattr(forward, "_read_off", recorded)
    chunked = forward_rows(llama, rows, 0)
    positions = sum(len(row.at) for row in rows)
    assert np.abs(chunked[0] - whole[0]).max() < 1e-5
    assert np.array_equal(chunked[1], whole[1])
    assert max(sizes) == (7, vocabulary)
    assert sum(rows for rows, _ in sizes) == positions  # the head meets scored positions only
    assert len(sizes) == math.ceil(positions / 7)


def test_an_error_while_reading_leaves_the_model_as_it_was(llama, monkeypatch):
    rows = rows_of(groups_of(2))
    before = forward_rows(llama, rows, 0)

    def fails(*_):
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(forward, "_read_off", fails)
        with pytest.raises(RuntimeError, match="broken") as kept:
            forward_rows(llama, rows, 0)
    # the traceback is alive, and with it every frame of the failed call
    assert kept.value.__traceback__ is not None
    assert np.array_equal(forward_rows(llama, rows, 0), before)


def test_a_vocabulary_padded_beyond_the_tokenizer(tokenizer):
    # as Qwen's: 320 tokens, 384 rows; the surplus rows take part in the normaliser, as in training
    model = sharp_model("llama", tokenizer)
    model.resize_token_embeddings(384, mean_resizing=False)
    groups = groups_of(4)
    expected = [[plain(model, sequence) for sequence in group] for group in groups]
    assert largest_difference(language_model(model, tokenizer).score(groups), expected) < NATS


def test_a_token_without_an_embedding_is_an_error(llama):
    for ids in ([1, 320, 2], [1, 2, 320]):  # as an input, and as the target alone
        with pytest.raises(UptakeError, match="token id 320, but the model has embeddings for 320"):
            forward_rows(llama, [plan_row([Scored(ids, 1)])], 0)


@pytest.mark.parametrize("splits_head", [True, False])
def test_an_impossible_token_has_probability_zero(tokenizer, splits_head):
    model = sharp_model("gpt_neox", tokenizer)
    head = torch.nn.Linear(64, 320)
    with torch.no_grad():
        head.weight.copy_(model.get_output_embeddings().weight)
        head.bias.zero_()
        head.bias[5] = -torch.inf
    model.set_output_embeddings(head)
    scores = forward_rows(model, [plan_row([Scored([1, 2, 5, 3], 1)])], 0, splits_head)
    expected = plain(model, Scored([1, 2, 5, 3], 1))
    assert scores[0, 1] == -math.inf == expected[0, 1]
    assert np.abs(scores[0, [0, 2]] - expected[0, [0, 2]]).max() < NATS
    # draws from below 6 tokens are sure to meet the impossible one
    assert probe_abilities(model, 6, None).reasons == ()


@pytest.mark.parametrize("model_type", [*SHARING, *NOT_SHARING, WHOLE])
@pytest.mark.parametrize("scale", [1, 5])
def test_abilities_are_the_same_in_half_precision(model_type, scale, tokenizer):
    model = sharp_model(model_type, tokenizer, scale=scale).to(torch.bfloat16)
    abilities = probe_abilities(model, 257, None)
    assert abilities.shares_prefix is (model_type not in NOT_SHARING)
    assert abilities.splits_head is (model_type != WHOLE)
    assert np.isfinite(forward_rows(model, rows_of(groups_of(2, k=1)), 0, abilities.splits_head)).all()


def test_a_model_that_does_not_call_its_backbone_runs_whole(tokenizer):
    # in half precision and with weights as drawn, wrong numbers can be near: nearness alone does not tell
    model = sharp_model("llama", tokenizer, scale=1).to(torch.bfloat16)
    backbone = model.model
    own = model.forward

    def forward(input_ids=None, inputs_embeds=None, **options):
        if inputs_embeds is None:
            return own(input_ids=input_ids, **options)
        return SimpleNamespace(logits=1.01 * model.lm_head(inputs_embeds))

    model.forward = forward
    assert probe_abilities(model, 257, None).reasons == ("its head cannot be run apart from its backbone",)
    assert "forward" not in backbone.__dict__


def test_a_model_that_does_not_heed_the_mask_is_found_out(tokenizer, monkeypatch):
    # accepts the argument and goes its own way, as many remote implementations do
    # in half precision with weights as drawn, what it gets wrong is less than rounding may be
    for dtype, scale in ((torch.float32, 5), (torch.bfloat16, 5), (torch.bfloat16, 1)):
        model = sharp_model("llama", tokenizer, scale=scale).to(dtype)
        own = model.model.forward
        model.model.forward = lambda *args, own=own, attention_mask=None, **kwargs: own(*args, **kwargs)
        abilities = probe_abilities(model, 257, None)
        assert not abilities.shares_prefix
        assert abilities.splits_head
        assert "off by" in abilities.reasons[0]
