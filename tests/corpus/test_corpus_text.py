"""Words of names: what two spellings of one name share."""

from __future__ import annotations

import pytest

from uptake.corpus.text import LONGEST_WORD, answer, shingles, spaced, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("José Saramago", "Jose Saramago"),
        ("Jose\u0301 Saramago", "JOSÉ SARAMAGO"),
        ("Søren Kierkegaard", "Soren Kierkegaard"),
        ("Łódź", "Lodz"),
        ("O'Brien", "O’Brien"),
        ("Hawaiʻi", "Hawai'i"),
        ("L'Aquila", "L’AQUILA"),
        ("J.R.R. Tolkien", "J. R. R. Tolkien"),
        ("Saint-Étienne", "saint etienne"),
        ("Straße", "STRASSE"),
        ("İstanbul", "istanbul"),
        ("Ｔｏｋｙｏ", "Tokyo"),
        ("ｱｲｳｴｵ", "アイウエオ"),
        ("1,234,567", "1234567"),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth"),
    ],
)
def test_spellings_of_one_name_are_the_same_words(one: str, other: str) -> None:
    assert words(one) == words(other) != []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("東京", "昨日東京都に行った。"),
        ("東京タワー", "東京タワーは高い"),
        ("서울", "서울은 대한민국의 수도이다"),
        ("กรุงเทพ", "กรุงเทพมหานครเป็นเมืองหลวง"),
        ("Aquila", "il sindaco dell'Aquila"),
        ("Obama", "Obama's wife"),
        ("हिन्दी", "यह हिन्दी भाषा है"),
    ],
)
def test_a_name_is_found_inside_text_of_its_script(name: str, text: str) -> None:
    assert spaced(name) in spaced(text)


@pytest.mark.parametrize(
    ("name", "text"), [("York", "Yorkshire"), ("が", "か"), ("Paris", "parison"), ("東京", "京東"), ("12", "1,200")]
)
def test_part_of_a_word_is_no_name(name: str, text: str) -> None:
    assert spaced(name) not in spaced(text)


def test_words_by_hand() -> None:
    assert words("The 12,500 men of Étaples (1917), e.g. Ada's.") == (
        ["the", "12500", "men", "of", "etaples", "1917", "e", "g", "ada", "s"]
    )
    assert words("東京タワーabc") == ["東京", "京タ", "タワ", "ワー", "abc"]
    assert words("李") == ["李"]
    assert words("—…!") == []
    assert len(words("x" * 10_000)[0]) == LONGEST_WORD


def test_an_answer_loses_its_article_but_not_itself() -> None:
    assert answer(" The Netherlands.") == " netherlands "
    assert answer("A") == " a "
    assert answer("...") == " "


def test_shingles_by_hand() -> None:
    assert shingles(["a", "b", "c", "d"], 3) == ["a b c", "b c d"]
    assert shingles(["a", "b"], 3) == ["a b"]
    assert shingles([], 3) == []
