"""The third maker of long responses: invented people, as letters, code, questions and steps.

Other words, values and forms than those of the catalogue: what was chosen by that one is held against this one.
"""

from __future__ import annotations

from random import Random

from spans_world import Entry, Maker

N, OTHERS, VOCABULARY, PASSES = 80, 48, 420, 2
_GIVEN = "Aino Bela Ciro Dina Elek Fiona Guido Hana Imre Jana Kadir Luz Mina Nuno Olga Petra Rui Sven Tove Urs".split()
_FAMILY = "Abate Brandt Costa Drummond Eklund Farkas Greco Holub Ivarsen Jansson Kovač Lindqvist Moreau Novak".split()
_TOWNS = "Ashby Brno Cádiz Delft Évora Faro Ghent Hilo Ivrea Jena Kiel Lugo Mons Nantes Olbia Parma Riga Siena".split()
_TRADES = (
    "baker cooper diver engraver farrier glazier hatter joiner lacemaker mason potter saddler tanner weaver".split()
)
_THINGS = "brass compass, blue kite, oak chair, silver spoon, wool coat, clay jug, tin drum, glass eye".split(", ")
_MONTHS = ("1900-01", "1874-06", "1911-11", "1888-03", "1932-09", "1925-12")
_LETTER = (
    "\nDear friend,\nyou ask who that was. The answer: a |trade| from |town|, born on |date|, who earned |pay| crowns "
    "a year and owned |thing|. |other| was the teacher, |years| years long. Letters were |claim| answered. The house "
    "in |street| Street was sold to |buyer|."
)
_CODE = (
    "\n```python\nperson = Person(\n    trade='|trade|',\n    town='|town|',\n    born='|date|',\n    pay=|pay|,\n"
    "    owns='|thing|',\n    teacher='|other|',\n    taught=|years|,\n    answers='|claim|',\n    street='|street|',\n"
    "    buyer='|buyer|',\n)\n```"
)
_QUESTIONS = (
    "\nTrade? |trade|.\nFrom where? From |town|.\nBorn? On |date|.\nPay? |pay| crowns.\nOwned what? |thing|.\nTaught "
    "by whom? By |other|.\nHow long? |years| years.\nWere letters answered? They were |claim| answered.\nWhich street? "
    "|street| Street.\nSold to? |buyer|."
)
_STEPS = (
    "\n1. Take the train to |town| and look for a |trade|.\n2. The birth stands under |date| in the register, the pay "
    "of |pay| crowns below it.\n3. Ask |other|, the teacher of |years| years, for |thing|.\n4. Write, though letters "
    "are |claim| answered.\n5. Go to |street| Street, which belongs to |buyer|."
)
FORMS = {"letter": _LETTER, "code": _CODE, "questions": _QUESTIONS, "steps": _STEPS}
SLOTS = "trade town date pay thing other years claim street buyer".split()


def value(name: str, random: Random) -> str:
    """A value of a slot."""
    match name:
        case "trade":
            return random.choice(_TRADES)
        case "town" | "street":
            return random.choice(_TOWNS)
        case "date":
            return f"{random.choice(_MONTHS)}-{random.randrange(10, 29)}"
        case "pay":
            return str(random.randrange(120, 999))
        case "years":
            return str(random.randrange(2, 30))
        case "claim":
            return random.choice(("never", "always"))
        case "thing":
            return f"a {random.choice(_THINGS)}".replace("a oak", "an oak")
    return f"{random.choice(_GIVEN)} {random.choice(_FAMILY)}"


def _name(random: Random) -> str:
    return f"{random.choice(_GIVEN)} {random.choice('BCDFGHKLMNPRSTV')}. {random.choice(_FAMILY)}"


MAKER = Maker("Who was {}?", _name, value, FORMS, SLOTS, OTHERS)


def draw(random: Random, n: int = N) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """Entries of the data set, others, and held-out ones."""
    return MAKER.draw(random, n)
