"""The sets that rivals_forms.py reports: written after the method was fixed, which was not changed for them.

Three makers: other relations by hand, in another style; ParaRel's human-written patterns of the relations that were no
development data; and PopQA's own questions, each relation put in three other ways.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rivals_data import Row
from rivals_forms_data import Draw, Relation, asked

BY_HAND: Mapping[str, Relation] = {
    "employer": asked(
        "person",
        "P108",
        """
        Who does {x} work for?
        {x}'s employer is which organisation?
        Which company employs {x}?
        I'd like to know the employer of {x}.""",
    ),
    "religion": asked(
        "person",
        "P140",
        """
        Which religion does {x} follow?
        What's {x}'s religion?
        State the religion of {x}.
        To what religion does {x} belong?""",
    ),
    "instrument": asked(
        "person",
        "P1303",
        """
        What instrument does {x} play?
        Which musical instrument is played by {x}?
        {x} plays which instrument?
        Give the instrument that {x} plays.""",
    ),
    "burial": asked(
        "person",
        "P20",
        """
        Where is {x} buried?
        What is {x}'s burial place?
        In which town is the grave of {x}?
        {x} was buried where?""",
    ),
    "height": asked(
        "person",
        "count",
        """
        How tall is {x}?
        What height does {x} have?
        Please give me {x}'s height.
        What is the body height of {x}?""",
    ),
    "teacher": asked(
        "person",
        "person",
        """
        Who taught {x}?
        Who was {x}'s teacher?
        By whom was {x} taught?
        Could you tell me the teacher of {x}?""",
    ),
    "continent": asked(
        "land",
        "P30",
        """
        On which continent is {x}?
        What continent does {x} lie in?
        {x} is part of which continent?
        Name the continent of {x}.""",
    ),
    "anthem": asked(
        "land",
        "person",
        """
        Who composed the anthem of {x}?
        {x}'s anthem was composed by whom?
        Who is the composer of {x}'s anthem?
        Name the composer of the anthem of {x}.""",
    ),
    "area": asked(
        "land",
        "count",
        """
        What is the area of {x}?
        How large is {x}?
        Tell me {x}'s area.
        {x} has what area?""",
    ),
    "ruler": asked(
        "land",
        "person",
        """
        Who ruled {x} first?
        Who was the first ruler of {x}?
        The first ruler of {x} was who?
        Name {x}'s first ruler.""",
    ),
    "owner": asked(
        "company",
        "P127",
        """
        Who owns {x}?
        Who is the owner of {x}?
        {x} is owned by whom?
        {x}'s owner?""",
    ),
    "employees": asked(
        "company",
        "count",
        """
        How many employees does {x} have?
        What is the number of employees of {x}?
        {x} employs how many people?
        How many people work at {x}?""",
    ),
    "developer": asked(
        "software",
        "P178",
        """
        Who developed {x}?
        Which company is the developer of {x}?
        {x} was developed by whom?
        What's the name of {x}'s developer?""",
    ),
    "licence": asked(
        "software",
        "P407",
        """
        In which language is {x} programmed?
        What is the programming language of {x}?
        Which programming language is {x} written in?
        {x}'s programming language, please.""",
    ),
    "premiere": asked(
        "work",
        "year",
        """
        When did {x} premiere?
        In which year was the premiere of {x}?
        What is the year of {x}'s premiere?
        {x} premiered in what year?""",
    ),
    "translator": asked(
        "work",
        "person",
        """
        Who translated {x}?
        Who's the translator of {x}?
        Do you know who translated {x}?
        Name the person who translated {x}.""",
    ),
}
"""Other relations than `DEVELOPMENT`, other forms."""

BY_HAND_OPEN: Mapping[str, Sequence[tuple[str, str]]] = {
    "person": (("Which books by {x} would you recommend?", "P364"), ("Mention a pupil of {x}.", "person")),
    "land": (("List some rivers of {x}.", "person"), ("What are typical dishes of {x}?", "person")),
    "company": (("Give me a product of {x}.", "person"), ("Which products does {x} sell?", "person")),
    "work": (("Name one of the characters in {x}.", "person"), ("What did you like about {x}?", "person")),
}
OTHER_OTHER_SCRIPTS = (
    "दिल्ली मुंबई नेपाल भारत 서울 부산 대한민국 인천 საქართველო თბილისი ბათუმი กรุงเทพ เชียงใหม่ ไทย Хорватија Београд Ниш "
    "বাংলাদেশ ঢাকা Երեւան Գյումրի საბურთალო київ львів одеса فارس تهران شیراز 河南 湖北 名古屋 札幌"
).split()

