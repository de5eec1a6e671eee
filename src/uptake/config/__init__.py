"""The run file: its keys, its checks, and how the command line overrides it."""

from uptake.config.load import load_run
from uptake.config.schema import Gate, Judge, Limits, RunConfig, Stage, is_stage_name, json_schema

__all__ = ["Gate", "Judge", "Limits", "RunConfig", "Stage", "is_stage_name", "json_schema", "load_run"]
