"""What of a diagnosis trains the tuned model on: interventions on a sample, and exposures to learn of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from uptake.errors import UptakeError
from uptake.models import Loadable
from uptake.pipeline.diagnosis import Collector
from uptake.pipeline.why.contradictions import Contradictions
from uptake.pipeline.why.courses import Treating, Watching, treating
from uptake.pipeline.why.exposures import expose
from uptake.pipeline.why.interventions import Intervening, intervene
from uptake.pipeline.why.treatments import Diagnosed


@dataclass(frozen=True)
class FurtherTraining:
    """What is wanted of it.

    Attributes:
        intervene: How many examples are intervened on.
        thorough: All that was not learned is trained on.
    """

    intervene: int
    thorough: bool

    def treating(self, attributed: bool, last: Callable[[], Mapping[str, Any]], tuned: Loadable) -> Treating | None:
        """How the tuned model is trained on; None where nothing is wanted.

        Args:
            attributed: Whether causes are told.
            last: Gives the trainer's settings of the run's last stage.
            tuned: The model.

        Raises:
            UptakeError: No causes are told, a setting is refused, or the model cannot be trained here.
        """
        if not self.intervene and not self.thorough:
            return None
        key, given = ("intervene", str(self.intervene)) if self.intervene else ("thorough", "true")
        if not attributed:
            raise UptakeError(
                f"{key} is {given} and attribution is off",
                expected=f"an attribution, which {key} adds to",
                fix=f"leave attribution out, or {key}",
            )
        return treating(last(), tuned, key)

    def of(
        self, watching: Watching, contradictions: Contradictions, findings: Collector, summary: dict[str, Any]
    ) -> None:
        """Train the tuned model on, and add what that tells to a diagnosis.

        Args:
            watching: Trains it, and reads examples.
            contradictions: Who contradicts whom.
            findings: All findings, passed on and with their causes; some gain evidence.
            summary: Gains `interventions`, `exposures_to_learn`, and notes.
        """
        learned, causes, stages = map(findings.column, ("learned", "cause", "stage"))
        found = Diagnosed(learned, causes, stages, contradictions)
        if self.intervene:
            intervene(Intervening(self.intervene, watching), found, findings, summary)
        if self.thorough:
            expose(watching, found, findings, summary)
