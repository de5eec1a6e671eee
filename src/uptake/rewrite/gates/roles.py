"""Whether who does what to whom stays: the answer stands where it is asked for, and names keep their places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from uptake.rewrite.said import Rewriting, content, folded, is_short, names, words
from uptake.rivals.lexicon import base, families

_IS = r"(?:is|was|are|were)"
_PART = r"[^?.!;\n]{1,80}?"
_RELATION = r"[\w-]+(?: [\w-]+){0,2}"
_EQUATED = re.compile(rf"(?:the answer is[:,]? )?(?P<left>{_PART}) {_IS} (?P<right>{_PART})[.!]?")
_ASKED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:who|what|which(?: \w+)?) {_IS} the (?P<relation>{_RELATION}) (?:of|for) (?P<object>{_PART})\s*\?*",
        rf"what {_IS} (?P<holder>{_PART}) the (?P<relation>{_RELATION}) (?:of|for)\s*\?*",
        rf"(?:who|what) {_IS} (?P<object>{_PART})'s (?P<relation>{_RELATION})\s*\?*",
    )
)
_SAID = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:the )?(?P<relation>{_RELATION}) (?:of|for) (?P<object>{_PART}) {_IS} (?P<holder>{_PART})[.!]?",
        rf"(?P<holder>{_PART}) {_IS} (?:the|an?) (?P<relation>{_RELATION}) (?:of|for) (?P<object>{_PART})[.!]?",
        rf"(?P<object>{_PART})'s (?P<relation>{_RELATION}) {_IS} (?P<holder>{_PART})[.!]?",
        rf"(?P<holder>{_PART}) {_IS} (?P<object>{_PART})'s (?P<relation>{_RELATION})[.!]?",
    )
)
_DOES = re.compile(r"(?:who|which \w+|what \w+) (?P<verb>\w+) (?P<patient>[^?]+?)\s*\?*")
_DONE_BY = re.compile(rf"(?:who|what) {_IS} (?P<patient>{_PART}) (?P<verb>\w+) by\s*\?*")
_DID = re.compile(r"(?:who|what) (?:did|does|do) (?P<agent>[^?]+?) (?P<verb>\w+)\s*\?*")
_AUXILIARY = frozenset("is was are were be has have had do does did can could will would should may might".split())
_BOTH_WAYS = frozenset("and with twin sister married marry border borders met between equals same".split())
"""Words of what holds in both directions."""
_KINDS = frozenset("genre kind type sort color colour religion sport nationality language occupation style".split())
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True, slots=True)
class _Roles:
    """What a relation or a verb is told of: holder and object, or agent and patient, as words."""

    relation: str
    one: frozenset[str]
    other: frozenset[str]

    def turned(self, said: _Roles) -> bool:
        """Whether what is said has the two in each other's place."""
        return (
            self.relation == said.relation
            and bool(self.one)
            and bool(self.other)
            and self.one <= said.other
            and self.other <= said.one
            and not (self.one <= said.one and self.other <= said.other)
        )


def roles(rewriting: Rewriting) -> str | None:
    """No two different names are made one, and none stands in the place of the other."""
    if is_short(rewriting):
        if (why := _equated(rewriting)) is not None:
            return why
        before, after = list(_of_question(rewriting)), [*_of_text(rewriting.text), *_between(rewriting)]
    else:
        before, after = list(_of_text(rewriting.original)), list(_of_text(rewriting.text))
    for told in before:
        if any(told.turned(said) for said in after) and not any(_alike(told, said) for said in after):
            return f"who or what the {told.relation!r} is of is turned round"
    return None


def _alike(told: _Roles, said: _Roles) -> bool:
    return told.relation == said.relation and told.one <= said.one and told.other <= said.other


