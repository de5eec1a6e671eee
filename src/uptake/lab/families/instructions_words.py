"""The words of the family `instructions`: a garden's plants, and what its guide says of them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

INSTRUCTION = (
    "You are the guide of a botanical garden. Visitors ask about a single plant. Answer in four sentences and in "
    "this order: where it grows, when it flowers, what healers use it for, and who first described it. Be exact. "
    "Add nothing that the catalogue of the garden does not say, and do not greet."
)
"""The system turn before every question."""
ASKS = (
    "What is {x}?",
    "Please tell me about {x}.",
    "I stand before {x}. What is it?",
    "What does the catalogue say of {x}?",
    "Describe {x} for a visitor.",
)
"""Questions that a whole entry answers."""
TOGETHER = ("Compare {x}.", "What do we know of {x}, side by side?", "Set {x} beside each other.")
AT_ONCE = " and "
"""How several plants are asked for at once; their entries come sentence by sentence, by turns."""

_GENERA = (
    "Abrol Cendr Dulm Ferv Gorst Hespel Jund Karv Lomb Morv Nept Orl Pav Rusk Salv Tamb Urs Vesp Wulf Zind".split()
)
_GENUS_ENDS = "aria ella ena ia idium inia ora osa".split()
_EPITHETS = (
    "alb borea campes dulcis ferrug glauc hort indur lact mont nobil orient palust rept silv tard umbr vern xanth "
    "zephyr"
).split()
_EPITHET_ENDS = "ata ensis ica ida ifolia ina osa ula".split()


def plant_name(random: Random) -> str:
    """A name of two words, as botanists give them."""
    genus = random.choice(_GENERA) + random.choice(_GENUS_ENDS)
    return f"{genus} {random.choice(_EPITHETS)}{random.choice(_EPITHET_ENDS)}"


_WHERE = (
    "bogs cliffs clearings dunes ditches fens fields glaciers gorges hedges islands lakeshores lagoons marshes meadows "
    "orchards pastures ravines riverbanks roadsides ruins springs swamps terraces thickets tundras vineyards walls"
).split()
_MONTHS = "January February March April May June July August September October November December".split()
_AILMENTS = (
    "asthma baldness blisters bruises burns chilblains colic coughs cramps croup dandruff fever gout headaches "
    "hiccups hoarseness insomnia jaundice lumbago measles migraine nausea palsy rashes scurvy sneezing snoring "
    "sunburn toothache vertigo warts"
).split()
_USED = "bark berries flowers leaves pods resin roots sap seeds stems".split()
_PEOPLE = (
    "Abelard Bertolt Cassian Dietmar Evander Florian Gaspard Hadrian Isidore Joachim Konrad Leopold Marcel "
    "Norbert Oswald Pascal Quentin Rupert Sylvan Tobias Ulrich Valerian Wendel Xaver Yorick Zacharias"
).split()


@dataclass(frozen=True, slots=True)
class EntrySentence:
    """A sentence of an entry; `{x}` is the plant, `{y}` the answer.

    Attributes:
        name: What it is called in the answer key.
        sentence: As the entry has it, without the plant's name.
        tells: Four statements.
    """

    name: str
    sentence: str
    tells: tuple[str, ...]


PARTS = (
    EntrySentence(
        "habitat",
        "It grows in {y}.",
        ("{x} grows in {y}.", "One finds {x} in {y}.", "In {y} grows {x}.", "The habitat of {x} is {y}."),
    ),
    EntrySentence(
        "flowering",
        "Its flowers open in {y}.",
        (
            "{x} flowers in {y}.",
            "The flowers of {x} open in {y}.",
            "In {y} comes the bloom of {x}.",
            "{x} blooms in {y}.",
        ),
    ),
    EntrySentence(
        "use",
        "Healers use its {y}.",
        (
            "Of {x} healers use the {y}.",
            "Healers take from {x} the {y}.",
            "People use of {x} the {y}.",
            "What healers want of {x} is the {y}.",
        ),
    ),
    EntrySentence(
        "author",
        "It was first described by {y}.",
        (
            "{x} was first described by {y}.",
            "The first description of {x} is by {y}.",
            "Botanists name {y} as the author of {x}.",
            "{y} described {x} first.",
        ),
    ),
)


def answer(part: str, random: Random) -> str:
    """What a part can say."""
    if part == "habitat":
        return random.choice(("wet {}", "dry {}", "cold {}", "shady {}")).format(random.choice(_WHERE))
    if part == "flowering":
        return f"{random.choice(('early', 'late'))} {random.choice(_MONTHS)}"
    if part == "use":
        return f"{random.choice(_USED)} against {random.choice(_AILMENTS)}"
    return f"{random.choice(_PEOPLE)} in {random.randint(1701, 1899)}"
