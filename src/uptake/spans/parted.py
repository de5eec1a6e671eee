"""A question that asks for several things at once, and the parts of its response: each can be asked alone.

*Who created Mac OS? Who is the king of Spain?* wants *Apple; Felipe VI*. A model that fails on both together may know
each of them. Question and response are cut by the marks that such texts have, and only where both come to as many
parts; what cannot be cut so is asked for one thing, as far as is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST = 6
"""Parts that a question has at most."""
FEWEST_WORDS = 2
"""Words that a part of a question has at least."""
LONGEST_HEAD = 60
"""Characters of what stands before the first part, up to a colon: *Message:*, *Answer in order:*."""

_NUMBER = re.compile(r"(?:^|(?<=\s))\(?\d{1,2}[.)]\s+")
_DOTS = re.compile(r"\s*(?:\.\.\.|…)\s*")
_MARK = re.compile(r"\s*(?:;|\s/|\n)\s+|(?<=\?)\s+")
_JOIN = re.compile(r"[,;.]?\s+(?:(?:and|but)\s+)?(?:then|after that|afterwards|also|besides)\b,?\s+", re.IGNORECASE)
_HEAD = re.compile(rf"\A[^:?]{{1,{LONGEST_HEAD}}}:\s+")
_ASKING = (_NUMBER, _DOTS, _MARK, _JOIN)
"""What parts questions, the surest first."""
_TELLING = (_NUMBER, re.compile(r"(?<=\])\s*(?=\[)"), re.compile(r"\s*(?:;|\n|\s/)\s+"), re.compile(r",?\s+and\s+"))
"""What parts responses."""
_EDGE = re.compile(r"^\W*(?:(?:and|also|then|after that)\b,?\s+)+|(?:\s|[,;…]|\.\.\.)+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OneThing:
    """One thing that is asked for.

    Attributes:
        prompt: The question without the others, with what stands before and after them all.
        response: What it wants.
    """

    prompt: str
    response: str


def parted(prompt: str, response: str) -> tuple[OneThing, ...]:
    """The parts of a question and its response; () where it asks for one thing, or does not come apart.

    Args:
        prompt: The question, or the last turn of the user.
        response: The response.
    """
    if response.strip() in prompt:
        return ()
    lead = response[: len(response) - len(response.lstrip())]
    for number, mark in enumerate(_TELLING):
        told = _pieces(mark, response.strip(), opens=number == 0)
        if not 1 < len(told) <= MOST:
            continue
        if questions := _questions(prompt, len(told)):
            return tuple(OneThing(asked, lead + one) for asked, one in zip(questions, told, strict=True))
    return ()


def _questions(prompt: str, n: int) -> tuple[str, ...]:
    """The prompt with one of its `n` questions alone, for each of them; () where it has not so many."""
    for mark in _ASKING:
        head, asked, tail = _frame(mark, prompt)
        found = [one for one in _pieces(mark, asked, opens=mark is _NUMBER) if len(one.split()) >= FEWEST_WORDS]
        # one more may tell how to answer: "Keep the order."
        if len(found) == n or (len(found) == n + 1 and not found[-1].endswith("?")):
            kept = [_EDGE.sub("", one).strip() for one in found[:n]]
            return tuple(f"{head}{one}{tail}" for one in kept)
    return ()


def _frame(mark: re.Pattern[str], prompt: str) -> tuple[str, str, str]:
    """What stands before the questions, the questions, and what stands after them: its last line."""
    cut = prompt.rfind("\n")
    asked, tail = (prompt, "") if cut < 0 else (prompt[:cut], prompt[cut:])
    if mark is _NUMBER:
        first = mark.search(asked)
        head = "" if first is None else asked[: first.start()]
    else:
        lead = _HEAD.match(asked)
        head = "" if lead is None else lead.group()
    return head, asked[len(head) :], tail


def _pieces(mark: re.Pattern[str], text: str, *, opens: bool) -> list[str]:
    """The text between the marks; where these open a part, what stands before the first is none."""
    pieces = [piece.strip() for piece in mark.split(text)]
    return [piece for piece in (pieces[1:] if opens else pieces) if piece]
