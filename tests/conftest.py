"""Shapes and types are checked at every call while tests run; nothing reaches the network."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest

import quick_libraries
import type_checks

# read by torch, tokenizers and huggingface_hub when they are first imported
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

# xdist's own process waits for its workers, and they for it: it runs no test, and need not import what takes seconds.
# The options alone tell it from a process without xdist; where they tell it not, it is slower and nothing else.
HANDS_OUT = "PYTEST_XDIST_WORKER" not in os.environ and any(
    option.startswith(("-n", "--numprocesses")) for option in sys.argv[1:]
)
if not HANDS_OUT:
    # Imported before the hook: what an instrumented module imports first is compiled anew. Frozen: uptake and the
    # trainers collect garbage whenever a model goes, and each collection would look at all modules' objects, for half
    # a second.
    quick_libraries.before_imports()
    with type_checks.untraced():
        from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer  # noqa: F401
        from trl import SFTTrainer  # noqa: F401
    quick_libraries.after_imports()

    gc.collect()
    gc.freeze()

type_checks.install()
if not HANDS_OUT:
    quick_libraries.abilities_once()


known = 0
"""Modules that were imported when their objects were last put aside."""


def pytest_collection_finish() -> None:
    """Nor are those of the tests, and of what they import, looked at again."""
    put_aside()


def pytest_runtest_teardown() -> None:
    """Nor what a test is the first to import."""
    if len(sys.modules) > known + 50:
        put_aside()


def put_aside() -> None:
    global known
    gc.collect()
    gc.freeze()
    known = len(sys.modules)


# fixtures that several folders share
pytest_plugins = ("llm_server", "small_models", "train_runs", "diagnosed_runs", "streamed_runs")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository; a test that needs it skips without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data sets in ../shared/data, beside the repository")
    return folder
