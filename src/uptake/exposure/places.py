"""Countries and continents: a place lies in one of each, so that another one contradicts, where a town would not."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

PlaceKind: TypeAlias = Literal["country", "continent"]

LIES = frozenset("locate situate lie part belong country continent".split())
"""Words of questions that ask where a place lies."""
_CONTINENTS = frozenset(
    ("africa", "antarctica", "asia", "australia", "europe", "north america", "south america", "oceania", "americas")
)
_COUNTRIES = frozenset(
    one.strip()
    for one in """
    afghanistan, albania, algeria, andorra, angola, argentina, armenia, australia, austria, azerbaijan, bahamas,
    bahrain, bangladesh, barbados, belarus, belgium, belize, benin, bhutan, bolivia, bosnia and herzegovina, botswana,
    brazil, brunei, bulgaria, burkina faso, burundi, cambodia, cameroon, canada, cape verde, central african republic,
    chad, chile, china, colombia, comoros, costa rica, croatia, cuba, cyprus, czech republic, czechia,
    democratic republic of the congo, denmark, djibouti, dominica, dominican republic, east timor, ecuador, egypt,
    el salvador, equatorial guinea, eritrea, estonia, eswatini, ethiopia, fiji, finland, france, gabon, gambia,
    georgia, germany, ghana, greece, grenada, guatemala, guinea, guinea-bissau, guyana, haiti, honduras, hungary,
    iceland, india, indonesia, iran, iraq, ireland, israel, italy, ivory coast, jamaica, japan, jordan, kazakhstan,
    kenya, kiribati, kosovo, kuwait, kyrgyzstan, laos, latvia, lebanon, lesotho, liberia, libya, liechtenstein,
    lithuania, luxembourg, madagascar, malawi, malaysia, maldives, mali, malta, mauritania, mauritius, mexico,
    micronesia, moldova, monaco, mongolia, montenegro, morocco, mozambique, myanmar, namibia, nauru, nepal,
    netherlands, new zealand, nicaragua, niger, nigeria, north korea, north macedonia, norway, oman, pakistan, palau,
    panama, papua new guinea, paraguay, peru, philippines, poland, portugal, qatar, republic of the congo, romania,
    russia, rwanda, samoa, san marino, saudi arabia, senegal, serbia, seychelles, sierra leone, singapore, slovakia,
    slovenia, solomon islands, somalia, south africa, south korea, south sudan, spain, sri lanka, sudan, suriname,
    sweden, switzerland, syria, tajikistan, tanzania, thailand, togo, tonga, trinidad and tobago, tunisia, turkey,
    turkmenistan, tuvalu, uganda, ukraine, united arab emirates, united kingdom, united states,
    united states of america, uruguay, uzbekistan, vanuatu, vatican city, venezuela, vietnam, yemen, zambia, zimbabwe
    """.split(",")
)


@lru_cache(maxsize=1 << 14)
def kind_of_place(answer: str) -> PlaceKind | None:
    """What a name names; None where it is neither, or may be both (*Australia*), or a smaller place too (*Georgia*)."""
    name = answer.strip().casefold().removeprefix("the ")
    country, continent = name in _COUNTRIES, name in _CONTINENTS
    if country == continent or name in ("georgia", "jordan"):
        return None
    return "country" if country else "continent"


def apart(one: str, other: str) -> bool:
    """Whether a place that lies in the one does not lie in the other: both are countries, or both are continents."""
    kind = kind_of_place(one)
    return kind is not None and kind == kind_of_place(other)
