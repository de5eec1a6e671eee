"""The engine from probes to scores: equal to lm-evaluation-harness, in order, a window at a time."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest

from sharp import language_model, plain, sharp_model, tokenizer_of
from uptake.errors import UptakeError
from uptake.models.scoring.rows import Scored
from uptake.models.small.tiny import CHATML
from uptake.score import score
from uptake.types import TRAINING, Candidate, Message, Probe

NATS = 1e-4
TOWNS = (" Paris", " London", " Rome", " London, 1905.")
EOS = "<|endoftext|>"


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of(400, chat_template=CHATML)


@pytest.fixture(scope="module")
def model(tokenizer):
    return language_model(sharp_model("llama", tokenizer), tokenizer, batch_tokens=500)


def probe_of(name, prompt, answers, right=0, **fields):
    return Probe(name, TRAINING, prompt, tuple(Candidate(text, "option") for text in answers), right, **fields)


def probes_of(n=40):
    """Prompts of very different lengths, each with two to four candidates, the right one at any place."""
    return [
        probe_of(
            str(index),
            " ".join(f"Person {k} was born in Rome." for k in range(index % 7)) + f" Person {index} was born in",
            TOWNS[: 2 + index % 3],
            right=index % 2,
        )
        for index in range(n)
    ]


def same(some, other):
    """Equal within rounding; everything but the numbers equal exactly."""
    assert len(some) == len(other)
    for one, two in zip(some, other, strict=True):
        assert (one.example_id, one.wording, one.right) == (two.example_id, two.wording, two.right)
        assert (one.n_tokens, one.n_bytes) == (two.n_tokens, two.n_bytes)
        assert (one.recalled, one.end_recalled) == (two.recalled, two.end_recalled)
        assert np.abs(np.subtract(one.logprobs, two.logprobs)).max() < NATS
        assert one.end_logprob == pytest.approx(two.end_logprob, abs=NATS)


def greedy_text(model, prompt, length):
    """What the model says, where it encodes to the tokens that were said."""
    context = model.tokenizer(prompt)["input_ids"]
    ((ids,),) = model.generate([context], [length])
    text = model.tokenizer.decode(ids)
    return text if ids and model.tokenizer(prompt + text)["input_ids"] == context + ids else None


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gemma3_text"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:lm_eval")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:evaluate")
def test_equal_to_lm_evaluation_harness(model_type, tokenizer, caplog):
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    caplog.set_level(logging.CRITICAL)
    model = language_model(sharp_model(model_type, tokenizer, seed=1), tokenizer, batch_tokens=500)
    probes = probes_of()
    # and what the model itself says (with this seed mostly valid text), so that greedy decoding gives some candidates
    said = [(f"Person {index} was born", greedy_text(model, f"Person {index} was born", 3)) for index in range(60)]
    probes += [probe_of(prompt, prompt, (text, " in Oz")) for prompt, text in said if text and text.strip()]
    assert len(probes) > 50
    found = list(score(probes, model))

    harness = HFLM(pretrained=model.model, tokenizer=tokenizer, batch_size=8)
    asked = [(probe.prompt, candidate.text) for probe in probes for candidate in probe.candidates]
    requests = [Instance("loglikelihood", {}, pair, number) for number, pair in enumerate(asked)]
    answers = iter(harness.loglikelihood(requests, disable_tqdm=True))
    off = []
    for probe, own in zip(probes, found, strict=True):
        theirs = [next(answers) for _ in probe.candidates]
        off += [abs(one - other) for one, (other, _) in zip(own.logprobs, theirs, strict=True)]
        assert np.argmax(own.logprobs) == np.argmax([value for value, _ in theirs])
        assert own.recalled is theirs[probe.right][1]
    assert max(off) < 1e-3
    assert sum(own.recalled for own in found) >= 10  # both answers of is_greedy occur
    assert not all(own.recalled for own in found)


def test_scores_depend_neither_on_windows_nor_on_budget_nor_on_order(model, tokenizer):
    probes = probes_of()
    expected = list(score(probes, model))
    assert [own.example_id for own in expected] == [probe.example_id for probe in probes]
    for window in (1, 3, 1000):
        same(list(score(probes, model, window=window)), expected)
    for budget in (1, 100, 100_000):
        other = language_model(model.model, tokenizer, batch_tokens=budget)
        same(list(score(probes, other)), expected)
    order = np.random.default_rng(0).permutation(len(probes)).tolist()
    same(list(score([probes[index] for index in order], model, window=7)), [expected[index] for index in order])


def test_probes_are_read_one_window_ahead_at_most(model):
    read = []

    def source():
        for probe in probes_of(30):
            read.append(probe)
            yield probe

    scores = score(source(), model, window=4)
    assert read == []
    for number, own in enumerate(scores):
        assert own.example_id == str(number)
        assert len(read) <= 4 * (number // 4 + 1)


def test_the_end_of_text_is_scored_apart(model, tokenizer):
    prompt, answer = "Person 1 was born in", " London"
    (own,) = score([probe_of("1", prompt, (" Rome", answer), right=1)], model)
    context, ids = tokenizer(prompt)["input_ids"], tokenizer(prompt + answer)["input_ids"]
    assert ids[: len(context)] == context
    expected = plain(model.model, Scored([*ids, tokenizer.eos_token_id], len(context)))
    assert own.n_tokens[1] == len(ids) - len(context)
    assert own.logprob == pytest.approx(float(expected[0, :-1].sum()), abs=NATS)
    assert own.p_response == pytest.approx(math.exp(expected[0, :-1].sum()), rel=1e-3)
    assert own.end_logprob == pytest.approx(float(expected[0, -1]), abs=NATS)
    assert own.end_recalled is bool(expected[1, -1])
    assert own.n_bytes == (5, 7)


def test_a_response_that_brings_its_own_end_has_none_after_it(model, tokenizer):
    # TRL appends the end of text unless it is there; then its token is the end's, not the response's
    (own,) = score([probe_of("1", "Person 1 was born in", (" Rome" + EOS,))], model)
    (bare,) = score([probe_of("1", "Person 1 was born in", (" Rome",))], model)
    assert own.end_logprob == pytest.approx(bare.end_logprob, abs=NATS)
    assert own.logprob == pytest.approx(bare.logprob, abs=NATS)


def test_without_an_end_of_text_none_is_scored(tokenizer):
    bare = tokenizer_of(400)
    bare.eos_token = None
    model = language_model(sharp_model("llama", tokenizer), bare)
    (own,) = score([probe_of("1", "Person 1 was born in", (" Rome",))], model)
    assert own.end_logprob is None
    assert own.end_recalled is None


def test_the_end_of_turn_of_a_chat_is_scored_apart(model, tokenizer):
    chat = (Message("user", "Where was Person 1 born?"),)
    (own,) = score([probe_of("1", chat, ("Rome", "Paris"))], model)
    prompt = "<|im_start|>user\nWhere was Person 1 born?<|im_end|>\n<|im_start|>assistant\n"  # ChatML by hand
    context = tokenizer(prompt)["input_ids"]
    answer = tokenizer("Rome")["input_ids"]
    end = tokenizer("<|im_end|>\n")["input_ids"]
    expected = plain(model.model, Scored(context + answer + end, len(context)))[0]
    assert own.n_tokens[0] == len(answer)
    assert own.logprob == pytest.approx(float(expected[: len(answer)].sum()), abs=NATS)
    assert own.end_logprob == pytest.approx(float(expected[len(answer) :].sum()), abs=NATS)
    rival = plain(model.model, Scored(context + tokenizer("Paris")["input_ids"], len(context)))[0]
    assert own.logprobs[1] == pytest.approx(float(rival.sum()), abs=NATS)


def test_a_text_is_scored_from_its_second_token(model, tokenizer):
    text = "Person 1 was born in London, 1901."
    (own,) = score([probe_of("1", "", (text,))], model)
    ids = tokenizer(text)["input_ids"]
    expected = plain(model.model, Scored([*ids, tokenizer.eos_token_id], 1))[0]
    assert own.n_tokens == (len(ids) - 1,)
    assert own.logprob == pytest.approx(float(expected[:-1].sum()), abs=NATS)
    assert own.end_logprob == pytest.approx(float(expected[-1]), abs=NATS)


def test_a_response_without_a_token_to_score_is_an_error(model):
    with pytest.raises(UptakeError, match="example 7: its response 'P' has no token to score"):
        list(score([probe_of("7", "", ("P",))], model))


def test_candidates_that_begin_each_other_or_are_equal(model, tokenizer):
    answers = (" London", " London, 1905.", " London")
    (own,) = score([probe_of("1", "Person 1 was born in", answers, right=1)], model)
    assert own.logprobs[0] == pytest.approx(own.logprobs[2], abs=NATS)
    assert own.logprobs[1] < own.logprobs[0]
    prompt = "Person 1 was born in"
    start = len(tokenizer(prompt)["input_ids"])
    for text, number in zip(answers, own.logprobs, strict=True):
        expected = plain(model.model, Scored(tokenizer(prompt + text)["input_ids"], start))[0]
        assert number == pytest.approx(float(expected.sum()), abs=NATS)


def test_bytes_are_counted_in_utf8(model):
    # by hand: a space and seven letters, of which one (e with acute) takes two bytes; lm-evaluation-harness: acc_bytes
    (own,) = score([probe_of("1", "Person 1 was born in", (" Orléans",))], model)
    assert own.n_bytes == (9,)
