"""What a method computes beside training, in tokens: which count, and as what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import transformers

from uptake.models.training.job import n_steps
from uptake.models.training.readings import reading, recalled
from uptake.models.training.rows import NOT_TRAINED, Row, padded, table
from uptake.models.training.tally import KINDS, Tally

ROWS = table(Row(str(n), [*range(1, n + 1)], [NOT_TRAINED, *range(2, n + 1)]) for n in (2, 4, 6))
SHAPE = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}


def watched() -> tuple[Any, Tally]:
    model, tally = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=9, **SHAPE)), Tally()
    tally.watch(model)
    return model, tally


def counted(tally: Tally) -> dict[str, int]:
    return {kind: n for kind, n in zip(KINDS, tally.counts.tolist(), strict=True) if n}


def test_what_fills_rows_up_is_not_counted():
    """12 tokens in three rows as long as 6; two prompts of 2 and 1 tokens, and a token more of each."""
    model, tally = watched()
    inputs = {name: one for name, one in padded(ROWS).items() if name != "labels"}
    with tally.of("steps"):
        model(**inputs)
    model(**inputs)  # the trainer's own
    with tally.of("ends"), torch.no_grad():
        first = model(input_ids=torch.tensor([[1, 2], [0, 3]]), attention_mask=torch.tensor([[1, 1], [0, 1]]))
        mask = torch.tensor([[1, 1, 1], [0, 1, 1]])  # an answer's next token, behind what the cache holds
        model(input_ids=torch.tensor([[4], [5]]), attention_mask=mask, past_key_values=first.past_key_values)
    assert counted(tally) == {"steps": 12, "forward": 3 + 2}


def test_a_schedules_readings_are_forwards_in_the_steps():
    model, tally = watched()
    args = SimpleNamespace(process_index=0, world_size=1)
    method = SimpleNamespace(tally=tally)
    trainer = SimpleNamespace(model=model, args=args, processing_class=[*range(9)], method=method)
    recalled(trainer, reading(ROWS), ["2"])
    assert counted(tally) == {"within": 5}  # the longest row but for its last token: the others are its beginnings


def test_passes_are_those_of_whole_steps():
    """A tenth of three epochs of five steps takes two steps: two fifths of an epoch, and not three tenths."""
    given = {"per_device_train_batch_size": 2, "dataloader_drop_last": False, "world_size": 1, "max_steps": -1}
    args = SimpleNamespace(**given, gradient_accumulation_steps=1, num_train_epochs=0.3)
    assert n_steps(args, 10) == (2, 0.4)