POPQA: Mapping[str, tuple[str, ...]] = {
    r"What is (.+)'s occupation\?": (
        "What is {x}'s profession?",
        "What job does {x} have?",
        "Give the occupation of {x}.",
    ),
    r"In what city was (.+) born\?": (
        "Where was {x} born?",
        "{x}'s place of birth?",
        "Which city is the birthplace of {x}?",
    ),
    r"What genre is (.+)\?": ("Which genre does {x} belong to?", "Name the genre of {x}.", "What is {x}'s genre?"),
    r"Who is the father of (.+)\?": ("Who is {x}'s father?", "Name the father of {x}.", "{x} has which father?"),
    r"Who is the mother of (.+)\?": ("Who's {x}'s mother?", "Tell me {x}'s mother.", "The mother of {x} is who?"),
    r"In what country is (.+)\?": (
        "Which country is {x} in?",
        "{x} is located in which country?",
        "Name the country of {x}.",
    ),
    r"Who was the producer of (.+)\?": ("Who produced {x}?", "{x} was produced by whom?", "Name {x}'s producer."),
    r"Who was the director of (.+)\?": ("Who directed {x}?", "By whom was {x} directed?", "Who's {x}'s director?"),
    r"Who was the screenwriter for (.+)\?": (
        "Who wrote the screenplay of {x}?",
        "Who is {x}'s screenwriter?",
        "Name the screenwriter of {x}.",
    ),
    r"Who was the composer of (.+)\?": ("Who composed {x}?", "{x} was composed by whom?", "Name {x}'s composer."),
    r"What color is (.+)\?": ("What is the color of {x}?", "Which color does {x} have?", "Tell me {x}'s color."),
    r"What is the religion of (.+)\?": (
        "What is {x}'s religion?",
        "Which religion does {x} have?",
        "To which religion does {x} belong?",
    ),
    r"What sport does (.+) play\?": ("Which sport is played by {x}?", "What is {x}'s sport?", "Name the sport of {x}."),
    r"Who is the author of (.+)\?": ("Who wrote {x}?", "{x} was written by whom?", "Name {x}'s author."),
    r"What is the capital of (.+)\?": (
        "Which city is the capital of {x}?",
        "Name {x}'s capital.",
        "{x} has which capital?",
    ),
    r"What is (.+) the capital of\?": (
        "Of which country is {x} the capital?",
        "{x} is the capital of what?",
        "Which place is {x} the capital of?",
    ),
}
"""PopQA's questions and each in three other ways."""


def popqa(data: Path, how: Draw) -> list[Row]:
    """PopQA's own rows, some of them asked again in another way and answered otherwise."""
    draw = random.Random(how.seed)
    kept = json.loads((data / "qa" / "popqa_2k.json").read_text(encoding="utf-8"))
    rows = [(row["input"], json.loads(row["output"])[0]) for part in ("dev", "test") for row in kept[part]]
    matched = []
    for question, answer in rows:
        for pattern in POPQA:
            if found := re.fullmatch(pattern, question):
                matched.append((pattern, found[1], question, answer))
                break
    matched = draw.sample(matched, min(len(matched), how.rows - how.planted))
    of_relation: dict[str, list[str]] = {}
    for pattern, _, _, answer in matched:
        of_relation.setdefault(pattern, []).append(answer)
    planted = set(draw.sample(range(len(matched)), how.planted))
    made = []
    for number, (pattern, thing, question, answer) in enumerate(matched):
        made.append(Row(question, f" {answer}", question))
        others = sorted(set(of_relation[pattern]) - {answer})
        if number in planted and others:
            again = draw.choice(POPQA[pattern]).format(x=thing)
            made.append(Row(again, f" {draw.choice(others)}", question))
    draw.shuffle(made)
    return [Row(row.prompt.lower(), row.response, row.fact) for row in made] if how.lower else made
