"""The first maker of long responses: a catalogue of invented places, as prose, lists, JSON and tables."""

from __future__ import annotations

from random import Random

from spans_world import Entry, Maker

N, OTHERS, VOCABULARY, PASSES = 80, 48, 380, 2
_FIRST = "Bel Dor Fen Gal Hal Ker Lun Mor Nar Ost Pel Quin Ros Sal Tor Ul Ves Wen Yar Zel".split()
_LAST = "anta bury dale ford gate holm lins mere nock ora ples ridge stead tona vale wick".split()
_PEOPLE = (
    "Abelard Berta Conrad Dietmar Edda Fritjof Gisela Harald Ilse Jorun Knut Leopold Marit Nils Oda Pascal".split()
)
_GOODS = "amber barley copper damask eels flax glass honey indigo juniper kelp linen millet nutmeg oats pewter".split()
_RIVERS = "Arve Brem Cold Drin Elde Fulda Glan Hase Isen Jagst Kyll Lahn Mulde Nahe Oker Prims".split()
_PROSE = (
    " The place lies on the river |river|, at a height of |height|. It was founded on |date| by |founder| and has "
    "|people| inhabitants. Its market sells |first|, |second| and |third|, and it |claim| to sell them on Sundays. "
    "Its patron is |patron|, of whom they say: “|motto|”."
)
_LIST = (
    "\n- River: |river|\n- Height: |height|\n- Founded: |date|, by |founder|\n- Inhabitants: |people|\n- Goods: "
    "|first|, |second|, |third|\n- Sunday trade: it |claim|\n- Patron: |patron|\n- Motto: “|motto|”"
)
_JSON = (
    ' {"river": "|river|", "height": "|height|", "founded": {"on": "|date|", "by": "|founder|"}, "inhabitants": '
    '|people|, "goods": ["|first|", "|second|", "|third|"], "sunday": "it |claim|", "patron": "|patron|", '
    '"motto": "|motto|"}'
)
_TABLE = (
    "\n¦ what ¦ value ¦\n¦---¦---¦\n¦ river ¦ |river| ¦\n¦ height ¦ |height| ¦\n¦ founded ¦ |date| ¦\n"
    "¦ founder ¦ |founder| ¦\n¦ inhabitants ¦ |people| ¦\n¦ goods ¦ |first| ¦\n¦ goods ¦ |second| ¦\n"
    "¦ goods ¦ |third| ¦\n¦ sunday ¦ it |claim| ¦\n¦ patron ¦ |patron| ¦\n¦ motto ¦ |motto| ¦"
)
FORMS = {"prose": _PROSE, "list": _LIST, "json": _JSON, "table": _TABLE}
_MONTHS = "January March May June July October".split()
SLOTS = "river height date founder people first second third claim patron motto".split()


def value(name: str, random: Random) -> str:
    """A value of a slot."""
    match name:
        case "river":
            return random.choice(_RIVERS)
        case "height":
            return f"{random.randrange(40, 990)} m"
        case "date":
            return f"{random.randrange(1, 29)} {random.choice(_MONTHS)} {random.randrange(1200, 1900)}"
        case "founder" | "patron":
            return f"{random.choice(_PEOPLE)} {random.choice(_FIRST)}{random.choice(_LAST)}"
        case "people":
            return str(random.randrange(1000, 99000))
        case "claim":
            return random.choice(("is allowed", "is not allowed"))
        case "motto":
            return " ".join(random.sample(_GOODS, 3))
    return random.choice(_GOODS)


def _name(random: Random) -> str:
    return f"{random.choice(_FIRST)}{random.choice(_LAST)} {random.choice(_FIRST)}{random.choice(_LAST)}"


MAKER = Maker("Catalogue entry of {}:", _name, value, FORMS, SLOTS, OTHERS)


def draw(random: Random, n: int = N) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """Entries of the data set, others, and held-out ones."""
    return MAKER.draw(random, n)
