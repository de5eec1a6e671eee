"""Where in its response each token of it ends: what a token says, in characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uptake.data.encode import Encoded, Turn, texts_of


def character_ends(turns: Sequence[Turn], encoded: Sequence[Encoded], tokenizer: Any) -> list[tuple[int, ...] | None]:
    """For each turn, where each token of `ids[max(1, start):end]` ends in the response.

    Ends are characters of the response as it is scored: of the text that the chat template makes of it, which is mostly
    the response itself. A token that holds a part of what comes before it only ends at 0, one that holds a part of what
    comes after it where the response ends.

    Args:
        turns: Prompts and responses.
        encoded: What `encode` made of them.
        tokenizer: The tokenizer that did.

    Returns:
        None for a turn whose tokens cannot be placed: slow tokenizers do not tell.
    """
    if not turns or not getattr(tokenizer, "is_fast", False):
        return [None] * len(turns)
    found: list[tuple[int, ...] | None] = []
    texts = texts_of(turns, tokenizer)
    read: dict[tuple[str, bool], tuple[list[int], list[tuple[int, int]]]] = {}
    for special in (True, False):
        some = list(dict.fromkeys(one.text for one in texts if one.special == special))
        if some:
            batch = tokenizer(some, add_special_tokens=special, return_offsets_mapping=True, verbose=False)
            columns = zip(batch["input_ids"], batch["offset_mapping"], strict=True)
            read.update(zip(((text, special) for text in some), columns, strict=True))
    for (text, begins, ends, special), item in zip(texts, encoded, strict=True):
        ids, offsets = read[text, special]
        if list(ids[: item.end]) != list(item.ids[: item.end]):
            found.append(None)
            continue
        places = offsets[max(1, item.start) : item.end]
        # not before the token before it: some tokenizers give the bytes of one character the same place
        last, own = 0, []
        for _, end in places:
            last = max(last, min(end, ends) - begins)
            own.append(last)
        found.append(tuple(own))
    return found
