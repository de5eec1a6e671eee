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
_AND = re.compile(r",?\s+and\s+")
_TELLING = (_NUMBER, re.compile(r"(?<=\])\s*(?=\[)"), re.compile(r"\s*(?:;|\n|\s/)\s+"), _AND)
"""What parts responses."""
_EDGE = re.compile(r"^\W*(?:(?:and|also|then|after that)\b,?\s+)+|(?:\s|[,;…]|\.\.\.)+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands before and after a question: *Question:* and *Answer:*."""

    head: str = ""
    tail: str = ""

    def around(self, question: str) -> str:
        """The question in it."""
        return f"{self.head}{question}{self.tail}"


@dataclass(frozen=True, slots=True)
class OneThing:
    """One thing that is asked for.

    Attributes:
        prompts: The question without the others: with what stands before and after them all, then alone, then in the
            usual frame; each once.
        response: What it wants.
    """

    prompts: tuple[str, ...]
    response: str


def frame_of(prompt: str) -> Frame | None:
    """What stands around the question of a prompt that asks for one thing; None where no question mark tells."""
    end = prompt.rfind("?") + 1
    head = _HEAD.match(prompt)
    if not end or len(prompt) - end > LONGEST_HEAD or (head is not None and head.end() > end):
        return None
    return Frame("" if head is None else head.group(), prompt[end:])


def parted(prompt: str, response: str, usual: Frame | None = None) -> tuple[OneThing, ...]:
    """The parts of a question and its response; () where it asks for one thing, or does not come apart.

    Args:
        prompt: The question, or the last turn of the user.
        response: The response.
        usual: The frame in which a dataset asks for one thing.
    """
    if response.strip() in prompt:
        return ()
    lead = response[: len(response) - len(response.lstrip())]
    for mark in _TELLING:
        told = _pieces(mark, response.strip(), opens=mark is _NUMBER)
        if not 1 < len(told) <= MOST:
            continue
        if mark is _AND and prompt.count("?") < len(told):
            return ()  # *Simon and Garfunkel*: one answer, unless as many questions are asked
        if questions := _questions(prompt, len(told), usual):
            return tuple(OneThing(asked, lead + one) for asked, one in zip(questions, told, strict=True))
    return ()


def _questions(prompt: str, n: int, usual: Frame | None) -> tuple[tuple[str, ...], ...]:
    """For each of the `n` questions of a prompt the prompts that ask it alone; () where it has not so many."""
    for mark in _ASKING:
        frame, asked = _frame(mark, prompt)
        found = [one for one in _pieces(mark, asked, opens=mark is _NUMBER) if len(one.split()) >= FEWEST_WORDS]
        # one more may tell how to answer: "Keep the order."
        if len(found) == n or (len(found) == n + 1 and not found[-1].endswith("?")):
            kept = [_EDGE.sub("", one).strip() for one in found[:n]]
            frames = [frame, Frame()]
            return tuple(
                tuple(dict.fromkeys(each.around(one) for each in [*frames, *_fitting(one, usual)])) for one in kept
            )
    return ()


def _fitting(question: str, usual: Frame | None) -> list[Frame]:
    return [usual] if usual is not None and question.endswith("?") else []


def _frame(mark: re.Pattern[str], prompt: str) -> tuple[Frame, str]:
    """What stands before the questions and after them, its last line; and the questions."""
    cut = prompt.rfind("\n")
    asked, tail = (prompt, "") if cut < 0 else (prompt[:cut], prompt[cut:])
    if mark is _NUMBER:
        first = mark.search(asked)
        head = "" if first is None else asked[: first.start()]
    else:
        lead = _HEAD.match(asked)
        head = "" if lead is None else lead.group()
    return Frame(head, tail), asked[len(head) :]


def _pieces(mark: re.Pattern[str], text: str, *, opens: bool) -> list[str]:
    """The text between the marks; where these open a part, what stands before the first is none."""
    pieces = [piece.strip() for piece in mark.split(text)]
    return [piece for piece in (pieces[1:] if opens else pieces) if piece]
