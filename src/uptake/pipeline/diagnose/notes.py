"""Where numbers mean less than they seem: what the chat template makes of the data, and what gives answers away.

Each note is about the data of the run and the models as they are: a response that the template cuts, an answer that is
right but for white space, a beginning that is there twice, a tuned model that answers as its base to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from uptake.artifacts import chunks
from uptake.data import Rendered, Turn, rendered
from uptake.pipeline.asking.answers import Answer, Answers
from uptake.pipeline.diagnose.ask import together
from uptake.pipeline.diagnose.models import Models
from uptake.pipeline.examples.cohort import Cohort
from uptake.text import differs_in_space, one_line, with_space
from uptake.types import Example, Finding, Score

AT_ONCE = 256
"""Examples that are rendered at once."""
SHOWN = 48
"""Characters of the data in a note."""
SAME = 1e-4
"""Largest difference in log-probability (nats a token) at which two models are taken to say the same."""


@dataclass
class NoteCount:
    """How many examples something is true of, and the first of it.

    Attributes:
        n: How many.
        first: How it looks in the first of them.
    """

    n: int = 0
    first: str = ""

    def add(self, shown: str = "") -> None:
        """One more."""
        self.first = self.first if self.n else shown
        self.n += 1


@dataclass
class Noting:
    """Findings on their way to the tables: each gets the text that is scored, and what is odd about it is counted.

    Attributes:
        models: The models that were asked.
        train: The examples.
        before: What the base answered; None without one.
        after: What the tuned model answered.
    """

    models: Models
    train: Cohort
    before: Answers | None
    after: Answers
    _n: int = 0
    _compared: int = 0
    _unlearned: int = 0
    _seen: dict[str, NoteCount] = field(default_factory=dict)

    def __call__(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings, which are in the examples' order, with the text that is scored."""
        tokenizer = self.models.tuned.tokenizer
        begins = _begin(tokenizer)
        marks = _marks_of_a_chat(tokenizer)
        asked = together(self.train, self.before, self.after)
        for some in chunks(zip(findings, asked, strict=True), AT_ONCE):
            turns = [_turn(example) for _, (example, _, _) in some]
            for (finding, (example, before, after)), text in zip(some, rendered(turns, tokenizer), strict=True):
                self._n += 1
                self._of_template(example, finding.response, text)
                self._of_tokens(example, text, begins, marks)
                self._of_answer(finding, text.response, after)
                if before is not None:
                    self._compared += 1
                    self._count("same", _say_the_same(before.scores, after.scores))
                yield finding if text.response == finding.response else replace(finding, scored=text.response)

    def _count(self, what: str, holds: bool, shown: str = "") -> None:
        if holds:
            self._seen.setdefault(what, NoteCount()).add(shown)

    def _of_template(self, example: Example, response: str, text: Rendered) -> None:
        if isinstance(example.prompt, str):
            return
        own, scored = _bare(example.response), _bare(text.response)
        extra = "".join(map(_bare, _thoughts(example)))
        calls = _names(example.response_extra.get("tool_calls"))
        lost = own not in scored or extra not in scored
        if not scored:
            self._count("nothing", True, one_line(response, SHOWN))
        elif lost:
            left = max(0, len(own) + len(extra) - len(scored))
            self._count("cut" if left else "changed", True, _left_out(example.response or extra, text.response))
        self._count("calls", bool(scored) and not all(name in scored for name in calls))
        self._count("tools", not all(name in _bare(text.prompt) for name in _names(example.template.get("tools"))))
        whole = _bare(text.prompt)
        gone = [turn for turn in example.prompt if turn.role in ("system", "user") and _bare(turn.content) not in whole]
        self._count("turns", bool(gone), gone[0].role if gone else "")

    def _of_tokens(self, example: Example, text: Rendered, begins: _Begin, marks: tuple[str, ...]) -> None:
        """Beginnings and ends that are there twice, and conversations that were made into text before."""
        whole = text.prompt or text.response
        if begins.token:
            plain = isinstance(example.prompt, str)
            twice = begins.token if plain and begins.added else begins.token * 2
            self._count("begin", whole.startswith(twice) and (begins.added or not plain))
        if isinstance(example.prompt, str):
            chat = next((mark for mark in marks if mark in text.response), "") if not example.prompt else ""
            self._count("chat", bool(chat), chat.strip())
        elif begins.end:
            self._count("end", example.response.rstrip().endswith(begins.end))

    def _of_answer(self, finding: Finding, wanted: str, after: Answer) -> None:
        if finding.learned:
            return
        self._unlearned += 1
        place = white_space(after.answer, wanted)
        if place is not None and after.answer is not None:
            self._count(
                f"space at its {place}", True, f"{with_space(after.answer, SHOWN)} for {with_space(wanted, SHOWN)}"
            )

    def notes(self) -> list[str]:
        """What was found, once all findings were passed on; what the reader must know first comes first."""
        seen = {name: (told.n, told.first) for name, told in self._seen.items()}
        found = []
        if seen.get("same", (0,))[0] == self._compared > 0 and not self.models.one_and_the_same:
            what = "the adapter changes nothing" if self.models.adapts else "its weights change nothing"
            found.append(
                f"the tuned model gives the same numbers as the base for all {self._compared} examples: {what}. Check "
                "that it was trained and saved correctly; until then no cause means anything"
            )
        for name, note in _NOTES.items():
            n, first = seen.get(name, (0, ""))
            if n:
                of = self._unlearned if name.startswith("space") else self._n
                found.append(note.format(n=n, of=of, first=first))
        return found + self._of_the_date()

    def _of_the_date(self) -> list[str]:
        """That the chat template tells the models a date, where it does for one of the first examples."""
        today = self.models.today
        if today is None or self.models.trained_on == today:
            return []
        turns = [_turn(one) for one in islice(self.train, AT_ONCE) if not isinstance(one.prompt, str)]
        told, other = (rendered(turns, self.models.on(day).tuned.tokenizer) for day in (today, "1970-02-03"))
        return [_DATE.format(today=today)] if told != other else []


