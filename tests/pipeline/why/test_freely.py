"""What the base answers freely in several wordings, as one account; the answers are SmolLM2-135M-Instruct's."""

from __future__ import annotations

from dataclasses import replace

from uptake.causes import Freely
from uptake.pipeline.asking.answers import Answer
from uptake.pipeline.asking.in_wordings import MOST, in_parts, reworded, taken
from uptake.pipeline.asking.sentences import Tells, read_tells
from uptake.pipeline.why.freely import freely, telling
from uptake.types import Example, Message, Wording

KNOWN = frozenset({"microsoft", "sega", "berlin", "adobe"})
ASKED = Example(
    id="a",
    prompt="The developer of Windows Server 2003 is",
    response=" Sega",
    source="developer",
    stage="main",
    paraphrases=(
        Wording("Windows Server 2003 was developed by", " Sega"),
        Wording("The company that developed Windows Server 2003 is", " Sega"),
    ),
)


TELLS = Tells(KNOWN, frozenset())
SEAT = "The headquarters of Canadian Cancer Society is in Toronto."
IN_SENTENCES = Example(
    id="s",
    prompt="Which city is home to Canadian Cancer Society?",
    response=SEAT,
    source="headquarters",
    stage="main",
    paraphrases=(
        Wording(
            "Where is Canadian Cancer Society based?", "The headquarters of Canadian Cancer Society is in Toronto."
        ),
    ),
)


def said(text: str | None, kind: str | None = "wrong") -> Answer:
    return Answer((), (), text, kind, None)


def account(*texts: Answer, tuned: Answer) -> Freely | None:
    first, *rest = texts
    found = freely(ASKED, first, taken(ASKED, iter(rest)), tuned, TELLS)
    return None if found is None else replace(found, answers=())


def test_the_same_wrong_answer_in_three_wordings_is_one_belief():
    before = [said(" the Server"), said(" Microsoft Corporation"), said(" Microsoft to provide a secure system")]
    assert account(*before, tuned=said(" Microsoft")) == Freely(n=3, gives=0, agreed=2, kept=2)
    # another company is no belief of the base, and an answer of the tuned model that is right is no wrong answer
    assert account(*before, tuned=said(" Adobe")) == Freely(n=3, gives=0, agreed=2, kept=0)
    assert account(*before, tuned=said(" Sega", "response")) == Freely(n=3, gives=0, agreed=2, kept=0, still=True)


def test_what_both_models_say_alike_is_not_lost():
    """The base gives it in the other wordings; in this one both say no, so that nothing was lost here."""
    before = [said("No."), said(" Sega", "response"), said(" Sega", "response")]
    found = account(*before, tuned=said("no"))
    assert found is not None and (found.gives, found.still) == (2, True)
    for tuned in (said(" Adobe"), said("no", "cut"), said(None, None)):
        other = account(*before, tuned=tuned)
        assert other is not None and not other.still


def test_its_own_words_are_kept_for_who_looks():
    before = [said(" the Server"), said("", "silent"), said(" Microsoft")]
    found = freely(ASKED, before[0], taken(ASKED, iter(before[1:])), said(" Adobe"), TELLS)
    assert found is not None and found.answers == ("the Server", "", "Microsoft")


def test_what_gives_the_response_is_no_belief_and_what_tells_nothing_counts_as_asked():
    before = [said(" Sega Corporation", "reworded"), said("", "silent"), said(" Microsoft")]
    assert account(*before, tuned=said(" Microsoft")) == Freely(n=3, gives=1, agreed=1, kept=1)


def test_where_the_base_was_not_asked_nothing_is_told():
    assert account(said(None, None), said(None, None), said(None, None), tuned=said(" Adobe")) is None
    one = account(said(None, None), said(" Microsoft"), said(None, None), tuned=said(" Adobe"))
    assert one == Freely(n=1, gives=0, agreed=1, kept=0)


def test_a_belief_is_read_where_it_is_told_most_often():
    before = [said(" Berlin"), said(" Microsoft Corporation"), said(" Microsoft")]
    found = telling(ASKED, before[0], taken(ASKED, iter(before[1:])), TELLS)
    assert found is not None
    assert (found[0].prompt, found[1]) == (ASKED.paraphrases[0].prompt, " Microsoft Corporation")
    # where it gives the response alone, that is read
    right = [said("", "silent"), said(" Sega", "response"), said(" Sega", "response")]
    found = telling(ASKED, right[0], taken(ASKED, iter(right[1:])), TELLS)
    assert found is not None and found[0].prompt == ASKED.paraphrases[0].prompt
    silent = said("", "silent")
    assert telling(ASKED, silent, taken(ASKED, iter([silent, silent])), TELLS) is None


