"""A section of the run file as what it describes."""

from __future__ import annotations

import os
from pathlib import Path

from uptake.config.schema import SearXNGKnowledge, WikidataKnowledge
from uptake.corpus.sources.web import Cache, RequestPace, Web
from uptake.errors import UptakeError
from uptake.text import variable


def web(section: WikidataKnowledge | SearXNGKnowledge, path: str, cache: Path) -> Web:
    """The API of a section, `path` behind its `base_url`, with the key from its environment variable.

    Raises:
        UptakeError: The variable is not set.
    """
    key = None
    if section.api_key_env is not None:
        key = os.environ.get(section.api_key_env)
        if not key:
            raise UptakeError(
                f"knowledge_sources: api_key_env names {variable(section.api_key_env)}, which is not set",
                expected="an environment variable that holds the key",
                fix="export NAME=... before the run, or leave api_key_env out if no key is needed",
            )
    return Web(
        section.base_url.rstrip("/") + path,
        Cache(cache),
        RequestPace(section.requests_per_second),
        key,
        section.timeout,
        section.max_retries,
        section.contact,
    )
