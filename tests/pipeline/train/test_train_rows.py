"""How a stage's examples become rows of tokens."""

from __future__ import annotations

from uptake.data import Encoded, LoadOptions
from uptake.pipeline.train.rows import StageReading
from uptake.pipeline.train.training_run import StageSpec
from uptake.types import Example


def test_a_text_has_no_prompt_though_a_token_comes_before_it():
    """What the tokenizer puts before each text (1) is no prompt; one token that is asked (5) is one."""
    reading = StageReading(StageSpec("a", "a", {}), LoadOptions(), None, {"max_length": None}, {})
    examples = [Example("a", "", "6 7", "s"), Example("b", "5", "6 7", "s")]
    rows = [reading._row(one, Encoded([int(one.prompt or 1), 6, 7], 1, 3, "")) for one in examples]
    assert [getattr(row, "labels", row) for row in rows] == [[1, 6, 7], [-100, 6, 7]]
