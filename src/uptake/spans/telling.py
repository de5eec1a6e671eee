"""Words that tell what kind a span is: what carries a claim, numbers in words, units, months, links within names.

The lists are of all languages at once: a word that means something else in another language only makes a span of its
own there.
"""

from __future__ import annotations

CLAIMS = frozenset(
    # English
    "no not never none nothing nobody neither nor nowhere cannot without unless except more less fewer greater higher "
    "lower larger smaller bigger longer shorter older younger earlier later better worse most least best worst "
    "maximum minimum before after above below over under until all every each only always both either any some few "
    "many must may might should shall can could yes true false same different opposite "
    # German, Dutch
    "nicht nie niemals kein keine keinen keiner keinem keines ohne mehr weniger höher niedriger größer kleiner alle "
    "nur immer ja nein niet geen nooit zonder minder hoger lager "
    # French, Spanish, Italian, Portuguese
    "ne pas jamais aucun aucune sans plus moins tous toutes seulement toujours oui non nunca ningún ninguno ninguna "
    "sin más menos todos todas sólo siempre sí senza più meno mai nessun nessuno nessuna não sem mais nenhum nenhuma "
    "sempre "
    # Russian, Polish, Czech
    "не нет никогда без более менее больше меньше все только всегда да nie nigdy bez więcej mniej tylko zawsze není "
    # Turkish, Vietnamese, Indonesian, Swedish
    "değil yok asla daha không chưa hơn tidak bukan tanpa lebih kurang inte aldrig utan mer mindre "
    # Arabic, Hebrew, Persian, Hindi, Greek
    "لا ليس ليست لم لن غير بدون أكثر أقل לא אין בלי יותר פחות نه نیست بدون بیشتر کمتر नहीं मत बिना अधिक कम δεν "
    "όχι μη χωρίς".split()
)
"""Negations, comparatives, quantifiers: who gets one of them wrong says the opposite, or something else."""

CONNECTIVES = frozenset(
    "thus hence therefore thereby consequently accordingly however nevertheless nonetheless moreover furthermore "
    "additionally besides also meanwhile afterwards afterward then next finally eventually lastly firstly secondly "
    "thirdly initially overall similarly likewise conversely alternatively otherwise instead indeed specifically "
    "generally basically essentially ultimately subsequently "
    "daher deshalb deswegen außerdem jedoch allerdings schließlich zudem zunächst danach anschließend folglich "
    "donc ainsi cependant toutefois ensuite enfin puis finalement pourtant "
    "entonces además luego finalmente después quindi inoltre tuttavia infine poi dunque "
    "portanto além assim depois".split()
)
"""What begins a sentence and joins it to the one before: written with a capital there, it is no name, and says nothing
that could be wrong."""

JOINS = frozenset("and or & et ou und oder y e o en och eller i lub и или ve veya và hoặc dan atau و أو או και".split())
"""What stands before the last member of a list."""

LINKS = frozenset(
    "of the de la le les du des da do dos das di del della delle dei van von der den ter zu zur zum af av al el "
    "ibn bin ben abu y'".split()
)
"""Small words that a name may hold between two of its words: *Isle of Man*, *Ludwig van Beethoven*."""

TITLES = frozenset("dr mr mrs ms st mt ft prof rev gen sen gov capt col lt sgt jr sr no vs vol fig".split())
"""Abbreviations whose full stop ends no sentence."""

NUMBERS = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million "
    "billion trillion dozen half twice thrice double triple quarter first second third fourth fifth sixth seventh "
    "eighth ninth tenth".split()
)

UNITS = frozenset(
    # what a number is followed by, folded
    "m meter meters metre metres km kilometer kilometers kilometre kilometres cm centimeter centimeters mm "
    "millimeter millimeters nm µm mi mile miles ft foot feet in inch inches yd yard yards kg kilogram kilograms "
    "kilo kilos g gram grams mg milligram milligrams µg t ton tons tonne tonnes lb lbs pound pounds oz ounce "
    "ounces l liter liters litre litres ml milliliter milliliters cl gal gallon gallons cup cups tsp tbsp "
    "teaspoon teaspoons tablespoon tablespoons s sec secs second seconds ms µs ns min mins minute minutes h hr "
    "hrs hour hours day days week weeks month months year years yr yrs decade decades century centuries hz khz "
    "mhz ghz w kw mw gw kwh wh v kv a ma j kj kcal cal n pa kpa bar mol k bit bits b byte bytes kb mb gb tb pb "
    "mbps gbps px dpi rpm mph kph kmh ha acre acres sqft percent pct degree degrees dollar dollars cent cents "
    "euro euros usd eur gbp jpy cny inr yen yuan rupees rubles people persons times thousand million millions "
    "billion billions trillion bn mio millionen milliarden mille milliers milliard milliards mil millones miljoen "
    "am pm bc ad bce ce jahre jahr tage stunden minuten ans jours heures años días horas anni год года лет км кг "
    "м г млн млрд тыс руб".split()
)

SIGNS = frozenset("%‰°℃℉€£$¥₹₩²³ΩµÅ″′")
"""What may follow a number at once as its unit."""

MONTHS = (
    "January February March April May June July August September October November December Jan Feb Mar Apr Jun Jul "
    "Aug Sept Sep Oct Nov Dec "
).split()
