"""How a model is loaded. Importing this does not import torch: a run file is read into it before any model is."""

from __future__ import annotations

from dataclasses import dataclass, replace

FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
"""What is fetched from the hub: no pickled weights, and no code unless it is trusted."""


@dataclass(frozen=True)
class LoadSettings:
    """How to load a model; the names are those of transformers.

    Attributes:
        dtype: `auto` (as the checkpoint says), or a torch dtype's name.
        device: `auto` (the first accelerator, else cpu), or a torch device's name.
        attn_implementation: `sdpa`, `eager`, ...; None for the model's default.
        revision: Branch, tag or commit on the hub.
        base_revision: The same of the base that is given beside an adapter, where the adapter is on that one.
        trust_remote_code: Run code that ships with the model.
        chat_template: Text of a chat template that replaces the tokenizer's.
        batch_tokens: Padded input tokens a batch; None for the device's default.
        today: The date (2026-01-31) that the chat template is told, where it asks for one; None for that of the clock.
    """

    dtype: str = "auto"
    device: str = "auto"
    attn_implementation: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    chat_template: str | None = None
    batch_tokens: int | None = None
    today: str | None = None
    base_revision: str | None = None

    @property
    def files(self) -> list[str]:
        """Patterns of the files that a model is made of."""
        return [*FILES, "*.py"] if self.trust_remote_code else FILES


def of_adapters(of_base: LoadSettings) -> LoadSettings:
    """How what was trained from a base is loaded: it is no revision of anything, and an adapter's base is that one.

    Args:
        of_base: How the base is loaded.
    """
    return replace(of_base, revision=None, base_revision=of_base.revision)
