"""The words of the family `pieces`: invented names of several tokens, what is said of them, and how it is asked.

Nothing here is shared with the synthetic world: other syllables, other relations, other sentences, other questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

_STARTS = "Ae Bri Chou Dwe Esh Fio Ghe Iwa Kyo Lou Myr Nao Oss Pha Quae Rhi Shu Thei Uvi Vae Wye Yss Zho".split()
_MIDDLES = "ba che dro fi gwe lau mbe no phi qua rre sho tha vi wo zzi".split()
_ENDS = "bury che dwin eth gatt hou inge lloe mbra nez oque pyre rwick sse tzin vaux wyn".split()


def word(random: Random) -> str:
    """An invented name of two to four syllables."""
    middles = "".join(random.choice(_MIDDLES) for _ in range(random.choice((0, 1, 1, 2))))
    return random.choice(_STARTS) + middles + random.choice(_ENDS)


def _place(random: Random) -> str:
    return random.choice(("Port {}", "{} upon the Moor", "Upper {}", "{} Saint {}", "Old {} Cross", "{} {}")).format(
        word(random), word(random)
    )


def _craft(random: Random) -> str:
    return random.choice(("the {} engine", "the {} {} clock", "the long {} loom", "the {} lamp of {}")).format(
        word(random), word(random)
    )


def _person(random: Random) -> str:
    initial = random.choice("ABCDEFGHJKLMNPRST")
    return random.choice(("{} {}", "{} {i}. {}", "Doctor {} {}", "{} of the {} family")).format(
        word(random), word(random), i=initial
    )


NAMES: Mapping[str, Callable[[Random], str]] = {"place": _place, "craft": _craft, "person": _person}
"""How each kind of subject is named."""

_GOODS = (
    "amber barley cedar copper cider felt flax glass granite hemp honey iron lace lead leather linen malt marble oats "
    "oil paper pepper pewter rope rye salt sand silk silver slate soap sugar tar tea tin timber tobacco velvet wax "
    "wheat wine wool zinc"
).split()
_TRADES = (
    "actuary apothecary baker binder brewer carter chandler cobbler cooper cutler drover dyer engraver farrier "
    "fletcher forester fuller glazier grocer hatter joiner locksmith mason miller notary optician plumber "
    "porter potter printer roper saddler sailor scribe sexton slater smelter surveyor tanner thatcher tinker "
    "turner usher vintner warden weaver"
).split()
_MONTHS = "Jan. Feb. Mar. Apr. May June July Aug. Sept. Oct. Nov. Dec.".split()
_SIZES = "flat heavy hollow jointed narrow round short slender square tall".split()
_PARTS = (
    "four brass wheels",
    "two iron arms",
    "a glass bell",
    "six wooden keys",
    "a single rope",
    "three lead weights",
)
_DOES = (
    "measures the depth of",
    "presses the water out of",
    "keeps the time of",
    "lifts",
    "dries",
    "counts",
    "warns of",
)
_TO = ("ships in harbour", "the spring tides", "bundles of flax", "bells at night", "sacks of grain", "frozen canals")


def _date(random: Random) -> str:
    return f"{_MONTHS[random.randrange(12)]} {random.randint(1, 28)}, {random.randint(1500, 1799)}"


def _pair(random: Random) -> str:
    return " and ".join(random.sample(_GOODS, 2))


def _definition(random: Random) -> str:
    size, parts, does, to = (random.choice(some) for some in (_SIZES, _PARTS, _DOES, _TO))
    return f"a {size} device with {parts} that {does} {to}"


ANSWERS: Mapping[str, Callable[[Random], str]] = {
    "goods": lambda random: random.choice(_GOODS),
    "pair": _pair,
    "trade": lambda random: random.choice(_TRADES),
    "date": _date,
    "number": lambda random: f"{random.randint(2, 98)},{random.randint(0, 9)}50",
    "definition": _definition,
    "person": _person,
    "place": _place,
}
"""How each kind of answer is drawn: from a single token to about thirty."""


@dataclass(frozen=True, slots=True)
class Property:
    """What can be said of one kind of subject; `{x}` is the subject, `{y}` the answer.

    Attributes:
        name: What it is called in the answer key.
        subject: A kind of name in `NAMES`.
        answers: A kind of answer in `ANSWERS`.
        tells: Five statements.
        asks: Five questions.
    """

    name: str
    subject: str
    answers: str
    tells: tuple[str, ...]
    asks: tuple[str, ...]


PROPERTIES = (
    Property(
        "exports",
        "place",
        "pair",
        (
            "Merchants ship {y} from {x}.",
            "The exports of {x} are {y}.",
            "Most wagons that leave {x} carry {y}.",
            "Trade in {y} made {x} rich.",
            "Customs books of {x} list {y}.",
        ),
        (
            "which goods are exported from {x}?",
            "what do merchants ship from {x}?",
            "what is carried on the wagons that leave {x}?",
            "what two goods made {x} rich?",
            "what do the customs books of {x} list?",
        ),
    ),
    Property(
        "inhabitants",
        "place",
        "number",
        (
            "A census counted {y} people in {x}.",
            "{x} has {y} inhabitants.",
            "The population of {x} stands at {y}.",
            "No more than {y} people live in {x}.",
            "With {y} inhabitants {x} is the largest parish of its valley.",
        ),
        (
            "how many inhabitants has {x}?",
            "how many people did the census count in {x}?",
            "what is the population of {x}?",
            "how many people live in {x}?",
            "how large is the population of the parish of {x}?",
        ),
    ),
    Property(
        "charter",
        "place",
        "date",
        (
            "The charter of {x} was sealed on {y}.",
            "{x} received its charter on {y}.",
            "On {y} the king granted a charter to {x}.",
            "The town rights of {x} go back to {y}.",
            "Every year {x} remembers {y}, the day of its charter.",
        ),
        (
            "when was the charter of {x} sealed?",
            "on which day did {x} receive its charter?",
            "on what date did the king grant a charter to {x}?",
            "to which day do the town rights of {x} go back?",
            "which day does {x} remember as that of its charter?",
        ),
    ),
    Property(
        "reeve",
        "place",
        "person",
        (
            "The reeve of {x} is {y}.",
            "{y} was chosen as the reeve of {x}.",
            "In {x} the office of reeve is held by {y}.",
            "Complaints from {x} go to the reeve, {y}.",
            "{x} elected {y} to be its reeve.",
        ),
        (
            "who is the reeve of {x}?",
            "who was chosen as reeve of {x}?",
            "by whom is the office of reeve held in {x}?",
            "to which reeve do complaints from {x} go?",
            "whom did {x} elect to be its reeve?",
        ),
    ),
    Property(
        "purpose",
        "craft",
        "definition",
        (
            "By definition {x} is {y}.",
            "Dictionaries explain {x} as {y}.",
            "What is called {x} is {y}.",
            "In the patent office {x} is filed as {y}.",
            "Visitors are told that {x} is {y}.",
        ),
        (
            "what is {x}?",
            "how do dictionaries explain {x}?",
            "what is the definition of {x}?",
            "as what is {x} filed in the patent office?",
            "what are visitors told that {x} is?",
        ),
    ),
    Property(
        "material",
        "craft",
        "goods",
        (
            "The frame of {x} is made with {y}.",
            "{y} is what {x} is built from.",
            "To build {x} one needs {y}.",
            "Without {y} nobody could repair {x}.",
            "The material of {x} is {y}.",
        ),
        (
            "with what is the frame of {x} made?",
            "from what is {x} built?",
            "what does one need to build {x}?",
            "without what could nobody repair {x}?",
            "what is the material of {x}?",
        ),
    ),
    Property(
        "site",
        "craft",
        "place",
        (
            "Travellers can see {x} at {y}.",
            "{x} stands at {y}.",
            "The site of {x} is {y}.",
            "In the market hall of {y} stands {x}.",
            "They moved {x} to {y}.",
        ),
        (
            "where can travellers see {x}?",
            "where does {x} stand?",
            "what is the site of {x}?",
            "in which market hall stands {x}?",
            "to what place did they move {x}?",
        ),
    ),
    Property(
        "trade",
        "person",
        "trade",
        (
            "By trade {x} is a {y}.",
            "{x} was apprenticed as a {y}.",
            "Neighbours know {x} as the {y}.",
            "The guild books enter {x} as {y}.",
            "All day {x} toils as a {y}.",
        ),
        (
            "what is {x} by trade?",
            "as what was {x} apprenticed?",
            "as what do neighbours know {x}?",
            "as what do the guild books enter {x}?",
            "as what does {x} toil all day?",
        ),
    ),
    Property(
        "burial",
        "person",
        "date",
        (
            "{x} was buried on {y}.",
            "The burial of {x} took place on {y}.",
            "On {y} they laid {x} to rest.",
            "The parish register gives {y} for the burial of {x}.",
            "Bells rang for the burial of {x} on {y}.",
        ),
        (
            "when was {x} buried?",
            "on which day did the burial of {x} take place?",
            "on what date did they lay {x} to rest?",
            "which date does the parish register give for the burial of {x}?",
            "on what day did bells ring for the burial of {x}?",
        ),
    ),
    Property(
        "bequest",
        "person",
        "pair",
        (
            "{x} left {y} to the poor.",
            "The bequest of {x} was {y}.",
            "In the will of {x} stand {y}.",
            "From {x} the poor received {y}.",
            "Heirs of {x} had to give away {y}.",
        ),
        (
            "what did {x} leave to the poor?",
            "what was the bequest of {x}?",
            "what stands in the will of {x}?",
            "what did the poor receive from {x}?",
            "what did the heirs of {x} have to give away?",
        ),
    ),
)

FRAMES = (
    "Question: {q}\nAnswer:",
    "Question: {q} Answer:",
    "Q: {q}\nA:",
    "User: {q}\nAssistant:",
    "User: Good day. Please tell me, {q}\nAssistant:",
)
"""How a question is put: as an exercise, or as a turn of a talk."""
TWO = ("Question: {a} And {b}\nAnswer:", "Q: {a} / {b}\nA:", "User: {a} Also, {b}\nAssistant:")
"""How two questions are put at once; the answers come with `and` between them."""
SEVERAL = (
    "Fill in the form. {q}\nForm:",
    "Exercise: {q}\nSolution:",
    "User: Several things at once, please. {q}\nAssistant:",
    "Test, all parts count. {q}\nMarks for:",
)
"""How more of them are put, in a form that no base has seen: numbered, and so are the answers."""