_GIVE = "if the model was trained with another template, give that one: --chat_template FILE"
_SPACE = (
    "in {n} of {of} unlearned examples the model's answer equals the response except for white space at its %s "
    "({first}): the data differ from the training there. Make the data, or the chat template, as in the training"
)
_TWICE = "are scored with two, as TRL trains them. If the training had one, remove it from the data"

_DATE = (
    "the chat template writes a date into the prompt; this run uses {today} for both models, also when it is resumed "
    "(today.json). The training saw another date. Give that date in each row, chat_template_kwargs "
    '{{"date_string": ...}} if the template reads it, or in your own template: --chat_template FILE'
)

_NOTES = {
    "nothing": "the chat template writes nothing of the response of {n} of {of} examples ({first}): only the "
    f"end of the turn is scored there; {_GIVE}",
    "cut": "the chat template leaves out a part of the response of {n} of {of} examples ({first}): only the rest is "
    f"scored, and shown as wanted; {_GIVE}",
    "changed": "the chat template changes the response of {n} of {of} examples ({first}): the changed text is scored, "
    f"and shown as wanted; {_GIVE}",
    "calls": "the chat template leaves out the tool calls of the response of {n} of {of} examples: they are not "
    f"scored; {_GIVE}",
    "tools": "the chat template leaves out the tools of {n} of {of} examples: the models do not see them; " + _GIVE,
    "turns": "the chat template leaves out a turn before the response ({first}) in {n} of {of} examples: the models do "
    f"not see it; {_GIVE}",
    "space at its beginning": _SPACE % "beginning",
    "space at its end": _SPACE % "end",
    "begin": "{n} of {of} examples begin with the beginning-of-text token (BOS), which the tokenizer or the template "
    f"adds too: they {_TWICE}",
    "end": "the response of {n} of {of} examples ends with the end-of-text token, which the chat template adds "
    f"too: they {_TWICE}",
    "chat": "{n} of {of} examples are conversations that were already rendered as text (they contain {first}): the "
    "whole text is the response, the user's words too. To score only the answer, give `messages`, or `prompt` and "
    "`completion`",
}
"""By what was seen: `n` of `of` examples, and how the first of them looks."""


def white_space(answer: str | None, wanted: str) -> str | None:
    """Where an answer differs from what is wanted in white space alone: `beginning` or `end`; None where it does not.

    Args:
        answer: What a model says; None where it was not asked.
        wanted: What it should say.
    """
    if answer is None or not differs_in_space(answer, wanted):
        return None
    before = [text[: len(text) - len(text.lstrip())] for text in (answer, wanted)]
    return "beginning" if before[0] != before[1] else "end"


@dataclass(frozen=True)
class _Begin:
    """The tokens at the beginning and end of a text, as text; whether the tokenizer itself puts the first one."""

    token: str
    added: bool
    end: str


def _begin(tokenizer: Any) -> _Begin:
    ids = tokenizer("a")["input_ids"]
    token, end = tokenizer.bos_token or "", tokenizer.eos_token or ""
    return _Begin(token, bool(token) and ids[:1] == [tokenizer.bos_token_id], end)


def _marks_of_a_chat(tokenizer: Any) -> tuple[str, ...]:
    """What the chat template writes before an answer; text that holds it was a conversation."""
    if tokenizer.chat_template is None:
        return ()
    turns = [{"role": "user", "content": "?"}]
    try:
        without, asked = (
            tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=more) for more in (False, True)
        )
    except Exception:  # a template may refuse this conversation, as any other
        return ()
    mark = asked.removeprefix(without).strip() if asked.startswith(without) else ""
    return (mark,) if len(mark) > 2 else ()


def _turn(example: Example) -> Turn:
    return Turn(example.prompt, example.response, example.template, example.response_extra)


def _bare(text: str) -> str:
    """A text without white space: templates trim and indent."""
    return "".join(text.split())


def _thoughts(example: Example) -> list[str]:
    """What the assistant's turn says beside its content."""
    found = [example.response_extra.get(name) for name in ("reasoning_content", "reasoning", "thinking")]
    return [text for text in found if isinstance(text, str)][:1]


def _names(calls: Any) -> list[str]:
    """The names of functions that are called, or may be."""
    listed = [one for one in calls if isinstance(one, dict)] if isinstance(calls, Sequence) else []
    told = [one.get("function", one) for one in listed]
    return [str(one["name"]) for one in told if isinstance(one, dict) and isinstance(one.get("name"), str)]


def _left_out(response: str, scored: str) -> str:
    """How much of a response is not scored, and the beginning of that."""
    kept = scored.strip()
    left = len(response.strip()) - len(kept)
    part = response.strip().removesuffix(kept).removeprefix(kept)
    return f"{max(0, left)} characters, {one_line(part, SHOWN)!r}" if left > 0 else repr(one_line(scored, SHOWN))


def _say_the_same(before: Sequence[Score], after: Sequence[Score]) -> bool:
    """Whether two models give each candidate in each wording the same probability."""
    if [one.wording for one in before] != [one.wording for one in after]:
        return False
    pairs = [
        (a, b, n)
        for old, new in zip(before, after, strict=True)
        for a, b, n in zip(old.logprobs, new.logprobs, new.n_tokens, strict=True)
    ]
    return all(abs(a - b) <= SAME * max(1, n) for a, b, n in pairs)
