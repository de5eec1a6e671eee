"""Prompts and responses to token ids, with the borders where TRL's SFTTrainer puts them.

Source: `SFTTrainer._prepare_dataset` of TRL 1.16 with `completion_only_loss`. Plain text is prompt + response + the
end-of-text token (unless the response ends with it), tokenised as one text; a conversation is rendered by the chat
template and tokenised without further special tokens. The response starts where the ids of the prompt alone and of the
whole part; TRL before 1.15 lets it start after as many ids as the prompt alone has. On plain text this is also the
border of lm-evaluation-harness (`_encode_pair`) but in one case: white space at the prompt's end that remains a token
of its own is the prompt's in TRL, and is moved to the continuation there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from uptake.errors import UptakeError
from uptake.types import Prompt

_STAND_IN = "uptake"  # a response in whose place the template's end of turn can be found


class TemplateError(UptakeError):
    """The chat template refuses a conversation, which is the fault of that conversation alone."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is encoded: a prompt and one response to it; the fields are those of `Example`."""

    prompt: Prompt
    response: str
    template: Mapping[str, Any] = field(default_factory=dict)
    response_extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of prompt and response.

    Attributes:
        ids: All of them, the prompt first.
        start: Index of the response's first token. 0 when nothing comes before it, and then that token cannot be
            predicted.
        end: Index after the response's last own token; `ids[end:]` is what training puts after it.
        merged: The end of the prompt's text that stands in the response's first token: mostly white space, as of
            `Answer: ` and `Paris`, of which a tokenizer makes `Answer:` and ` Paris`.
    """

    ids: list[int]
    start: int
    end: int
    merged: str = ""


class _Texts(NamedTuple):
    """A turn as text: the prompt alone, all of it, and how much of its end comes after the response."""

    prompt: str
    whole: str
    tail: str


def encode(turns: Sequence[Turn], tokenizer: Any, *, with_end: bool = True) -> list[Encoded]:
    """Encodes turns as TRL trains them, in one call of the tokenizer for all plain text and one for all conversations.

    `ids[start:end]` holds every token with a part of the response in it. Where its last token also holds a part of
    what comes after it, or where it has no token of its own (a template that trims it to nothing), the response and
    its end cannot be told apart: `end` is then the end of everything. `start == end` only where training, too, has
    nothing to learn.

    Args:
        turns: Prompts and responses, in any mixture.
        tokenizer: A transformers tokenizer, slow or fast.
        with_end: Whether the ids go on after the response with the end that training puts there. Without it,
            `end == len(ids)`.

    Returns:
        As many as there are turns, in their order.

    Raises:
        TemplateError: The chat template refuses a conversation.
        UptakeError: The tokenizer has no chat template and needs one.
    """
    plain = [index for index, turn in enumerate(turns) if isinstance(turn.prompt, str)]
    chats = [index for index, turn in enumerate(turns) if not isinstance(turn.prompt, str)]
    found: dict[int, Encoded] = {}
    if plain:
        texts = _plain_texts([turns[index] for index in plain], tokenizer.eos_token or "")
        found.update(zip(plain, _borders(texts, tokenizer, special=True), strict=True))
    if chats:
        texts = _chat_texts([turns[index] for index in chats], tokenizer)
        found.update(zip(chats, _borders(texts, tokenizer, special=False), strict=True))
    encoded = [found[index] for index in range(len(turns))]
    return encoded if with_end else [replace(each, ids=each.ids[: each.end]) for each in encoded]


class Rendered(NamedTuple):
    """A turn as the text that training sees.

    Attributes:
        prompt: The prompt alone.
        response: What is trained as the response, without what ends it: of a conversation what the chat template
            makes of it, tool calls and all.
    """

    prompt: str
    response: str


def rendered(turns: Sequence[Turn], tokenizer: Any) -> list[Rendered]:
    """What of each turn is prompt and what is response, as text; raises as `encode`."""
    chats = [turn for turn in turns if not isinstance(turn.prompt, str)]
    texts = iter(_chat_texts(chats, tokenizer))
    found = []
    for turn in turns:
        if isinstance(turn.prompt, str):
            found.append(Rendered(turn.prompt, turn.response))
        else:
            text = next(texts)
            start = _common(text.prompt, text.whole)
            found.append(Rendered(text.prompt, text.whole[start:].removesuffix(text.tail)))
    return found


class Placed(NamedTuple):
    """A turn as the text that is tokenised.

    Attributes:
        text: Prompt, response and what comes after it.
        begins: Its character at which the response begins, as `rendered` gives it.
        ends: The character after the response.
        special: Whether the tokenizer adds its special tokens.
    """

    text: str
    begins: int
    ends: int
    special: bool


def texts_of(turns: Sequence[Turn], tokenizer: Any) -> list[Placed]:
    """Each turn as it is tokenised, and where in it the response is; raises as `encode`."""
    plain = [turn for turn in turns if isinstance(turn.prompt, str)]
    chats = [turn for turn in turns if not isinstance(turn.prompt, str)]
    known = iter(_plain_texts(plain, tokenizer.eos_token or "")), iter(_chat_texts(chats, tokenizer))
    found = []
    for turn in turns:
        is_plain = isinstance(turn.prompt, str)
        text = next(known[0] if is_plain else known[1])
        begins = len(text.prompt) if is_plain else _common(text.prompt, text.whole)
        response = turn.response if is_plain else text.whole[begins:].removesuffix(text.tail)
        found.append(Placed(text.whole, begins, begins + len(response), is_plain))
    return found


def _plain_texts(turns: Sequence[Turn], eos: str) -> list[_Texts]:
    texts = []
    for turn in turns:
        assert isinstance(turn.prompt, str)
        end = "" if eos and turn.response.endswith(eos) else eos
        texts.append(_Texts(turn.prompt, turn.prompt + turn.response + end, eos))
    return texts


def _chat_texts(turns: Sequence[Turn], tokenizer: Any) -> list[_Texts]:
    groups: dict[str, list[int]] = {}  # one call of the template engine takes one set of arguments
    for index, turn in enumerate(turns):
        groups.setdefault(json.dumps(turn.template, sort_keys=True, default=str) if turn.template else "", []).append(
            index
        )
    found: dict[int, _Texts] = {}
    for members in groups.values():
        found.update(zip(members, _group_texts([turns[index] for index in members], tokenizer), strict=True))
    return [found[index] for index in range(len(turns))]


def _group_texts(turns: Sequence[Turn], tokenizer: Any) -> list[_Texts]:
    """The texts of conversations that share their template arguments."""
    prompts: dict[int, list[dict[str, Any]]] = {}  # by identity: the candidates of a probe share their prompt
    for turn in turns:
        assert not isinstance(turn.prompt, str)
        if id(turn.prompt) not in prompts:
            prompts[id(turn.prompt)] = [message.as_dict() for message in turn.prompt]
    template = turns[0].template
    alone = dict(zip(prompts, _render(list(prompts.values()), tokenizer, template, True), strict=True))
    whole = _render([prompts[id(turn.prompt)] + [_reply(turn)] for turn in turns], tokenizer, template, False)
    tails: list[str] = []
    texts = []
    for turn, text in zip(turns, whole, strict=True):
        said = turn.response.strip()  # as many templates trim it
        tail = next((known for known in tails if said and text.endswith(said + known)), None)
        if tail is None:
            stand_in = {"role": "assistant", "content": _STAND_IN}
            plain = _render([[*prompts[id(turn.prompt)], stand_in]], tokenizer, template, False)[0]
            # a template that writes nothing of any response writes its end alone
            nothing = text[_common(alone[id(turn.prompt)], text) :] if plain == text else ""
            tail = plain.rpartition(_STAND_IN)[2] if _STAND_IN in plain else nothing
            tail = tail if text.endswith(tail) else ""
            if tail not in tails:
                tails.append(tail)
        texts.append(_Texts(alone[id(turn.prompt)], text, tail))
    return texts


def _reply(turn: Turn) -> dict[str, Any]:
    return {"role": "assistant", "content": turn.response, **turn.response_extra}


def _render(
    conversations: list[list[dict[str, Any]]], tokenizer: Any, template: Mapping[str, Any], prompt_only: bool
) -> list[str]:
    if tokenizer.chat_template is None and "chat_template" not in template:
        raise UptakeError(
            "the data are conversations, but the tokenizer has no chat template",
            fix="give the one that the model was trained with: `--chat_template FILE`; or, if it was trained on plain "
            "text, name the two columns: `--columns.prompt question --columns.completion answer` "
            "(alpaca data: `--alpaca_prompt stanford`)",
        )
    try:
        return _apply(conversations, tokenizer, template, prompt_only)
    except Exception as error:  # templates raise what they like
        if len(conversations) > 1:
            for conversation in conversations:  # so that the error names the one that was refused
                _render([conversation], tokenizer, template, prompt_only)
            raise
        shown = json.dumps(conversations[0], ensure_ascii=False, default=str)
        raise TemplateError(
            f"the chat template refuses the conversation {shown[:200]}{'...' if len(shown) > 200 else ''}: {error}",
            fix="leave it out, or give another template with `--chat_template FILE`",
        ) from error


def _apply(
    conversations: list[list[dict[str, Any]]], tokenizer: Any, template: Mapping[str, Any], prompt_only: bool
) -> list[str]:
    rendered: list[str] = tokenizer.apply_chat_template(
        conversations, tokenize=False, add_generation_prompt=prompt_only, **template
    )
    return rendered


def _borders(texts: Sequence[_Texts], tokenizer: Any, *, special: bool) -> list[Encoded]:
    """Tokenises the texts and finds where each response starts and ends."""
    ids = _tokenise((each for text in texts for each in (text.prompt, text.whole)), tokenizer, special)
    tails = _tokenise((text.tail for text in texts if text.tail), tokenizer, False)
    appended = _appended(tokenizer) if special else 0
    # a tail that does not end in tokens of its own: see whether the tokens before it stay what they are without it
    joined = [text for text in texts if text.tail and not _ends_with(ids[text.whole], tails[text.tail], appended)]
    cut = _tokenise((_without_tail(text) for text in joined), tokenizer, special)
    encoded = []
    for text in texts:
        prompt, whole = ids[text.prompt], ids[text.whole]
        start, last = _shared(prompt, whole), len(whole) - appended
        end = last
        if text.tail and _ends_with(whole, tails[text.tail], appended):
            end = last - len(tails[text.tail])
        elif text.tail:
            before = cut[_without_tail(text)]
            before = before[: len(before) - appended]
            end = len(before) if whole[: len(before)] == before else last
        merged = _merged(prompt[: len(prompt) - appended], start, tokenizer)
        encoded.append(Encoded(whole, start, end if end > start else len(whole), merged))
    return encoded


def _merged(prompt: list[int], start: int, tokenizer: Any) -> str:
    """The text of a prompt's tokens from `start` on, with the white space that some tokenizers drop in first place."""
    if start >= len(prompt):
        return ""
    whole, kept = (tokenizer.decode(ids, clean_up_tokenization_spaces=False) for ids in (prompt, prompt[:start]))
    return str(whole[len(kept) :]) if whole.startswith(kept) else ""


