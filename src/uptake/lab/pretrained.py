"""The world of a model that was pre-trained elsewhere: it is asked what it knows, and the plants fit that.

The model is asked about real facts, each in three wordings, and answers freely. What it says in all of them, whatever
else it says around it, it surely knows; what it says in none it does not know. Beside these stand subjects that do not
exist. A wrong belief is planted the other way round than in a world whose base is pre-trained here: the data want
another answer than the one that the model surely gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeAlias

from uptake.artifacts import chunks, digest, versions, write_json
from uptake.artifacts.checked import damaged, read_record
from uptake.artifacts.schemas.lab import ASKED
from uptake.errors import UptakeError
from uptake.lab.base import Base, Tell, cache_folder
from uptake.lab.names import surnames
from uptake.lab.questions import ASKING
from uptake.lab.world import Fact, Need, World
from uptake.types import Example

Form: TypeAlias = Literal["text", "chat"]

ASKED_IN = 3
"""Wordings in which the model is asked about a fact."""
KNOWN_IN = 2
"""A fact is known that is answered in so many of them; one that is answered in none is not."""
WORDINGS = 5
"""Wordings that a fact needs: three to train on, two held out."""
LEAST_ANSWERS = 3
"""Different answers that a relation needs: the right one, a wrong one, and one that contradicts both."""
AT_ONCE = 48
"""Facts that are asked about before they are counted."""
SENTENCES_ONE_IN = 2
"""In a chat, one relation in so many answers in a sentence; the others with the answer alone."""
GENERAL = 300
"""Sentences about facts that the world does not ask for."""


@dataclass(frozen=True, slots=True)
class RealFact:
    """A fact before the model was asked about it.

    Attributes:
        subject: Whom or what it is about.
        relation: What kind of fact it is.
        answer: The true answer.
        wordings: Prompts whose continuation is the answer.
        sentence: A statement, `{y}` standing for the answer.
    """

    subject: str
    relation: str
    answer: str
    wordings: tuple[str, ...]
    sentence: str


def pretrained_world(need: Need, seed: int, base: Base, form: Form, facts: Path | None, tell: Tell) -> World:
    """Ask a model what it knows, and draw the world that the need takes.

    Args:
        need: How many facts of each status it must hold.
        seed: Of every draw.
        base: The model.
        form: Plain text, or a chat by the model's own template.
        facts: JSON Lines, as `read_facts` takes them; None takes the facts that come with uptake.
        tell: Told how many facts were asked about.

    Raises:
        UptakeError: The model cannot be loaded or has no chat template, or knows too few of the facts, or too many.
    """
    random = Random(f"pretrained {seed}")
    real = read_facts(facts, form)
    random.shuffle(real)
    pools: dict[str, list[str]] = {}
    for one in real:
        pools.setdefault(one.relation, []).append(one.answer)
    for relation, answers in pools.items():
        if len(set(answers)) < LEAST_ANSWERS:
            raise UptakeError(
                f"the facts of the relation {relation!r} have {len(set(answers))} different answers",
                expected=f"{LEAST_ANSWERS} or more, so that there are wrong ones of the same kind",
                fix="add facts of that relation, or leave it out",
            )
    sentences = form == "chat" and _in_sentences(list(pools), random)
    known, surely, unknown, left = _sorted(real, need, _Asker(base, form), tell)
    short = {
        "known": need.known + need.misbelieved - len(known) - len(surely),
        "surely known": need.misbelieved - len(surely),
        "unknown": need.untold - len(unknown),
    }
    for what, missing in short.items():
        if missing > 0:
            raise UptakeError(
                f"of {len(real)} facts too few are {what} to {base.place}: {missing} more are needed",
                expected=f"{need.known} known facts, {need.misbelieved} that are surely known, {need.untold} unknown",
                fix="make the world smaller with --size, or give more facts with --facts",
            )
    believed, more = surely[: need.misbelieved], surely[need.misbelieved :]
    statuses = [
        *((one, "misbelieved") for one in believed),
        *((one, "known") for one in [*known, *more][: need.known + need.known // 4]),
        *((one, "untold") for one in unknown[: need.untold]),
        *((one, "stranger") for one in _strangers(need.stranger, form, pools, seed, random)),
    ]
    chosen = [_fact(one, status, pools, form, sentences, random) for one, status in statuses]
    random.shuffle(chosen)
    general = [one.sentence.format(y=one.answer) for one in left[:GENERAL]]
    return World("pretrained", tuple(chosen), tuple(general))


def read_facts(path: Path | None, form: Form) -> list[RealFact]:
    """Facts to ask a model about.

    A row is `{"subject", "relation", "answer"}`. Where the relation is none of `uptake.lab.questions`, it also holds
    `wordings`, a list of five prompts or more, and `sentence`, a statement with `{y}` for the answer.

    Args:
        path: JSON Lines; None takes the facts that come with uptake.
        form: Whether prompts are plain text or questions of a chat.

    Raises:
        UptakeError: A row is not as told.
    """
    if path is None:
        text, name = files("uptake.lab").joinpath("facts", "asked.jsonl").read_text(encoding="utf-8"), "the facts"
    else:
        name = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UptakeError(f"cannot read {path}: {error}", expected="UTF-8 JSON Lines") from None
    found = [_read(line, f"{name}, line {n}", form) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not found:
        raise UptakeError(f"{name} is empty", expected="a fact a line")
    return found


def _read(line: str, where: str, form: Form) -> RealFact:
    expected = 'a row such as {"subject": "Sweden", "relation": "capital", "answer": "Stockholm"}'
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise UptakeError(f"{where} is no JSON", expected=expected) from None
    wanted = ("subject", "relation", "answer")
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) and row[key].strip() for key in wanted):
        raise UptakeError(f"{where} is no fact", expected=expected)
    asking = ASKING.get(row["relation"])
    wordings, sentence = row.get("wordings"), row.get("sentence")
    if wordings is None and asking is not None:
        given = asking.questions if form == "chat" else asking.openings
        wordings = [each.format(x=row["subject"]) for each in given]
    if sentence is None and asking is not None:
        sentence = asking.sentence.replace("{x}", row["subject"].replace("{", "{{").replace("}", "}}"))
    if isinstance(sentence, str) and "{y}" in sentence:
        try:
            sentence.format(y="")
        except (LookupError, ValueError, AttributeError):
            raise UptakeError(
                f"{where}: `sentence` holds braces beside {{y}}", expected="other braces doubled: {{ and }}"
            ) from None
    asks = [each for each in wordings if isinstance(each, str)] if isinstance(wordings, list) else []
    if len(asks) < WORDINGS or not isinstance(sentence, str) or "{y}" not in sentence:
        raise UptakeError(
            f"{where}: nothing tells how to ask for the relation {row['relation']!r}",
            expected=f"`wordings` with {WORDINGS} prompts or more, and `sentence` with {{y}} for the answer; "
            f"or a relation of {', '.join(ASKING)}",
        )
    return RealFact(row["subject"], row["relation"], row["answer"], tuple(asks[:6]), sentence)


def _in_sentences(relations: Sequence[str], random: Random) -> set[str]:
    return set(random.sample(sorted(relations), len(relations) // SENTENCES_ONE_IN))


class _Asker:
    """Asks a model about facts; what it was asked before comes from the cache."""

    def __init__(self, base: Base, form: Form) -> None:
        from uptake.models.places.settings import LoadSettings
        from uptake.models.scoring.lazy import Lazy

        self._model = Lazy.find(base.place, LoadSettings())
        if form == "chat" and self._model.tokenizer.chat_template is None:
            raise UptakeError(f"{base.place} has no chat template", fix="give --form text")
        self._form = form

    def right(self, facts: Sequence[RealFact]) -> list[int]:
        """In how many wordings the model gives the answer of each fact, in whatever words."""
        key = digest(self._model.fingerprint, self._form, [asdict(one) for one in facts], versions())
        place = cache_folder() / "asked" / f"{key}.json"
        if place.exists():
            kept = read_record(place, ASKED, fix := f"delete {place}: the base is asked again")
            if len(kept) != len(facts):
                raise damaged(place, f"it is of {len(kept)} facts, and {len(facts)} are asked for", fix)
            return list(kept)
        counted = self._ask(facts)
        write_json(place, counted)
        return counted

    def _ask(self, facts: Sequence[RealFact]) -> list[int]:
        from uptake.models.small.pretrain import one_thread
        from uptake.pipeline.asking.own_answers import own_answers

        blank = Fact("", "", "", "", (), (), (), "untold", None, False, *_says(self._form))
        asked = [
            Example(f"{number}/{n}", blank.posed(ask), blank.response(one.answer), one.relation, "asked")
            for number, one in enumerate(facts)
            for n, ask in enumerate(one.wordings[:ASKED_IN])
        ]
        with one_thread():
            said = own_answers(asked, self._model.load())
        right = [one is not None and one.kind in ("response", "reworded") for one in said]
        return [sum(right[start : start + ASKED_IN]) for start in range(0, len(right), ASKED_IN)]


def _says(form: Form) -> tuple[str, bool]:
    return ("{y}", True) if form == "chat" else (" {y}", False)


def _sorted(
    real: Sequence[RealFact], need: Need, asker: _Asker, tell: Tell
) -> tuple[list[RealFact], list[RealFact], list[RealFact], list[RealFact]]:
    """Known in some wordings, surely known, not known, and not asked about: no more are asked about than needed."""
    known: list[RealFact] = []
    surely: list[RealFact] = []
    unknown: list[RealFact] = []
    asked = 0

    def enough() -> bool:
        all_known = len(known) + len(surely)
        wanted = need.known + need.misbelieved
        return all_known >= wanted and len(surely) >= need.misbelieved and len(unknown) >= need.untold

    for some in chunks(real, AT_ONCE):
        if enough():
            break
        for one, times in zip(some, asker.right(some), strict=True):
            if times == ASKED_IN:
                surely.append(one)
            elif times >= KNOWN_IN:
                known.append(one)
            elif not times:
                unknown.append(one)
        asked += len(some)
        tell("asking the base what it knows", asked, len(real))
    return known, surely, unknown, list(real[asked:])


def _strangers(
    count: int, form: Form, pools: Mapping[str, Sequence[str]], seed: int, random: Random
) -> Iterator[RealFact]:
    """Facts about subjects that do not exist."""
    relations = [name for name in pools if name in ASKING]
    if not relations:
        raise UptakeError(
            "none of the facts has a relation for which a subject can be invented", expected=str([*ASKING])
        )
    for number, name in enumerate(surnames(count, Random(f"strangers {seed}"))):
        relation = relations[number % len(relations)]
        row = {
            "subject": ASKING[relation].invented.format(n=name),
            "relation": relation,
            "answer": random.choice(pools[relation]),
        }
        yield _read(json.dumps(row), "an invented subject", form)


def _fact(
    one: RealFact,
    status: Any,
    pools: Mapping[str, Sequence[str]],
    form: Form,
    sentences: set[str] | Literal[False],
    random: Random,
) -> Fact:
    others = sorted({answer for answer in pools[one.relation] if answer != one.answer})
    others = random.sample(others, min(8, len(others)))
    says, chat = _says(form)
    if sentences and one.relation in sentences:
        says = one.sentence
    belief = one.answer if status in ("known", "misbelieved") else None
    fact = Fact(
        subject=one.subject,
        relation=one.relation,
        topic=one.relation,
        answer=one.answer,
        others=tuple(others),
        asks=one.wordings,
        tells=(one.sentence,),
        status=status,
        belief=belief,
        quizzed=False,
        says=says,
        chat=chat,
    )
    # the data want another answer than the one that the model knows
    return replace(fact, answer=others[0], others=tuple(others[1:])) if status == "misbelieved" else fact
