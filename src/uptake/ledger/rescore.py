"""Score examples that are not in the batches, at each epoch's end; and their ids where they have none in training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from uptake.artifacts import chunks
from uptake.artifacts.ledger_files import Reading, content_id
from uptake.data import Encoded, Turn, encode
from uptake.models import Model
from uptake.models.scoring.rows import Scored
from uptake.types import Example

_WINDOW = 1024


def rescoring(examples: Iterable[Example]) -> Callable[[Model, int, int], Iterator[Reading]]:
    """What `LedgerCallback(every_epoch=...)` takes: score these examples with the model as it is then.

        every_epoch=rescoring([*early, *main])       # the examples of all stages so far

    The tokens read are those that training with a loss on the response alone trains, what ends it included.

    Args:
        examples: Any number of them; they are kept.
    """
    kept = list(examples)

    def run(model: Model, rank: int, world: int) -> Iterator[Reading]:
        for some in chunks(kept[rank::world], _WINDOW):
            encoded = _encoded(some, model)
            groups = [[Scored(list(item.ids), max(1, item.start))] for item in encoded]
            for example, (numbers,) in zip(some, model.score(groups), strict=True):
                nll = -float(numbers[0].sum(dtype="float64"))
                yield Reading(example.id, nll, numbers.shape[1], bool(numbers[1].all()))

    return run


def content_ids(examples: Sequence[Example], tokenizer: object) -> list[str]:
    """The ids that the ledger gives these examples when the training set has none.

    They hold for rows that were trained as TRL does with a loss on the response alone and not cut to a maximal length.
    Copies of an example have the same; the ledger calls the second in the training set `<id>-2`, and so on.

    Args:
        examples: The training set.
        tokenizer: The one it was trained with.
    """
    encoded = encode([_turn(example) for example in examples], tokenizer)
    return [content_id(item.ids, _labels(item)) for item in encoded]


def _turn(example: Example) -> Turn:
    return Turn(example.prompt, example.response, example.template, example.response_extra)


def _encoded(examples: Sequence[Example], model: Model) -> list[Encoded]:
    return encode([_turn(example) for example in examples], model.tokenizer)


def _labels(item: Encoded) -> list[int]:
    start = max(1, item.start)  # nothing predicts the first token
    return [-100] * start + item.ids[start:]
