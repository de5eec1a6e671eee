"""What a world is made of: how much of each cause, in how many stages, trained in which way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from uptake.artifacts.tables import CAUSES
from uptake.errors import UptakeError

LAST = "main"
"""The last stage."""
SHARES: Mapping[str, float] = {**dict.fromkeys(CAUSES, 1.0), "data_conflict": 1.5, "forgetting": 2.0}
"""Of two answers one is often learned all the same, and most of what came early is kept: it takes more such items."""
MOST = 10
"""The largest share."""
REAL_SHARES: Mapping[str, float] = {"knowledge_gap": 2.0, "base_conflict": 2.0, "forgetting": 2.5}
"""Of real facts more are learned by heart in as many passes, and it takes more of them still."""
LORA_LEARNING_RATE = 1e-2
"""Of fine-tuning by LoRA, whose adapters begin at nothing."""
PRETRAINED_SIZE, PRETRAINED_COMPOSITE = 16, 2
"""Of the world of a pre-trained base: a small one knows no more facts, and seldom gets three right."""
PRETRAINED_LEARNING_RATE, PRETRAINED_LORA_LEARNING_RATE = 1e-4, 1e-3
SINGLE = ("synthetic", "pieces")
"""Families whose undertrained items may ask for a single fact."""
EXCERPT_SIZE = 75
"""Size of a world of the real facts that come with uptake: there are no more of them."""


@dataclass(frozen=True, slots=True)
class Controls:
    """What a world is made of.

    Attributes:
        seed: Of every draw.
        size: Items of a cause at share 1; the four items of a data conflict count as four.
        shares: Share of `size` that each cause gets; a cause that is not named has its share in `SHARES`.
        stages: Fine-tuning stages; with one there is no forgetting.
        noise: Share of the training prompts with a slip of the pen, in [0, 1].
        overlap: Share of the data conflicts whose fact the base never met or believes wrongly, in [0, 1]: their items
            have two causes.
        composite: Facts that an undertrained item asks for at once; 1: a single one, which the base half knows.
        clean: No plants at all.
        learning_rate: Of fine-tuning.
        lora_r: Rank of LoRA adapters on all linear layers; with 0 all weights train.
        form: Prompts of plain text, or turns of a chat by the base's own template; only a pre-trained base has one.
    """

    seed: int = 0
    size: int = 120
    shares: Mapping[str, float] = field(default_factory=dict)
    stages: int = 2
    noise: float = 0.0
    overlap: float = 0.0
    composite: int = 3
    clean: bool = False
    learning_rate: float = 1.5e-3
    lora_r: int = 0
    form: Literal["text", "chat"] = "text"

    def __post_init__(self) -> None:
        """Raise UptakeError for controls that no world can have."""
        whole = {"seed": (0, 2**32 - 1), "size": (1, 10_000), "stages": (1, 9), "composite": (1, 9), "lora_r": (0, 512)}
        for name, (least, most) in whole.items():
            if not least <= getattr(self, name) <= most:
                raise UptakeError(f"{name} is {getattr(self, name)}", expected=f"{least} to {most}")
        for name in ("noise", "overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise UptakeError(f"{name} is {getattr(self, name)}", expected="a share in [0, 1]")
        if not 0 < self.learning_rate <= 1:
            raise UptakeError(f"learning_rate is {self.learning_rate}", expected="a number above 0, at most 1")
        for cause, share in self.shares.items():
            if cause not in CAUSES:
                raise UptakeError(f"shares names {cause!r}", expected=f"one of {', '.join(CAUSES)}")
            if not 0 <= share <= MOST:
                raise UptakeError(f"the share of {cause} is {share}", expected=f"0 to {MOST}")

    def count(self, cause: str) -> int:
        """How many items a cause gets."""
        if self.clean or (cause == "forgetting" and self.stages == 1):
            return 0
        return round(self.size * self.shares.get(cause, SHARES[cause]))

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The stages in order: `early`, `middle-1`, ..., `main`."""
        if self.stages == 1:
            return (LAST,)
        return ("early", *(f"middle-{n}" for n in range(1, self.stages - 1)), LAST)


def controls_of(family: str, data: Path | None, **given: Any) -> Controls:
    """The controls of a family of worlds, in which what is not given fits the family.

    Args:
        family: `synthetic`, `facts`, `pretrained`, or a name of `lab.families`.
        data: Folder of real data sets for `facts`; None for the excerpt that comes with uptake.
        given: Fields of `Controls`; None is not given.

    Raises:
        UptakeError: A control is out of its range.
    """
    from uptake.lab.families import FAMILIES

    if given.get("composite") == 1 and family not in SINGLE:
        raise UptakeError(
            f"composite is 1, and the bases of {family} half know no fact",
            expected=f"one of the families {', '.join(SINGLE)}",
            fix="name one with --family, or give --composite 2",
        )
    if family in FAMILIES:
        own = FAMILIES[family].own
        given["shares"] = {**own.get("shares", {}), **given.get("shares", {})}
        given |= {name: value for name, value in own.items() if given.get(name) is None}
    if family == "facts":
        given["shares"] = {**REAL_SHARES, **given.get("shares", {})}
    lora, rate = bool(given.get("lora_r")), given.get("learning_rate")
    if family == "pretrained":
        given["shares"] = {**REAL_SHARES, **given.get("shares", {})}
        own = {
            "size": PRETRAINED_SIZE,
            "composite": PRETRAINED_COMPOSITE,
            "learning_rate": PRETRAINED_LORA_LEARNING_RATE if lora else PRETRAINED_LEARNING_RATE,
        }
        given |= {name: value for name, value in own.items() if given.get(name) is None}
    elif lora and rate is None:
        given["learning_rate"] = LORA_LEARNING_RATE
    if family == "facts" and data is None and given.get("size") is None:
        given["size"] = EXCERPT_SIZE
    return Controls(**{name: value for name, value in given.items() if value is not None})
