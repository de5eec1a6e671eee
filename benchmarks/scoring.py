"""Scoring speed against lm-evaluation-harness' HF backend and against the limit, on one model and the same items.

    python benchmarks/scoring.py [--device cuda] [--dtype bfloat16] [--models 4m 30m] [--out FILE.json]

Three times for each setting, medians of repeats that take turns in one process:

  harness   HFLM.loglikelihood of the pinned lm_eval, strings in, at the best of several batch sizes (tried first)
  uptake    uptake.score.score, strings in: tokenisation, planning, forward, everything
  limit     one plain forward pass over the unique tokens alone, without mask, tokenisation or book-keeping; the head on
            the scored positions; the same batches

Memory is the growth of the peak resident size (on a GPU: of allocated memory) in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import operator
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

import numpy as np
import torch

from uptake.artifacts import versions
from uptake.data import Turn, encode
from uptake.models.scoring.abilities import probe_abilities
from uptake.models.scoring.forward import padded
from uptake.models.scoring.hf import LanguageModel
from uptake.models.scoring.live import BATCH_TOKENS
from uptake.models.scoring.rows import InputRow, Scored, plan_row
from uptake.models.small.tiny import build_model, train_tokenizer
from uptake.score import score
from uptake.types import TRAINING, Candidate, Probe

SIZES: dict[str, dict[str, int]] = {
    "4m": {"hidden_size": 192, "num_hidden_layers": 8, "num_attention_heads": 4, "intermediate_size": 512},
    "30m": {"hidden_size": 512, "num_hidden_layers": 8, "num_attention_heads": 8, "intermediate_size": 1408},
    "1b": {"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "intermediate_size": 8192},
}
HARNESS_BATCHES = (4, 16, 64)


def items(tokenizer: Any, n: int, context: int, k: int, words: int) -> list[Probe]:
    """Probes of real sentences: contexts of about `context` tokens, `k` candidates of `words` words each.

    Of candidates that are single tokens after the same context the harness computes the context once, too.
    """
    text = files("uptake.lab").joinpath("facts", "pretrain.txt").read_text(encoding="utf-8")
    sentences = text.splitlines()
    random = np.random.default_rng(0)
    draw = [sentences[int(i)] for i in random.integers(len(sentences), size=n * (k + context))]
    probes = []
    for number in range(n):
        asked = draw.pop()
        while len(tokenizer(asked)["input_ids"]) < context:
            asked = f"{asked} {draw.pop()}"
        texts: dict[str, None] = {}
        while len(texts) < k:
            texts[" " + " ".join(draw.pop().split()[-words:])] = None
        candidates = tuple(Candidate(text, "option") for text in texts)
        probes.append(Probe(str(number), TRAINING, asked, candidates))
    return probes


def make(size: str, vocabulary: int, device: str, dtype: str) -> LanguageModel:
    """A Llama of random weights, wide enough apart that candidates differ."""
    text = files("uptake.lab").joinpath("facts", "pretrain.txt").read_text(encoding="utf-8").splitlines()
    tokenizer = train_tokenizer(text, 4096)
    config = {**SIZES[size], "num_key_value_heads": SIZES[size]["num_attention_heads"], "max_position_embeddings": 2048}
    model = build_model("llama", tokenizer, 0, initializer_range=0.05, **config)
    model.resize_token_embeddings(
        vocabulary, mean_resizing=False
    )  # rows of the vocabulary beyond the tokenizer's cost the same
    model = model.to(device=device, dtype=getattr(torch, dtype)).eval()
    abilities = probe_abilities(model, len(tokenizer), None)
    return LanguageModel(size, model, tokenizer, abilities, None, BATCH_TOKENS[device])


def harness(model: LanguageModel, batch_size: int) -> Callable[[list[Probe]], list[float]]:
    """The harness' scorer: probes to a flat list of log-likelihoods."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    logging.disable(logging.WARNING)
    lm = HFLM(pretrained=model.model, tokenizer=model.tokenizer, batch_size=batch_size, device=str(model.model.device))

    def run(probes: list[Probe]) -> list[float]:
        pairs = [(probe.prompt, candidate.text) for probe in probes for candidate in probe.candidates]
        requests = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
        return [answer[0] for answer in lm.loglikelihood(requests, disable_tqdm=True)]

    return run


def ours(model: LanguageModel, probes: list[Probe]) -> list[float]:
    return [logprob for result in score(probes, model) for logprob in result.logprobs]


def by_length(rows: list[InputRow], budget: int) -> list[list[InputRow]]:
    """Rows in batches of at most `budget` padded tokens, longest first."""
    batches: list[list[InputRow]] = [[]]
    for row in sorted(rows, key=len, reverse=True):
        if batches[-1] and len(batches[-1][0]) * (len(batches[-1]) + 1) > budget:
            batches.append([])
        batches[-1].append(row)
    return batches


