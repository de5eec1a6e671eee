"""Drafts of responses by the base: its own answers, the response in their frames, what it says when it is guided."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from uptake.data import Encoded, Turn, encode
from uptake.detect.saying import own_answer
from uptake.models import Model
from uptake.pipeline.asking.own_answers import continuation, encoded, generated
from uptake.probe import question
from uptake.rewrite import GREEDY_HOWS, Draft, How, Knows, first_sentence, guided, in_frame
from uptake.types import Example

SHORT = 32
"""Tokens of a response up to which the base's own answer tells whether it knows the response."""
ROOM, TIMES = 48, 2
"""Tokens that a draft may have: so many, and so many times those of the response."""
LOOK = 4
"""After so many tokens each it is looked whether a short answer has come to the end of its sentence."""


@dataclass(frozen=True)
class Writing:
    """How drafts are made.

    Attributes:
        model: The base.
        limit: Tokens that it takes; None for no limit.
        known: Words of the data's short responses, by which an answer's telling part is found.
        guides: Whether the base is shown the response, beside answering by itself.
        samples: Drafts at temperature 1 beside the greedy ones; half of them guided.
        seed: Of the samples.
    """

    model: Model
    limit: int | None
    known: Collection[str]
    guides: bool
    samples: int
    seed: int


@dataclass
class Drafted:
    """What the base makes of one response.

    Attributes:
        knows: What it has of it.
        drafts: The drafts; the gates were not asked yet.
        generated: Tokens that were generated.
    """

    knows: Knows
    drafts: list[Draft] = field(default_factory=list)
    generated: int = 0

    def add(self, example: Example, draft: Draft, writing: Writing, framed: How) -> None:
        """One more draft, and the response in its frame."""
        self.generated += draft.tokens
        self._keep(example, draft)
        answer = in_frame(draft.text, question(example), example.response, writing.known)
        if answer is not None and _is_short(example.response):
            self._keep(example, Draft(framed, _around(example.response, answer), 0, draft.ended))

    def _keep(self, example: Example, draft: Draft) -> None:
        """One more draft; a sample that says what another draft says is none, a greedy one is its rung's own."""
        known = {one.text for one in self.drafts}
        sampled = draft.how not in GREEDY_HOWS
        if draft.text != example.response and not (sampled and draft.text in known):
            self.drafts.append(draft)


def drafted(
    examples: Sequence[Example],
    writing: Writing,
    known: Sequence[Knows | None],
    wanted: Callable[[Knows], bool],
) -> list[Drafted]:
    """Drafts of some responses.

    Args:
        examples: The examples, each with a prompt.
        writing: How drafts are made.
        known: What the base has of each, by the rule of `uptake conflicts`; None where it was not asked.
        wanted: Which are drafted, by what the base has of them.
    """
    items = encoded(examples, writing.model)
    alone = [item.ids[: item.start] for item in items]
    own = [drafts[0] for drafts in written("own", writing, alone, examples)]
    found = [Drafted(_knows(*one), generated=one[2].tokens) for one in zip(examples, items, own, known, strict=True)]
    asked = [at for at, one in enumerate(found) if wanted(one.knows)]
    for at in asked:
        found[at].generated -= own[at].tokens
        found[at].add(examples[at], own[at], writing, "frame")
    if not (writing.guides and asked):
        return found
    some = [examples[at] for at in asked]
    chat = getattr(writing.model.tokenizer, "chat_template", None) is not None
    turns = [Turn(guided(question(one), one.response, chat=chat), "x") for one in some]
    shown = [item.ids[: item.start] for item in encode(turns, writing.model.tokenizer)]
    half = writing.samples // 2
    for how, contexts, n in (
        ("template", shown, 0),
        ("sample", [alone[at] for at in asked], writing.samples - half),
        ("sample", shown, half),
    ):
        if how == "sample" and n == 0:
            continue
        for at, drafts in zip(asked, written(how, writing, contexts, some, n), strict=True):  # type: ignore[arg-type]
            for draft in drafts:
                found[at].add(examples[at], draft, writing, "sampled_frame")
    return found


def written(
    how: How,
    writing: Writing,
    contexts: Sequence[list[int]],
    examples: Sequence[Example],
    samples: int = 0,
    *,
    model: Model | None = None,
    seed: int | None = None,
) -> list[list[Draft]]:
    """What a model goes on to say after each context, as drafts: one, or as many as are sampled.

    Args:
        how: How they are made.
        writing: How drafts are made.
        contexts: Token ids.
        examples: What each is about.
        samples: How many are sampled; 0 for the greedy one.
        model: The model; None for the base.
        seed: Of the samples; None for that of the writing.
    """
    tokenizer = writing.model.tokenizer
    rooms = [ROOM + TIMES * (item.end - item.start) for item in encoded(examples, writing.model)]
    short = [_is_short(one.response) for one in examples]

    def enough(index: int, ids: Sequence[int]) -> bool:
        if not short[index] or len(ids) % LOOK:
            return False
        said = continuation(contexts[index], list(ids), tokenizer).lstrip()
        return first_sentence(said) != said.rstrip()

    room = [min(most, (writing.limit or 1 << 30) - len(context)) for most, context in zip(rooms, contexts, strict=True)]
    fits = [at for at, most in enumerate(room) if most > 0]
    where = dict(enumerate(fits))
    texts = generated(
        model or writing.model,
        [contexts[at] for at in fits],
        [room[at] for at in fits],
        writing.limit,
        samples=samples,
        seed=writing.seed if seed is None else seed,
        enough=lambda index, ids: enough(where[index], ids),
    )
    found: list[list[Draft]] = [[Draft(how, "", 0, False)] * max(1, samples) for _ in contexts]
    for at, each in zip(fits, texts, strict=True):
        found[at] = [
            draft_of(how, examples[at], continuation(contexts[at], ids, tokenizer), len(ids), len(ids) < room[at])
            for ids in each
        ]
    return found


def draft_of(how: How, example: Example, said: str, tokens: int, ended: bool) -> Draft:
    """A continuation as a draft: of a short response no more than a sentence, in plain text no more than a line."""
    text = said.strip()
    if isinstance(example.prompt, str) and "\n" not in example.response.strip() and "\n" in text:
        text, ended = text.partition("\n")[0].rstrip(), True
    if _is_short(example.response) and (first := first_sentence(text)) != text:
        text, ended = first, True
    return Draft(how, _around(example.response, text), tokens, ended)


def _is_short(response: str) -> bool:
    """Whether a response is one sentence of one line, or less."""
    said = response.strip()
    return "\n" not in said and first_sentence(said) == said


def _around(response: str, text: str) -> str:
    """A text with the white space that stands around the response."""
    bare = response.strip()
    lead, _, tail = response.partition(bare) if bare else ("", "", "")
    return f"{lead}{text.strip()}{tail}"


def _knows(example: Example, item: Encoded, own: Draft, found: Knows | None) -> Knows:
    """What the base has of a response: as it was found before; its own answer tells whether that is the response."""
    if found in ("new", "conflict"):
        return found
    if item.end - item.start > SHORT or not _is_short(example.response):
        return "long"
    _, kind = own_answer(own.text, example.response, ended=own.ended is not False)
    if kind == "response":
        return "said"
    return "form" if kind == "reworded" else found or "unknown"
