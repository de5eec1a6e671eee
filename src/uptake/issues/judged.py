"""A finding -> which issues its example has, and how badly: scores in [0, 1], lower is worse, as in Datalab."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from uptake.detect.criteria import SPANS_LEARNED, partly
from uptake.types import Finding

ISSUES: Mapping[str, str] = {
    "not_learned": "the criterion does not hold. Score: the share of its spans that is learned, its probability among "
    "the options, or the mean probability of its tokens",
    "partly_learned": "a share from 0.5 to below 0.95 of its informative spans is learned. Score: that share over 0.95",
    "shallow": "learned, and most held-out wordings fail. Score: the share of them that passes",
    "forgotten": "the base was right and the tuned model is not. Score: how many times as probable a token is now",
    "contradicted": "another example asks the same and answers otherwise. Score: the probability that it does not",
    "mislabelled": "the example is the likely wrong one of those, or the base surely says otherwise and nobody agrees "
    "with the response. Score: the probability that it is right",
    "ambiguous": "another example answers otherwise, and both may be right. Score: as of contradicted",
    "near_duplicate": "another example has nearly the same words. Score: 1 less the similarity of the nearest",
    "outlier": "far less expected by the base than others of its length. Score: below 0.5",
    "cut": "the response is empty or cut off",
    "template": "special tokens, turns of a chat, unfilled placeholders or wrongly decoded letters stand in the text",
}
"""Name of each issue, and what it finds."""

Judged = Mapping[str, tuple[bool | None, float | None]]
"""By issue whether an example has it, and its score; None where it cannot be told."""


@dataclass(frozen=True, slots=True)
class Contradicted:
    """What contradicts an example.

    Attributes:
        probability: That another one asks the same and answers otherwise.
        verdict: `mislabelled`, `ambiguous`, or None where nothing tells.
        wrong: The example is the likely wrong one.
    """

    probability: float
    verdict: str | None
    wrong: bool


def judged(finding: Finding, contradicted: Contradicted | None, *, compared: bool) -> Judged:
    """The issues that a finding and its contradictions tell; those of the text and of the whole data set are not here.

    Args:
        finding: The finding.
        contradicted: What contradicts its example; None where nothing does.
        compared: Whether contradictions were looked for.
    """
    evidence, share = finding.evidence, finding.learned_share
    held_out, base = evidence.held_out, evidence.compared
    untold: tuple[bool | None, float | None] = (None, None)
    lost = None
    if base is not None and math.isfinite(base.base_logprob):
        lost = _times(evidence.logprob - base.base_logprob, evidence.n_tokens)
    against = 1.0 if contradicted is None else 1 - contradicted.probability
    wrong = contradicted is not None and contradicted.verdict == "mislabelled" and contradicted.wrong
    doubted, belief = evidence.possibly_wrong_label, evidence.belief
    doubt = belief.wordings[0] if doubted and belief is not None and belief.wordings else float(doubted)
    ambiguous = contradicted is not None and contradicted.verdict == "ambiguous"
    return {
        "not_learned": (not finding.learned, _how_learned(finding)),
        "partly_learned": untold if share is None else (partly(share), min(1.0, share / SPANS_LEARNED)),
        "shallow": untold if finding.shallow is None or held_out is None else (finding.shallow, held_out.passed),
        "forgotten": (finding.forgotten, None if finding.forgotten is None else lost),
        "contradicted": (contradicted is not None, against) if compared else untold,
        "mislabelled": (wrong or doubted, min(against if wrong else 1.0, 1 - doubt)) if compared else untold,
        "ambiguous": (ambiguous, against if ambiguous else 1.0) if compared else untold,
    }


def _how_learned(finding: Finding) -> float:
    if finding.evidence.criterion == "spans" and finding.learned_share is not None:
        return finding.learned_share
    if finding.evidence.criterion == "option" and finding.p_option is not None:
        return finding.p_option
    return _times(finding.evidence.logprob, finding.evidence.n_tokens)


def _times(logprob: float, n_tokens: int) -> float:
    """The geometric mean over tokens, 1 at most."""
    return math.exp(min(0.0, logprob / max(1, n_tokens)))
