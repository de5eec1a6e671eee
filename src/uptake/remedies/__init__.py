"""What mends a cause: five remedies, each a pure function from findings to edits; see docs/remedies.md."""

from __future__ import annotations

from collections.abc import Mapping

from uptake.remedies.belief import BELIEF
from uptake.remedies.conflict import CONFLICT
from uptake.remedies.documents import asked_about
from uptake.remedies.exposures import EXPOSURES
from uptake.remedies.knowledge import KNOWLEDGE
from uptake.remedies.remedy import Options, Patients, Remedy, Treatment, document_key
from uptake.remedies.replay import REPLAY
from uptake.remedies.stated import tells

REMEDIES: Mapping[str, Remedy] = {
    "knowledge": KNOWLEDGE,
    "belief": BELIEF,
    "conflict": CONFLICT,
    "replay": REPLAY,
    "exposures": EXPOSURES,
}

__all__ = ["REMEDIES", "Options", "Patients", "Remedy", "Treatment", "asked_about", "document_key", "tells"]
