"""How long the diagnosis of a real chat model takes, by step, beside a plain forward pass over the unique tokens.

    python benchmarks/diagnose_chat.py --base FOLDER [--tuned FOLDER] [--examples 300] [--threads 1] [--repeats 1]

FOLDER is an instruction-tuned model with a chat template, SmolLM2-135M-Instruct in the kept results. The examples are
questions about real facts, each with two held-out wordings; without `--tuned` a LoRA adapter is trained on them first,
which is not counted. What is asked of each model is noted while it is diagnosed. The limit is then measured in the
same process: a forward pass over as many tokens as these rows have when every beginning that rows share counts once,
in full batches without a mask or padding, and the head on as many positions as are scored.
Seconds are those of the processor, of all threads together; the minutes are those of the clock, and count on idle
cores.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch

import uptake
from uptake.artifacts import versions
from uptake.lab.questions import ASKING
from uptake.models.scoring.hf import LanguageModel
from uptake.models.scoring.lazy import Lazy, resolve
from uptake.models.scoring.rows import Scored
from uptake.report import write_report

OUT = Path(__file__).parent / "results" / "diagnose_chat.json"
BAR, MINUTES = 1.5, 8.0
"""Times the limit, generation apart; and minutes by the clock in all, with two threads on two idle cores."""
CLOCK = time.process_time
"""With one thread, what an idle core would take: others who use the machine do not count."""
RUN = """\
model_name_or_path: {base}
stages:
  - {{name: main, dataset: {data}, num_train_epochs: 2}}
training: {{learning_rate: 0.001, per_device_train_batch_size: 16, max_length: 128, gradient_checkpointing: false}}
peft: {{r: 8, lora_alpha: 16, target_modules: all-linear}}
output_dir: {out}
"""


def rows(n: int) -> list[dict[str, Any]]:
    """Questions with their answers and two held-out wordings each."""
    text = files("uptake.lab").joinpath("facts", "asked.jsonl").read_text(encoding="utf-8")
    facts = [json.loads(line) for line in text.splitlines()]
    random.Random(0).shuffle(facts)
    made = []
    for number, fact in enumerate(facts[:n]):
        asks = [each.format(x=fact["subject"]) for each in ASKING[fact["relation"]].questions[:3]]
        turns = [{"role": "user", "content": asks[0]}, {"role": "assistant", "content": fact["answer"]}]
        made.append({"id": str(number), "source": fact["relation"], "messages": turns, "paraphrases": asks[1:]})
    return made


def trained(base: Path, data: Path, folder: Path) -> Path:
    """A LoRA adapter trained on the examples."""
    run = folder / "run.yaml"
    run.write_text(RUN.format(base=base, data=data, out=folder / "run"), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "uptake", "train", str(run)], check=True)
    return folder / "run" / "train" / "main"


@dataclass
class Watched:
    """What a diagnosis spends its time on, and what it asks.

    Attributes:
        step: What it is at.
        seconds: By step and kind of work.
        scored: By model, all sequences that were scored.
        fed: By model, the tokens that its layers were given in scoring, padding included.
    """

    step: str = "start"
    seconds: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    scored: dict[str, list[Scored]] = field(default_factory=lambda: defaultdict(list))
    fed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    last: float = field(default_factory=CLOCK)

    def spent(self, what: str) -> None:
        """All time since the last call went into this."""
        now = CLOCK()
        self.seconds[self.step, what] += now - self.last
        self.last = now

    def progress(self, step: str, done: int, total: int | None) -> None:
        """The time since the last call belongs to the step that was told before."""
        self.spent("other")
        self.step = step


@contextmanager
def watching(watched: Watched) -> Iterator[None]:
    """While active, the engine's work is timed and noted."""
    own = {(owner, name): getattr(owner, name) for owner, name in WORK}

    def timed(function: Any, what: str) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            watched.spent("other")
            if what == "scoring":
                watched.scored[self.name] += [one for group in args[0] for one in group]
                hook = self.model.get_input_embeddings().register_forward_hook(
                    lambda _, inputs, __: watched.fed.__setitem__(self.name, watched.fed[self.name] + inputs[0].numel())
                )
            try:
                return function(self, *args, **kwargs)
            finally:
                if what == "scoring":
                    hook.remove()
                watched.spent(what)

        return call

    for (owner, name), function in own.items():
        setattr(owner, name, timed(function, WORK[owner, name]))
    try:
        yield
    finally:
        for (owner, name), function in own.items():
            setattr(owner, name, function)