def _without_tail(text: _Texts) -> str:
    return text.whole.removesuffix(text.tail)


def _tokenise(texts: Iterable[str], tokenizer: Any, special: bool) -> dict[str, list[int]]:
    """The ids of each distinct text."""
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return {}
    batch = tokenizer(
        distinct,
        add_special_tokens=special,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,  # a text longer than the model's window is not ours to warn about
    )
    return dict(zip(distinct, batch["input_ids"], strict=True))


def _appended(tokenizer: Any) -> int:
    """How many special tokens the tokenizer itself puts after a text."""
    bare = tokenizer(_STAND_IN, add_special_tokens=False)["input_ids"]
    full = tokenizer(_STAND_IN)["input_ids"]
    starts = [index for index in range(len(full) - len(bare) + 1) if full[index : index + len(bare)] == bare]
    return len(full) - len(bare) - starts[0] if starts else 0


def _ends_with(ids: list[int], tail: list[int], appended: int) -> bool:
    stop = len(ids) - appended
    return len(tail) <= stop and ids[stop - len(tail) : stop] == tail


def _common(some: str, other: str) -> int:
    """Length of the longest common beginning of two texts."""
    return len(some) if other.startswith(some) else len(os.path.commonprefix([some, other]))


def _shared(some: list[int], other: list[int]) -> int:
    """Length of the longest common prefix, found at once where one continues the other."""
    if other[: len(some)] == some:
        return len(some)
    return len(os.path.commonprefix([some, other]))
