"""The section `rewrite` of the run file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from uptake.config.secrets import no_secret
from uptake.config.section import Int, Section


class PolicyTraining(Section):
    """How the policy that rewrites is trained, for `rung: policy`."""

    steps: Annotated[Int, Field(ge=1)] = 60
    """Optimisation steps at most."""
    every: Annotated[Int, Field(ge=1)] = 20
    """Steps after each of which the policy is held against best of k, and a checkpoint is written."""
    training: Annotated[dict[str, Any], AfterValidator(no_secret)] = Field(default_factory=dict)
    """TRL GRPOConfig fields."""


class ResponseRewrite(Section):
    """How `uptake rewrite` says the responses of the data in the base's own words."""

    rung: Literal["original", "template", "guided", "best_of_k", "policy"] = "best_of_k"
    """How: not at all, by one template, solved alone and then guided, the likeliest of k drafts, or by a policy."""
    k: Annotated[Int, Field(ge=2)] = 8
    """Drafts of a response that are generated for `best_of_k`."""
    writer: Literal["base", "judge"] = "base"
    """Who writes: the base model, or the model on the server that `judge` names, for `best_of_k` alone."""
    form: Literal["keep", "rewrite"] = "keep"
    """What becomes of rows that the base answers rightly in other words: their form may be what they teach."""
    policy: PolicyTraining = PolicyTraining()
    """How a policy is trained."""
    judged: bool = False
    """Whether a draft that passes the gates is also held against the original by nli_model_name_or_path or `judge`."""
