"""Next-token training: what is trained on, what is reported, what is refused."""

from __future__ import annotations

import pytest
import torch

from uptake.errors import UptakeError
from uptake.models.small.pretrain import PretrainSettings, _skips_padding, one_thread, pretrain
from uptake.models.small.tiny import build_model, train_tokenizer

TEXTS = [f"Person {i} was born in {('Paris', 'London', 'Rome')[i % 3]}" for i in range(60)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 320)


@pytest.fixture
def model(tokenizer):
    return build_model("llama", tokenizer, 0, hidden_size=32, num_attention_heads=2)


@pytest.mark.parametrize("texts", [[], ["", " \n"]])
def test_no_text_is_an_error(texts, model, tokenizer):
    with pytest.raises(UptakeError, match="no text"):
        pretrain(model, tokenizer, texts, PretrainSettings(steps=1))


def test_a_text_is_learned_with_its_end(model, tokenizer):
    with one_thread():
        pretrain(model, tokenizer, TEXTS[:6], PretrainSettings(steps=80, batch_size=6, learning_rate=1e-2))
    prompt = tokenizer("Person 4 was born in", return_tensors="pt")["input_ids"]
    written = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False)
    assert tokenizer.decode(written[0, prompt.shape[1] :]) == " London<|endoftext|>"


def test_loss_is_that_of_transformers_and_tokens_are_counted(model, tokenizer):
    ids = torch.tensor([[*tokenizer(TEXTS[0])["input_ids"], tokenizer.eos_token_id]])
    with torch.inference_mode():
        expected = model(ids, labels=ids).loss.item()
    seen = []
    history = pretrain(model, tokenizer, TEXTS[:1], PretrainSettings(steps=1, batch_size=2), seen.append)
    assert history == tuple(seen)
    assert history[0].loss == pytest.approx(expected, abs=1e-5)
    assert (history[0].step, history[0].steps, history[0].tokens) == (1, 1, 2 * ids.shape[1])


def test_padding_changes_nothing(model, tokenizer):
    # the loss of a batch is the mean over its tokens, whatever the lengths of its rows
    texts = ["Rome", TEXTS[0] + " and " + TEXTS[1]]
    sums, counts = 0.0, 0
    for text in texts:
        ids = torch.tensor([[*tokenizer(text)["input_ids"], tokenizer.eos_token_id]])
        with torch.inference_mode():
            sums += model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        counts += ids.shape[1] - 1
    history = pretrain(model, tokenizer, texts, PretrainSettings(steps=1, batch_size=2))
    assert history[0].loss == pytest.approx(sums / counts, abs=1e-5)


def test_long_documents_continue_in_further_rows(model, tokenizer):
    # every token but the document's first is predicted once: 11 rows of at most 4 tokens share their border tokens
    ids = [*tokenizer("Q" * 33)["input_ids"], tokenizer.eos_token_id]
    assert len(ids) == 34
    settings = PretrainSettings(steps=1, batch_size=11, max_length=4)
    history = pretrain(model, tokenizer, ["Q" * 33], settings)
    assert history[0].tokens == 33 + 11


def test_reports_come_at_their_steps(model, tokenizer):
    history = pretrain(
        model, tokenizer, TEXTS, PretrainSettings(steps=5, batch_size=2, report_every=2, warmup_ratio=0.0)
    )
    assert [report.step for report in history] == [2, 4, 5]


def test_diverging_is_an_error(model, tokenizer):
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(UptakeError, match="lower the learning rate"):
        pretrain(model, tokenizer, TEXTS, PretrainSettings(steps=2, batch_size=2))


@pytest.mark.parametrize("settings", [{"steps": 0}, {"learning_rate": -1.0}, {"max_length": 1}, {"warmup_ratio": 2.0}])
def test_impossible_settings_are_errors_that_name_them(settings):
    with pytest.raises(UptakeError, match=next(iter(settings))):
        PretrainSettings(**settings)


def test_one_thread_is_given_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "cohere"])
def test_padding_that_never_meets_the_vocabulary_changes_nothing(architecture, tokenizer, monkeypatch):
    # gemma2 caps its logits and cohere scales them: the head is the model's own code
    losses = {}
    for skips in (True, False):
        model = build_model(architecture, tokenizer, 0, hidden_size=32, num_attention_heads=2)
        if not skips:
            monkeypatch.setattr("uptake.models.small.pretrain._skips_padding", lambda *_: False)
        else:
            assert _skips_padding(model.eval(), [[3, 4, 5], [6, 7]], tokenizer.pad_token_id)
        history = pretrain(model, tokenizer, TEXTS + ["Rome"], PretrainSettings(steps=4, batch_size=8, report_every=1))
        losses[skips] = [one.loss for one in history]
    assert losses[True] == pytest.approx(losses[False], rel=1e-4)
    assert losses[True][-1] < losses[True][0]


def test_a_model_whose_head_cannot_be_run_apart_trains_whole(tokenizer, monkeypatch):
    model = build_model("llama", tokenizer, 0, hidden_size=32, num_attention_heads=2)
    monkeypatch.setattr(type(model), "get_decoder", lambda self: self)
    assert not _skips_padding(model.eval(), [[3, 4, 5], [6, 7]], tokenizer.pad_token_id)
    assert len(pretrain(model, tokenizer, TEXTS, PretrainSettings(steps=1))) == 1