def limit(model: LanguageModel, probes: list[Probe]) -> Callable[[], None]:
    """A plain forward pass over the unique tokens of the probes, in the engine's own batches."""
    turns = [Turn(probe.prompt, c.text) for probe in probes for c in probe.candidates]
    encoded = iter(encode(turns, model.tokenizer))
    groups = [[next(encoded) for _ in probe.candidates] for probe in probes]
    rows = [plan_row([Scored(e.ids if k == 0 else e.ids[: e.end], e.start) for k, e in enumerate(g)]) for g in groups]
    backbone, head = model.model.base_model, model.model.get_output_embeddings()

    @torch.inference_mode()
    def run() -> None:
        for members in by_length(rows, model.batch_tokens):
            ids = padded(members, "ids", 0, model.model.device)
            hidden = backbone(input_ids=ids, use_cache=False).last_hidden_state
            at = [i * hidden.shape[1] + a for i, row in enumerate(members) for a in row.at]
            head(hidden.flatten(0, 1)[torch.tensor(at, device=hidden.device)]).float()
        if model.model.device.type == "cuda":
            torch.cuda.synchronize()

    return run


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def compare(model: LanguageModel, probes: list[Probe], repeats: int) -> dict[str, Any]:
    """Median times of the three, and how far their log-likelihoods are apart."""
    some = probes[: max(4, len(probes) // 4)]
    tried = {size: seconds(partial(harness(model, size), some))[0] for size in HARNESS_BATCHES}
    best = min(tried, key=lambda size: tried[size])
    theirs, plain = harness(model, best), limit(model, probes)
    times: dict[str, list[float]] = {"harness": [], "uptake": [], "limit": []}
    ours(model, some), plain()
    for _ in range(repeats):
        took, reference = seconds(lambda: theirs(probes))
        times["harness"].append(took)
        took, mine = seconds(lambda: ours(model, probes))
        times["uptake"].append(took)
        times["limit"].append(seconds(plain)[0])
    k = len(probes[0].candidates)
    a, b = np.array(reference).reshape(-1, k), np.array(mine).reshape(-1, k)
    ratios = {
        "speedup": [h / u for h, u in zip(times["harness"], times["uptake"], strict=True)],
        "over_limit": [u / x for u, x in zip(times["uptake"], times["limit"], strict=True)],
    }
    return {
        "items": len(probes),
        "harness_batch_size": best,
        **{f"{name}_s": round(statistics.median(values), 4) for name, values in times.items()},
        **{name: round(statistics.median(values), 2) for name, values in ratios.items()},
        "largest_difference_nats": float(np.abs(a - b).max()),
        "same_argmax": f"{int((a.argmax(1) == b.argmax(1)).sum())}/{len(a)}",
    }


def resident() -> float:
    """Resident size of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def grown(run: Callable[[], Any], device: str) -> float:
    """How many MiB the peak lies above what was there before."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before, peak, done = resident(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident())

    thread = threading.Thread(target=watch)
    thread.start()
    run()
    done.set()
    thread.join()
    return peak - before


def _memory(name: str, arguments: tuple[Any, ...], setting: tuple[int, ...]) -> float:
    model = make(*arguments)
    probes = items(model.tokenizer, *setting)
    run = partial(harness(model, 16), probes) if name == "harness" else partial(ours, model, probes)
    return grown(run, arguments[2])


def memory(name: str, arguments: tuple[Any, ...], setting: tuple[int, ...]) -> int:
    """Growth of the peak in MiB, in a process of its own; the harness at a batch size of 16."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return round(pool.submit(_memory, name, arguments, setting).result())


def settings(args: argparse.Namespace) -> Iterator[tuple[int, int, int, int]]:
    """Items, context, candidates and words a candidate, one after the other."""
    for context in args.contexts:
        for k in args.candidates:
            yield max(8, args.items * 60 // context), context, k, args.words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--models", nargs="+", default=["4m", "30m"], choices=SIZES)
    parser.add_argument("--vocabularies", nargs="+", type=int, default=[4096, 152_000])
    parser.add_argument("--contexts", nargs="+", type=int, default=[60, 500])
    parser.add_argument("--candidates", nargs="+", type=int, default=[4, 8])
    parser.add_argument("--words", type=int, default=3, help="words a candidate")
    parser.add_argument("--items", type=int, default=64, help="items at context 60; fewer at longer ones")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/scoring.json"))
    args = parser.parse_args()
    if args.device == "cpu":
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    print(
        "model  vocab context K  harness_s uptake_s  limit_s  speedup over_limit nats_off argmax  MiB h/u", flush=True
    )
    results = []
    for size, vocabulary in product(args.models, args.vocabularies):
        arguments = (size, vocabulary, args.device, args.dtype)
        model = make(*arguments)
        for setting in settings(args):
            n, context, k, words = setting
            row = {"model": size, "vocabulary": vocabulary, "context": context, "candidates": k, "words": words}
            row |= compare(model, items(model.tokenizer, *setting), args.repeats)
            row |= {f"{name}_peak_mib": memory(name, arguments, setting) for name in ("harness", "uptake")}
            results.append(row)
            print(
                f"{size:>5} {vocabulary:>6} {context:>7} {k}  {row['harness_s']:>9.2f} {row['uptake_s']:>8.3f} "
                f"{row['limit_s']:>8.3f} {row['speedup']:>7.1f}x {row['over_limit']:>9.2f}x "
                f"{row['largest_difference_nats']:>8.0e} {row['same_argmax']:>6}  "
                f"{row['harness_peak_mib']}/{row['uptake_peak_mib']}",
                flush=True,
            )
    device = torch.cuda.get_device_name() if args.device == "cuda" else f"{platform.machine()}, {os.cpu_count()} cores"
    report = {"device": device, "dtype": args.dtype, "versions": versions(), "results": results}
    if args.out.exists():  # rows of other settings stay
        setting = operator.itemgetter("model", "vocabulary", "context", "candidates", "words")
        measured = {setting(row) for row in results}
        kept = json.loads(args.out.read_text(encoding="utf-8"))["results"]
        report["results"] = sorted([row for row in kept if setting(row) not in measured] + results, key=setting)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
