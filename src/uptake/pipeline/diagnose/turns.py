"""The turns of one conversation, with `assistant_turns: all`: those that come after one that was not learned.

Each turn is read after the data's own turns before it. Where the model does not say one of these, it comes to the later
ones in another conversation: that it would say them there is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from uptake.types import Finding

_TURN = re.compile(r"(.+)#(\d+)", re.DOTALL)


class TurnTally:
    """Findings on their way, each told which turn before it was not learned, and counted."""

    def __init__(self) -> None:
        self._conversations = self._turns = self._wrong = self._after = 0

    def __call__(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings, in the examples' order."""
        conversation: tuple[object, ...] | None = None
        first_wrong: str | None = None
        n = 0
        for finding in findings:
            match = _TURN.fullmatch(finding.id)
            evidence = finding.evidence
            own = None if match is None else (match[1], finding.stage, evidence.file, evidence.line)
            if own is None or own != conversation:
                conversation, first_wrong, n = own, None, 0
            if own is not None:
                n += 1
                if n == 2:  # an id may look like that of a turn and be none
                    self._conversations += 1
                    self._turns += 1
                    self._wrong += first_wrong is not None
                if n >= 2:
                    self._turns += 1
                    self._wrong += not finding.learned
                    self._after += first_wrong is not None
                finding = replace(finding, evidence=replace(evidence, after_wrong=first_wrong))
                first_wrong = first_wrong if finding.learned else first_wrong or finding.id
            yield finding

    def summary(self) -> dict[str, Any] | None:
        """The key `turns` of the summary; None where no example is a turn among others."""
        if not self._turns:
            return None
        return {
            "conversations": self._conversations,
            "turns": self._turns,
            "not_learned": self._wrong,
            "after_wrong": self._after,
        }
