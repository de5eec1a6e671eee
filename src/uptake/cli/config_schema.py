"""`uptake config-schema`: the keys of the run file, for editors and other tools."""

from __future__ import annotations

import typer


def command() -> None:
    """Print the JSON schema of the run file."""
    import json

    from uptake.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
