"""Where responses end, what happens at awkward borders, and agreement with lm-evaluation-harness on plain text."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from uptake.data import TemplateError, Turn, encode
from uptake.errors import UptakeError
from uptake.types import Message

QUESTION = (Message("user", "What is the capital of France?"),)
CONTEXTS = ["The capital of France is", "Who wrote Faust?", "12 + 30 =", "naïve 東京:"]
CONTINUATIONS = [" Paris", "Oslo", " Goethe wrote it in Weimar.", "42", " 東京\n"]


def response_text(turn: Turn, tokenizer: Any) -> str:
    [encoded] = encode([turn], tokenizer)
    return tokenizer.decode(encoded.ids[encoded.start : encoded.end])


@pytest.mark.parametrize("bos", [False, True])
def test_plain_text_parts_where_lm_evaluation_harness_parts_it(bos: bool, make_tokenizer: Callable):
    from lm_eval.api.model import TemplateLM

    tokenizer = make_tokenizer(bos=bos)
    harness = SimpleNamespace(backend="causal", tok_encode=lambda text: tokenizer(text)["input_ids"])
    turns = [Turn(context, continuation) for context in CONTEXTS for continuation in CONTINUATIONS]
    turns.append(Turn("The capital of France is ", "Paris"))  # " Paris" is one token: the space goes to the response
    for turn, encoded in zip(turns, encode(turns, tokenizer, with_end=False), strict=True):
        context, continuation = TemplateLM._encode_pair(harness, turn.prompt, turn.response)
        assert (encoded.ids[: encoded.start], encoded.ids[encoded.start : encoded.end]) == (context, continuation)


def test_what_the_responses_first_token_takes_of_the_prompt_is_told(make_tokenizer: Callable):
    tokenizer = make_tokenizer()
    turns = [Turn("The capital of France is ", "Paris"), Turn("The capital of France is", " Paris"), Turn("", "Paris")]
    spaced, plain, bare = encode(turns, tokenizer)
    assert (spaced.merged, plain.merged, bare.merged) == (" ", "", "")
    assert (spaced.ids, spaced.start, spaced.end) == (plain.ids, plain.start, plain.end)
    [cut] = encode(turns[:1], tokenizer, with_end=False)
    assert cut.merged == " "
    # of a template that ends in a space it is the same, and what a tokenizer appends to every text is no part of it
    tokenizer = make_tokenizer("{{ messages[0].content }} {{ messages[1].content if messages[1:] else '' }}")
    assert encode([Turn(QUESTION, "Paris")], tokenizer)[0].merged == " "
    assert encode(turns[1:2], make_tokenizer(appends_eos=True))[0].merged == ""


def test_the_end_of_plain_text_is_the_end_token(make_tokenizer: Callable):
    tokenizer = make_tokenizer()
    own = tokenizer("The capital of France is Paris")["input_ids"]
    encoded = encode([Turn("The capital of France is", " Paris")], tokenizer)[0]
    assert (encoded.ids[: encoded.end], encoded.ids[encoded.end :]) == (own, [tokenizer.eos_token_id])
    without = encode([Turn("The capital of France is", " Paris")], tokenizer, with_end=False)[0]
    assert (without.ids, without.start, without.end) == (own, encoded.start, len(own))


def test_an_end_token_that_the_response_brings_is_no_part_of_it(make_tokenizer: Callable):
    tokenizer = make_tokenizer()
    brought, added = encode([Turn("2 +", " 3<|endoftext|>"), Turn("2 +", " 3")], tokenizer)
    assert brought == added


def test_without_an_end_token_nothing_follows_plain_text(make_tokenizer: Callable):
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    [encoded] = encode([Turn("2 +", " 3")], tokenizer)
    assert encoded.ids == tokenizer("2 + 3")["input_ids"] and encoded.end == len(encoded.ids)


@pytest.mark.parametrize(("template", "end"), [("chatml", "<|im_end|>\n"), ("llama3", "<|eot_id|>")])
def test_the_end_of_a_conversation_is_the_templates_end_of_turn(template: str, end: str, make_tokenizer: Callable):
    tokenizer = make_tokenizer(template)
    for response in ["Paris", "user", "end", "Is it <|im_end|>?", "multi\nline", "  spaced"]:
        [encoded] = encode([Turn(QUESTION, response)], tokenizer)
        assert tokenizer.decode(encoded.ids[encoded.end :]) == end
        own = tokenizer.decode(encoded.ids[encoded.start : encoded.end])
        assert own == (response.strip() if template == "llama3" else response)  # its template trims


def test_reasoning_before_the_response_and_tool_calls_after_it_belong_to_it(make_tokenizer: Callable):
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>{{ m.reasoning_content }}"
        "</think>{% endif %}{{ m.content }}{% for call in m.tool_calls or [] %}[{{ call.name }}]{% endfor %}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer = make_tokenizer(template)
    thought = Turn(QUESTION, "Paris", response_extra={"reasoning_content": "Paris or Lyon?"})
    assert response_text(thought, tokenizer) == "<think>Paris or Lyon?</think>Paris"
    called = Turn(QUESTION, "Wait.", response_extra={"tool_calls": [{"name": "capital"}]})
    assert response_text(called, tokenizer) == "Wait.[capital]"


@pytest.mark.parametrize(
    ("written", "own"),
    [
        # in another form: its end is still found by the end of turn, to which the closing quote belongs
        ("{{ m.content | tojson }}", '"a \\"b\\"'),
        # so that it cannot be found at all: everything to the end
        ("{{ m.content | upper }}", 'A "B"<|im_end|>'),
    ],
)
def test_templates_that_change_the_response(written: str, own: str, make_tokenizer: Callable):
    template = "{% for m in messages %}<|im_start|>" + written + "<|im_end|>{% endfor %}"
    tokenizer = make_tokenizer(template + "{% if add_generation_prompt %}<|im_start|>{% endif %}")
    assert response_text(Turn(QUESTION, 'a "b"'), tokenizer) == own


def test_a_tail_that_merges_with_the_response_is_counted_in(make_tokenizer: Callable):
    # "France" and "Norway" are single tokens of the vocabulary, so a tail "ance" has no token of its own
    tokenizer = make_tokenizer("{% for m in messages %}{{ m.content }}ance{% endfor %}")
    assert len(tokenizer(" France")["input_ids"]) == 1
    [encoded] = encode([Turn(QUESTION, "of Fr")], tokenizer)
    assert encoded.end == len(encoded.ids)
    assert tokenizer.decode(encoded.ids[encoded.start : encoded.end]).endswith(" France")


def test_a_response_trimmed_to_nothing_is_told_by_its_end(make_tokenizer: Callable):
    tokenizer = make_tokenizer("llama3")
    [encoded] = encode([Turn(QUESTION, "  ")], tokenizer, with_end=False)
    assert encoded.ids[encoded.start : encoded.end] == [tokenizer.convert_tokens_to_ids("<|eot_id|>")]


def test_a_response_merged_into_the_prompts_last_token(make_tokenizer: Callable):
    tokenizer = make_tokenizer()
    [whole] = tokenizer(" France")["input_ids"]
    [encoded] = encode([Turn(" Fr", "ance")], tokenizer)
    assert (encoded.ids, encoded.start, encoded.end) == ([whole, tokenizer.eos_token_id], 0, 1)


def test_nothing_at_all_is_an_empty_response(make_tokenizer: Callable):
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    [encoded] = encode([Turn("2 +", "")], tokenizer)
    assert encoded.start == encoded.end == len(encoded.ids)


@pytest.mark.filterwarnings("ignore:This sequence already has </s>")  # and ByT5 then appends none
def test_a_slow_tokenizer_that_appends_its_end_token():
    from transformers import ByT5Tokenizer

    tokenizer = ByT5Tokenizer()  # bytes + 3, then </s> = 1 (Xue et al. 2022, ByT5)
    [encoded] = encode([Turn("ab", "c")], tokenizer)
    assert (encoded.ids, encoded.start, encoded.end) == ([100, 101, 102, 1], 2, 3)


def test_order_and_result_do_not_depend_on_the_batch(make_tokenizer: Callable):
    tokenizer = make_tokenizer("tools", bos=True)
    turns = [
        Turn(QUESTION, "Paris", {"enable_thinking": False}),
        Turn("The capital of France is", " Paris"),
        Turn(QUESTION, "Oslo"),
        Turn("", "Oslo"),
        Turn(QUESTION, "Paris", {"tools": [{"name": "capital"}]}),
        Turn(QUESTION, "Santiago", {"enable_thinking": False}),
    ]
    assert encode(turns, tokenizer) == [encode([turn], tokenizer)[0] for turn in turns]
    assert encode([], tokenizer) == []


def test_a_missing_chat_template_says_what_to_do(make_tokenizer: Callable):
    with pytest.raises(UptakeError, match="no chat template") as caught:
        encode([Turn(QUESTION, "Paris")], make_tokenizer())
    assert "--chat_template FILE" in str(caught.value)
    assert "--columns.prompt question --columns.completion answer" in str(caught.value)  # a CSV of questions is none


def test_a_conversation_that_the_template_refuses_is_named(make_tokenizer: Callable):
    tokenizer = make_tokenizer(
        "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}"
        "{{ m.content }}<|im_end|>{% endfor %}"
    )
    turns = [Turn(QUESTION, "Paris"), Turn((Message("tool", "42"),), "Oslo")]
    with pytest.raises(TemplateError, match=r'"role": "tool", "content": "42".*no tools here'):
        encode(turns, tokenizer)
