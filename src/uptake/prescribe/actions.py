"""What a plan does to examples, in words."""

from __future__ import annotations

from collections.abc import Mapping

ACTIONS: Mapping[str, str] = {
    "read": "documents are read",
    "expose": "trained more often",
    "mix": "stages shuffled together",
    "apart": "never in the same step",
    "drop": "examples removed",
}
"""By action of an edit."""
