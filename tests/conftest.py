"""Shapes and types are checked at every call while tests run; nothing reaches the network."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# read by torch, tokenizers and huggingface_hub when they are first imported
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

# Imported before the hook: what an instrumented module imports first is compiled anew. Frozen: uptake and the trainers
# collect garbage whenever a model goes, and each collection would look at all modules' objects, for half a second.
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer  # noqa: E402, F401
from trl import SFTTrainer  # noqa: E402, F401

gc.collect()
gc.freeze()

install_import_hook("uptake", "beartype.beartype")

# fixtures that several folders share
pytest_plugins = ("llm_server", "small_models", "train_runs", "diagnosed_runs")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository; a test that needs it skips without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data sets in ../shared/data, beside the repository")
    return folder
