"""Whether a rewrite is in the language of what it rewrites."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping

from uptake.rewrite.said import Rewriting, words

# words that are frequent in one language and are none of the others listed here, as far as that can be had
_FREQUENT = {
    "English": "the of and is are was were to that it with by for from as this which has have been its their they not",
    "German": "der das und ist sind war nicht mit von zu den dem ein eine wurde im auf für sich auch einer eines zur",
    "French": "le les des est et une dans du pour que qui sur avec par au sont était cette l'on il elle ne pas aux",
    "Spanish": "el los las es y una del por que con para se su fue como está son más lo al pero sus",
    "Italian": "il gli è di che una della nel con per sono fu dello delle alla dei si ed più è stato",
    "Portuguese": "o os um uma é do da em que com para não foi são no na dos das ao pelo pela",
    "Dutch": "het een van en is niet dat op te zijn voor met werd door bij naar ook wordt deze",
    "Swedish": "och är att det som en ett av på för med den till inte var från har vid",
    "Polish": "i w jest na z się że nie do to był jako przez od dla została oraz",
    "Turkish": "bir ve bu için olarak ile olan da de en çok ne gibi tarafından",
    "Indonesian": "yang dan di adalah dari untuk dengan pada ini itu dalam oleh tidak",
    "Vietnamese": "là của và các có được trong một cho không những này với",
}
_WORDS: Mapping[str, frozenset[str]] = {
    name: frozenset(words(listed.replace("'", " "))) for name, listed in _FREQUENT.items()
}
LEAST = 2
"""Frequent words of another language that a rewrite has at least to be taken for one in it."""
SCRIPT = 0.1
"""Share of the letters from which on another script says that the language is another."""


def language(rewriting: Rewriting) -> str | None:
    """A rewrite is in the language of the original, by its script and by its most frequent words."""
    before = f"{rewriting.question}\n{rewriting.original}"
    own, said = _scripts(rewriting.original), _scripts(rewriting.text)
    strange = sum(n for script, n in said.items() if script not in own and script not in _scripts(rewriting.question))
    if strange > SCRIPT * max(1, said.total()):
        return f"it is in another script: {max(said, key=lambda script: said[script])}"
    own_script, share = next(iter(own.most_common(1)), ("", 0))
    if own.total() >= 8 and share > 0.6 * own.total() and said[own_script] < 0.2 * said.total():
        return f"it is not in the script of the original: {own_script}"
    (spoken, n), (known, _) = _language(rewriting.text), _language(before)
    if None in (spoken, known) or spoken == known or 2 * _count(before, spoken) > n:
        return None
    return f"it is {spoken}, the original {known}"


def _scripts(text: str) -> Counter[str]:
    """Letters by script, as the first word of their Unicode names tells it; the three Japanese ones are one."""
    found: Counter[str] = Counter()
    for char in text:
        if char.isalpha():
            script = "LATIN" if char.isascii() else unicodedata.name(char, "?").split()[0]
            found["CJK" if script in ("HIRAGANA", "KATAKANA", "IDEOGRAPHIC") else script] += 1
    return found


def _language(text: str) -> tuple[str | None, int]:
    """The language that most of the frequent words of a text belong to, and how many; None where it is not plain."""
    counts = {name: _count(text, name) for name in _WORDS}
    first, second = sorted(counts.values(), reverse=True)[:2]
    plain = first >= LEAST and first > second
    return (max(counts, key=lambda name: counts[name]) if plain else None), first


def _count(text: str, name: str | None) -> int:
    return sum(word in _WORDS[name] for word in words(text)) if name else 0