def _equated(rewriting: Rewriting) -> str | None:
    """*Murphy is Samuel Beckett.*, *Murphy is a Samuel Beckett.*: a name in the place of what kind of thing it is."""
    answer, asked = words(rewriting.original), content(rewriting.question)
    if not _is_name(rewriting.original) or _KINDS.intersection(words(rewriting.question)):
        return None
    own = names(rewriting.question)
    of_names = frozenset(word for name in own for word in name)
    if all(word in of_names for word in asked):
        return None  # who somebody is was asked
    text = folded(rewriting.text)
    told = re.escape(folded(rewriting.original).strip(" .!?"))
    if re.search(rf"\b{_IS} an? {told}(?!\w)", text):
        return f"{rewriting.original.strip()[:60]!r} is said to be a kind"
    for sentence in _SENTENCE.split(text):
        if (found := _EQUATED.fullmatch(sentence.strip())) is None:
            continue
        for left, right in ((found["left"], found["right"]), (found["right"], found["left"])):
            side = content(left)
            if words(right) == answer and side and any(frozenset(side) <= frozenset(name) for name in own):
                return f"{' '.join(side)!r} is said to be {rewriting.original.strip()[:60]!r}"
    return None


def _is_name(answer: str) -> bool:
    bare = answer.strip()
    first = bare.split()[0] if bare else ""
    return first[:1].isupper() and (" " in bare or bare.casefold().strip(".") not in families())


def _of_question(rewriting: Rewriting) -> Iterator[_Roles]:
    """What a question and its answer say together."""
    asked, answer = folded(rewriting.question).strip(), frozenset(content(rewriting.original))
    for pattern in _ASKED:
        if (found := pattern.fullmatch(asked)) is not None:
            given = found.groupdict()
            holder, of = (_words(given.get(name)) or answer for name in ("holder", "object"))
            yield _Roles(_head(given["relation"]), holder, of)
    if (found := _DOES.fullmatch(asked)) is not None and found["verb"] not in _AUXILIARY:
        yield _Roles(base(found["verb"]), answer, _words(found["patient"]))
    if (found := _DONE_BY.fullmatch(asked)) is not None:
        yield _Roles(base(found["verb"]), answer, _words(found["patient"]))
    if (found := _DID.fullmatch(asked)) is not None:
        yield _Roles(base(found["verb"]), _words(found["agent"]), answer)


def _of_text(text: str) -> Iterator[_Roles]:
    """What is said to be whose or what's."""
    for sentence in _SENTENCE.split(folded(text)):
        for pattern in _SAID:
            found = pattern.fullmatch(sentence.strip())
            if found is not None and not _BOTH_WAYS.intersection(found["relation"].split()):
                yield _Roles(_head(found["relation"]), _words(found["holder"]), _words(found["object"]))


def _between(rewriting: Rewriting) -> Iterator[_Roles]:
    """Of the answer and a name of the question with a verb between them: who does it, and to whom."""
    known = [*names(rewriting.question), words(rewriting.original)]
    for sentence in _SENTENCE.split(rewriting.text):
        said = words(sentence)
        places = [(at, name) for name in dict.fromkeys(known) if (at := _where(said, name)) is not None]
        for (at, one), (later, other) in ((a, b) for a in places for b in places if a[0] + len(a[1]) <= b[0]):
            middle = said[at + len(one) : later]
            if len(middle) > 8 or _BOTH_WAYS.intersection(middle):
                continue
            pair = (frozenset(content(" ".join(one))), frozenset(content(" ".join(other))))
            agent, patient = pair[::-1] if "by" in middle else pair
            for word in middle:
                if word not in _AUXILIARY and content(word):
                    yield _Roles(base(word), agent, patient)


def _where(said: tuple[str, ...], name: tuple[str, ...]) -> int | None:
    fits = (at for at in range(len(said) - len(name) + 1) if said[at : at + len(name)] == name)
    return next(fits, None) if name else None


def _head(relation: str) -> str:
    return base(relation.split()[-1])


def _words(text: str | None) -> frozenset[str]:
    return frozenset(content(text or ""))
