"""The section `rewrite` of the run file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from uptake.config.section import Int, Section


class ResponseRewrite(Section):
    """How `uptake rewrite` says the responses of the data in the base's own words."""

    rung: Literal["original", "template", "guided", "best_of_k"] = "best_of_k"
    """How: not at all, by one template, solved alone and then guided, or the likeliest of k drafts."""
    k: Annotated[Int, Field(ge=2)] = 8
    """Drafts of a response that are generated for `best_of_k`."""
    writer: Literal["base", "judge"] = "base"
    """Who writes: the base model, or the model on the server that `judge` names, for `best_of_k` alone."""
    form: Literal["keep", "rewrite"] = "keep"
    """What becomes of rows that the base answers rightly in other words: their form may be what they teach."""
    judged: bool = False
    """Whether a draft that passes the gates is also held against the original by nli_model_name_or_path or `judge`."""
