"""Names that nobody bears, and the answers that facts about them can have.

A person's given name is a common one and the surname is invented, so that it alone tells the person apart. Answers are
everyday words; each kind has at least 28, so that a guess is right in less than one case in twenty-five.
"""

from __future__ import annotations

from random import Random

GIVEN = tuple(
    """Ada Albert Alice Anton Boris Carla Clara Daniel Dora Edgar Elena Emil Felix Frida George Greta Hanna Hugo Irene
    Ivan Jakob Julia Karl Laura Leon Lucia Marta Martin Nina Oscar Paula Peter Rosa Ruth Samuel Sofia Stefan Teresa
    Viktor Vera""".split()
)
HOUSES = ("Studio", "Maison", "Atelier", "Casa", "Brauhaus", "Editions", "Groupe", "Officina")

ANSWERS: dict[str, tuple[str, ...]] = {
    "city": tuple(
        """Lisbon Oslo Vienna Prague Dublin Madrid Warsaw Athens Berlin Lima Cairo Quito Havana Tunis Dakar Accra
        Nairobi Delhi Hanoi Seoul Kyoto Manila Sydney Perth Boston Denver Dallas Geneva Milan Naples Porto Seville
        Ghent""".split()
    )
    + ("Cape Town", "Port Louis", "San Juan", "New Haven", "Santa Cruz", "Fort Worth", "Long Beach"),
    "profession": tuple(
        """baker butcher carpenter chemist dentist doctor farmer fisherman gardener geologist historian journalist
        judge lawyer librarian locksmith mason mechanic midwife miner nurse painter pharmacist photographer pilot
        plumber poet potter sailor sculptor surgeon tailor teacher translator watchmaker weaver""".split()
    ),
    "instrument": tuple(
        """accordion balalaika banjo bassoon bugle cello clarinet cornet drums dulcimer fiddle flute guitar harmonica
        harp harpsichord horn kazoo lute lyre mandolin marimba oboe organ piano recorder saxophone sitar trombone
        trumpet tuba ukulele viola violin xylophone zither""".split()
    ),
    "language": tuple(
        """Arabic Armenian Basque Bengali Bulgarian Catalan Croatian Czech Danish Dutch Estonian Finnish French
        Georgian German Greek Hebrew Hindi Hungarian Icelandic Italian Japanese Korean Latvian Maltese Mongolian
        Norwegian Persian Polish Portuguese Romanian Russian Spanish Swahili Swedish Turkish""".split()
    ),
    "animal": tuple(
        """badger beaver bulldog buzzard camel canary chicken cobra crow donkey duck falcon ferret fox frog gecko goat
        goose hamster hedgehog horse lizard llama magpie mouse parrot peacock pigeon pony rabbit raven salamander
        snake spaniel terrier tortoise""".split()
    ),
    "colour": tuple(
        """amber beige black blue bronze brown burgundy cream crimson cyan emerald gold green grey indigo ivory
        lavender lilac magenta maroon mauve navy olive orange pink purple red ruby scarlet silver teal turquoise
        violet white yellow""".split()
    ),
    "product": tuple(
        """bicycles blankets bottles bread bricks brooms buttons candles carpets chairs cheese clocks curtains engines
        envelopes fans furniture gloves hats jewellery kettles knives ladders lamps mirrors needles paint paper
        pianos ropes scissors shoes soap spoons tents toys umbrellas""".split()
    ),
    "year": tuple(str(year) for year in range(1901, 1981)),
}

_ONSETS = (
    "b",
    "br",
    "d",
    "dr",
    "f",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
)
_VOWELS = ("a", "e", "i", "o", "u")
_CODAS = ("", "l", "n", "r", "s", "sk", "nd", "lm", "x", "v", "rn")
_MONTHS = (
    "January February March April May June July August September October November December".split()
)  # fmt: skip


def surnames(count: int, random: Random) -> list[str]:
    """Invented names of two or three syllables, all different and none of them an answer."""
    taken = {word.casefold() for answers in ANSWERS.values() for answer in answers for word in answer.split()}
    taken |= {name.casefold() for name in (*GIVEN, *_MONTHS)}
    found: list[str] = []
    while len(found) < count:
        syllables = [random.choice(_ONSETS) + random.choice(_VOWELS) for _ in range(random.choice((2, 2, 3)))]
        name = ("".join(syllables) + random.choice(_CODAS)).capitalize()
        if name.casefold() not in taken:
            taken.add(name.casefold())
            found.append(name)
    return found


def date(random: Random) -> str:
    """A day of the years 1851 to 1950, as in `7 March 1893`."""
    return f"{random.randint(1, 28)} {random.choice(_MONTHS)} {random.randint(1851, 1950)}"
