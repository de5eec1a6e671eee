"""The public face of the flow: diagnose a fine-tuned model, and read what was found.

Each step has a folder here with a `run.py`, which takes the run file; what lies beside it takes what it needs of that.
"""

from __future__ import annotations

from uptake.pipeline.diagnose.run import diagnose, diagnose_run
from uptake.pipeline.diagnosis import Diagnosis, read_diagnosis
from uptake.pipeline.progress import Progress

__all__ = ["Diagnosis", "Progress", "diagnose", "diagnose_run", "read_diagnosis"]