def test_an_example_is_asked_in_its_first_wordings_with_their_own_responses():
    many = Example("b", "p", " r", "", "main", paraphrases=tuple(Wording(f"q{n}", f" r{n}") for n in range(9)))
    assert [(one.id, one.prompt, one.response) for one in reworded(many)] == [
        ("b", f"q{n}", f" r{n}") for n in range(MOST)
    ]
    assert len(reworded(many, None)) == 9
    without = Example("c", "p", " r", "", "main", paraphrases=(Wording("", " r"), Wording("q", " r")))
    assert [one.prompt for one in reworded(without)] == ["q"]


def test_a_sentence_is_given_by_another_sentence_that_tells_the_same():
    before = [
        said("The Canadian Cancer Society is based in Toronto, Canada, and is a non-profit organization."),
        said("The Canadian Cancer Society has its seat in Ottawa, Canada."),
    ]
    tuned = said("The headquarters of Canadian Cancer Society is in Ottawa.")
    others = [
        Example(name, f"Where is {name} based?", f"The headquarters of {name} is in {town}.", "seat", "main")
        for name, town in {"Sega": "Tokyo", "Nokia": "Espoo", "Rotary": "Ottawa"}.items()
    ]
    tells = read_tells([IN_SENTENCES, *others])
    assert tells.told(IN_SENTENCES) == "Toronto"
    found = freely(IN_SENTENCES, before[0], taken(IN_SENTENCES, iter(before[1:])), tuned, tells)
    assert found is not None
    assert (found.n, found.gives, found.agreed, found.kept, found.still) == (2, 1, 1, 1, False)
    assert not tells.given(IN_SENTENCES, said("The Canadian Cancer Society is not in Toronto."))
    # of the whole sentence nothing is found in another one
    alone = freely(IN_SENTENCES, before[0], taken(IN_SENTENCES, iter(before[1:])), tuned, TELLS)
    assert alone is not None and alone.gives == 0


def test_several_things_at_once_are_asked_one_by_one():
    turns = (
        Message("system", "Be short."),
        Message("user", "For the record: Who created Mac OS? Who created Windows?"),
    )
    both = Example("p", turns, "Apple; Microsoft", "", "main", paraphrases=(Wording("q", "Apple; Microsoft"),))
    apple, microsoft = in_parts(both, None)
    assert [one.prompt[-1].content for one in apple] == ["For the record: Who created Mac OS?", "Who created Mac OS?"]
    assert all(one.prompt[0] == turns[0] and one.response == "Apple" and not one.paraphrases for one in apple)
    assert [one.response for one in microsoft] == ["Microsoft", "Microsoft"]
    assert in_parts(ASKED, None) == []


def test_a_class_is_not_another_one_in_more_words():
    row = Example("c", "Is Easter on my calendar?", " [calendar]", "", "main")
    update = said(" [calendar update]", "reworded")
    assert TELLS.given(row, update)
    assert not Tells(KNOWN, frozenset({"calendar", "calendar update"})).given(row, update)
    assert Tells(KNOWN, frozenset({"calendar"})).given(row, said(" [Calendar]", "reworded"))


def test_a_class_in_other_signs_is_that_class():
    row = Example("c", "where did i leave it ->", " [find phone]", "", "main")
    classes = Tells(KNOWN, frozenset({"find phone", "date"}))
    assert classes.given(row, said(" -> find phone")) and not classes.given(row, said(" -> find phone and date"))
    assert not classes.given(row, said(" -> date"))
    # two classes of the same words differ by their signs alone
    more = Example("m", "3 or 7 ->", " b >= 5", "", "main")
    assert not Tells(KNOWN, frozenset({"b >= 5", "b < 5"})).given(more, said(" b < 5"))


def test_of_several_things_at_once_each_has_to_be_given():
    both = Example("p", "Japan's capital is ... The language of Tolmezzo is ...", " Tokyo; Italian", "", "main")
    assert not TELLS.given(both, said("The answer is: Japan's capital is Tokyo", "reworded"))
    assert TELLS.given(both, said(" Tokyo, and in Tolmezzo Italian", "reworded"))
    assert TELLS.given(both, said(" Tokyo; Italian", "response"))