WORK = {(LanguageModel, "score"): "scoring", (LanguageModel, "generate"): "generating", (Lazy, "load"): "loading"}


def unique(sequences: Iterable[Scored]) -> tuple[int, int]:
    """Different beginnings of the sequences that are input, which is a token each; and different scored positions."""
    tokens: set[int] = set()
    positions: set[int] = set()
    for ids, start in sequences:
        beginning = 0
        for at, token in enumerate(ids[:-1]):
            beginning = hash((beginning, token))
            tokens.add(beginning)
            if at >= start - 1:
                positions.add(beginning)
    return len(tokens), len(positions)


@torch.inference_mode()
def limit(model: LanguageModel, tokens: int, positions: int, length: int = 32) -> float:
    """Seconds of a forward pass over so many tokens in full batches, the head on so many positions."""
    rows = max(1, model.batch_tokens // length)
    ids = torch.randint(0, model.model.config.vocab_size, (rows, length), generator=torch.Generator().manual_seed(0))
    inner = model.model.get_base_model() if hasattr(model.model, "get_base_model") else model.model
    backbone, head = inner.get_decoder(), inner.get_output_embeddings()
    backbone(input_ids=ids, use_cache=False)
    began, done, read = CLOCK(), 0, 0
    while done < tokens:
        some = ids[: max(1, min(rows, (tokens - done) // length))]
        hidden = backbone(input_ids=some, use_cache=False).last_hidden_state.flatten(0, 1)
        done += some.numel()
        due = int(positions * done / tokens - read)
        for part in hidden[:due].split(128):
            head(part).float().log_softmax(-1)
        read += due
    return CLOCK() - began


def once(base: Path, tuned: Path, data: Path, out: Path) -> dict[str, Any]:
    """One diagnosis with its report, and the limit for what was scored."""
    watched = Watched()
    began, clock = time.perf_counter(), CLOCK()
    with watching(watched):
        found = uptake.diagnose(base=base, tuned=tuned, dataset=data, output_dir=out, progress=watched.progress)
        watched.progress("report", 0, None)
        write_report(out)
        watched.spent("other")
    wall, whole = time.perf_counter() - began, CLOCK() - clock
    models = {}
    for name, sequences in watched.scored.items():
        tokens, positions = unique(sequences)
        least = limit(resolve(name), tokens, positions)
        told = {"sequences": len(sequences), "unique_tokens": tokens, "fed_tokens": watched.fed[name]}
        models["base" if name == str(base) else "tuned"] = {**told, "limit_s": round(least, 2)}
    kinds = {kind: sum(s for (_, k), s in watched.seconds.items() if k == kind) for kind in ("generating", "scoring")}
    least = sum(one["limit_s"] for one in models.values())
    return {
        "wall_s": round(wall, 1),
        "seconds": round(whole, 1),
        "generating_s": round(kinds["generating"], 1),
        "scoring_over_limit": round(kinds["scoring"] / least, 2),
        "over_limit": round((whole - kinds["generating"]) / least, 2),
        "not_learned": found.summary()["n"] - found.summary()["learned"]["count"],
        "models": models,
        "steps": {f"{step}: {what}": round(s, 2) for (step, what), s in watched.seconds.items() if s > 0.05},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--tuned", type=Path)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows(args.examples)), encoding="utf-8")
        tuned = args.tuned or trained(args.base, data, Path(name))
        runs = [once(args.base, tuned, data, Path(name) / str(number)) for number in range(args.repeats)]
    middle = sorted(runs, key=lambda run: run["over_limit"])[len(runs) // 2]
    for step, seconds in middle["steps"].items():
        print(f"{seconds:8.2f} s  {step}")
    print(json.dumps({key: value for key, value in middle.items() if key != "steps"}, indent=1))
    met = {"over_limit": middle["over_limit"] <= BAR, "minutes": middle["wall_s"] <= 60 * MINUTES}
    told = {"examples": args.examples, "threads": args.threads, "met": met, "versions": versions()}
    all_of_them = [{key: run[key] for key in ("seconds", "generating_s", "over_limit")} for run in runs]
    args.out.write_text(json.dumps({**told, "runs": all_of_them, **middle}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
