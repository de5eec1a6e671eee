"""The rung `policy`: a rewriting policy is trained, held against best of k at equal generation, and taken if better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from uptake.artifacts import chunks, digest, open_parts, write_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.rewrite import REWRITES_FILE
from uptake.artifacts.schemas.rewrite_policy import LOOKS
from uptake.config.rewrite import PolicyTraining
from uptake.data import Turn, encode
from uptake.errors import UptakeError
from uptake.models import Model
from uptake.models.places.settings import LoadSettings, of_adapters
from uptake.pipeline.progress import Progress
from uptake.pipeline.rewrite.drafting import Writing, draft_of, written
from uptake.pipeline.rewrite.work import Rewriter, draft_row, nlls
from uptake.probe import question
from uptake.rewrite import Draft, choose, guided
from uptake.rewrite.reward import diversity, group_rewards, word_vectors
from uptake.stats import student_mean
from uptake.types import Example

PART = 32
SHARE, LEAST = 0.2, 4
"""Share of the rows that are rewritten which the policy is not trained on, but held against best of k by; so many at
least."""
MOST = 64
"""Drafts of a row that best of k has at most at equal generation."""
PEFT: Mapping[str, Any] = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"}
"""The adapter where the run has none."""
NOTED = ("reward", "passed", "nll", "diversity", "kl", "generated")
"""What is kept of each step."""


@dataclass(frozen=True)
class PolicyRun:
    """What a policy is trained with.

    Attributes:
        name: The base: a folder or a hub id.
        load: How it is loaded.
        fingerprint: The base's.
        peft: Settings of the adapter; None for those of `PEFT`.
        section: How it is trained.
        k: Drafts of a row, of the policy as of best of k.
        examples: The examples.
        rows: Their rows, made by best of k.
        rewriter: How best of k made them.
        folder: Where the policy goes.
    """

    name: str
    load: LoadSettings
    fingerprint: str
    peft: Mapping[str, Any] | None
    section: PolicyTraining
    k: int
    examples: Sequence[Example]
    rows: Sequence[Mapping[str, Any]]
    rewriter: Rewriter
    folder: Path

    @property
    def writing(self) -> Writing:
        """How drafts are made."""
        return self.rewriter.writing

    def open_rows(self) -> list[int]:
        """The rows that are rewritten, by number.

        Raises:
            UptakeError: They are too few.
        """
        found = [number for number, row in enumerate(self.rows) if row["drafts"]]
        if len(found) < 3 * LEAST:
            raise UptakeError(
                f"{len(found)} rows are rewritten, which is too few for a policy",
                expected=f"{2 * LEAST} to be trained on and {LEAST} to be tested on",
                fix="take more data, or rewrite.rung: best_of_k",
            )
        return found

    def tested(self) -> list[int]:
        """Those of them that the policy is not trained on."""
        found = self.open_rows()
        return sorted(Random(self.writing.seed).sample(found, max(LEAST, round(SHARE * len(found)))))

    def contexts(self, numbers: Sequence[int]) -> list[list[int]]:
        """What the policy is asked of some rows, as tokens."""
        items = encode([Turn(self.prompt(number), "x") for number in numbers], self.writing.model.tokenizer)
        return [item.ids[: item.start] for item in items]

    def prompt(self, number: int) -> Any:
        """What the policy is asked of a row: question and response, and to say it in its own words."""
        example = self.examples[number]
        chat = getattr(self.writing.model.tokenizer, "chat_template", None) is not None
        return guided(question(example), example.response, chat=chat)


def policy_rows(run: PolicyRun, progress: Progress) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train a policy and let it rewrite, where it beats best of k at equal generation; else the rows stay.

    Args:
        run: The policy.
        progress: Told of its steps and rows.

    Returns:
        The rows, and what the summary says of the policy.

    Raises:
        UptakeError: There are too few rows, or the settings are refused.
    """
    from uptake.models.scoring.lazy import Lazy
    from uptake.models.scoring.live import around
    from uptake.models.training.policy import PolicyJob, train_policy
    from uptake.models.training.start import Start, tokenizer_of

    start = Start(run.name, run.load, run.peft or PEFT)
    tested = run.tested()
    trained = _fitting(run, [number for number in run.open_rows() if number not in tested])
    looks = Looks(run, tested, run.folder / "looks.json")
    tokenizer = tokenizer_of(start.place(), start.settings)
    settings = {"max_completion_length": _room(run, trained), **run.section.training}
    job = PolicyJob(
        start, tokenizer, [run.prompt(number) for number in trained], settings,
        run.section.steps, run.section.every, run.writing.seed, run.folder,
    )  # fmt: skip

    def goes_on(model: Any, step: int, log: Sequence[Mapping[str, float]]) -> bool:
        return looks.goes_on(None if model is None else around("the policy", model, tokenizer), step, log)

    done = train_policy(job, _reward(run, trained), goes_on, lambda n, of: progress("training the policy", n, of))
    found = looks.read()
    kept = bool(found) and _beats(found[-1])
    told = {
        "steps": done.steps,
        "curve": [{"step": n, **{key: one.get(key) for key in NOTED}} for n, one in enumerate(done.log, start=1)],
        "looks": found,
        "kept": kept,
        "generated": int(sum(one["generated"] for one in done.log)),
        "why": _why(found, done.steps, run.section.steps),
    }
    if not kept:
        return [dict(row) for row in run.rows], told
    policy = Lazy.find(str(done.model), of_adapters(run.load), base=run.name)
    parts = open_parts(run.folder / "rewrites", digest(policy.fingerprint, run.k, run.writing.seed), REWRITES_FILE)
    numbers = list(range(len(run.rows)))
    for part, some in enumerate(chunks(numbers, PART)):
        if not parts.has(part):
            parts.write(part, rewritten(run, policy.load(), some, run.writing.seed + part))
        progress("rewriting by the policy", min(len(numbers), (part + 1) * PART), len(numbers))
    return [row for part in parts.numbers() for row in parts.read(part)], told


def _room(run: PolicyRun, numbers: Sequence[int]) -> int:
    """Tokens that a draft may have in training: enough for the longest response."""
    return 2 * max((int(run.rows[number]["tokens_before"]) for number in numbers), default=0) + 24


def _fitting(run: PolicyRun, numbers: Sequence[int]) -> list[int]:
    """The rows whose prompt leaves room for a draft.

    Raises:
        UptakeError: There are none.
    """
    limit, room = run.writing.limit, _room(run, numbers)
    each = zip(numbers, run.contexts(numbers), strict=True)
    found = [number for number, context in each if limit is None or len(context) + room <= limit]
    if not found:
        raise UptakeError(
            f"the policy is asked in prompts of more than the {limit} tokens that the model takes",
            expected="room for two examples, the question and the response",
            fix="take a model with more positions, raise max_length, or rewrite.rung: best_of_k",
        )
    return found


def _why(looks: Sequence[Mapping[str, Any]], steps: int, most: int) -> str:
    if not looks:
        return "the policy was never held against best of k: it has fewer steps than `every`"
    last = looks[-1]
    of = f"best of {last['k']}, as many drafts as are ever made: the policy generated more" if last["k"] == MOST else ""
    at = of or "best of k at equal generation"
    if _beats(last):
        return f"the policy beats {at}"
    stopped = f", and training stopped after {steps} of {most} steps" if steps < most else ""
    surely = " surely" if last["policy"] < last["best_of_k"] else ""
    return f"the policy does not{surely} beat {at}{stopped}: best of k was taken"


def _beats(look: Mapping[str, Any]) -> bool:
    """Whether the policy was better for sure: the 95 % interval of the difference, paired by row, lies below 0."""
    return look["difference"] is not None and bool(look["difference"]["high"] < 0)


def _reward(run: PolicyRun, trained: Sequence[int]) -> Any:
    """What drafts of the policy earn, group by group."""

    def reward(
        base: Model, numbers: Sequence[int], texts: Sequence[str], ended: Sequence[bool]
    ) -> tuple[list[float], dict[str, float]]:
        earned: list[float] = []
        passing, likely, spread = 0, [], []
        each = zip(numbers, texts, ended, strict=True)
        for number, group in groupby(each, key=lambda one: one[0]):
            example = run.examples[trained[number]]
            drafts = [draft_of("policy", example, text, 0, end) for _, text, end in group]
            gated = [one.gated(question(example), example.response) for one in drafts]
            passed = np.array([one.refused == () for one in gated])
            [scores] = nlls(base, [example], [[one.text for one in gated]])
            nll = np.array([score[0] or 0.0 for score in scores])
            vectors = word_vectors([one.text for one in gated])
            earned += [one.total for one in group_rewards(passed, nll, vectors)]
            passing += int(passed.sum())
            likely += nll[passed].tolist()
            spread.append(diversity(vectors))
        noted = {"passed": passing / max(1, len(texts)), "diversity": float(np.mean(spread))}
        return earned, noted | ({"nll": float(np.mean(likely))} if likely else {})

    return reward


def rewritten(run: PolicyRun, policy: Model, numbers: Sequence[int], seed: int) -> list[dict[str, Any]]:
    """The rows with the policy's drafts, of which the likeliest that passes is taken; else the original.

    Args:
        run: The policy's.
        policy: The policy.
        numbers: Which rows.
        seed: Of the samples.
    """
    asked = [number for number in numbers if run.rows[number]["drafts"]]
    examples = [run.examples[number] for number in asked]
    drafts = written("policy", run.writing, run.contexts(asked), examples, run.k, model=policy, seed=seed)
    gated = [
        [one.gated(question(example), example.response) for one in own]
        for example, own in zip(examples, drafts, strict=True)
    ]
    passing = [[one.text for one in own if one.refused == ()] for own in gated]
    scores = dict(zip(asked, nlls(run.writing.model, examples, passing), strict=True))
    by_number = dict(zip(asked, gated, strict=True))
    return [
        _row(run.rows[number], by_number[number], scores[number]) if number in by_number else dict(run.rows[number])
        for number in numbers
    ]


def _row(
    row: Mapping[str, Any], gated: Sequence[Draft], scores: Sequence[tuple[float | None, int, int]]
) -> dict[str, Any]:
    told = iter(scores)
    known = [(one, next(told) if one.refused == () else (None, 0, 0)) for one in gated]
    drafts = [Draft(one.how, one.text, one.tokens, one.ended, one.refused, score[0]) for one, score in known]
    choice = choose("policy", drafts, row["nll_before"])
    taken = choice.draft
    tokens = {one.text: score[1] for one, score in known}
    return {
        **row,
        "text": row["original"] if taken is None else taken.text,
        "how": None if taken is None else taken.how,
        "why": choice.why,
        "nll_after": row["nll_before"] if taken is None else taken.nll,
        "tokens_after": row["tokens_before"] if taken is None else tokens[taken.text],
        "generated": row["generated"] + sum(one.tokens for one in gated),
        "scored": row["scored"] + sum(score[2] for score in scores),
        "drafts": [*row["drafts"], *map(draft_row, drafts)],
    }


class Looks:
    """How the policy stands against best of k with as many generated tokens, on rows that it is not trained on.

    Args:
        run: The policy's.
        tested: The rows.
        path: Where it is kept.
    """

    def __init__(self, run: PolicyRun, tested: Sequence[int], path: Path) -> None:
        self.run, self.tested, self.path = run, tested, path
        self.key = digest(run.section.model_dump(mode="json"), run.k, run.fingerprint, list(tested), run.writing.seed)

    def read(self) -> list[dict[str, Any]]:
        """What was seen so far."""
        if not self.path.is_file():
            return []
        there = read_record(self.path, LOOKS, f"delete {self.path.parent}: the policy is trained again")
        return [asdict(one) for one in there.looks] if there.of == self.key else []

    def goes_on(self, policy: Model | None, step: int, log: Sequence[Mapping[str, float]]) -> bool:
        """Whether training goes on: it stops when best of k was not beaten twice in a row.

        Args:
            policy: The policy; None asks about a step that was looked at.
            step: Steps done.
            log: What was noted of the steps before.
        """
        found = [one for one in self.read() if one["step"] <= step]
        if policy is not None and not any(one["step"] == step for one in found):
            found.append(self._seen(policy, step, log))
            write_json(self.path, {"of": self.key, "looks": found})
        return len(found) < 2 or any(one["policy"] < one["best_of_k"] for one in found[-2:])

    def _seen(self, policy: Model, step: int, log: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        run, seed = self.run, self.run.writing.seed + step
        own = rewritten(run, policy, self.tested, seed)
        used = [new["generated"] - run.rows[at]["generated"] for new, at in zip(own, self.tested, strict=True)]
        spent = sum(one["generated"] for one in log) * step / max(1, len(log))  # the step's own is not noted yet
        a_row = spent / len(run.open_rows()) + sum(used) / len(used)
        a_draft = sum(run.rows[at]["generated"] for at in self.tested) / (run.k * len(self.tested))
        k = max(run.k, min(MOST, round(a_row / max(1.0, a_draft))))
        others = run.rewriter.with_drafts(k, seed).rows([run.examples[at] for at in self.tested])
        mine, best = (np.array([row["nll_after"] for row in rows], float) for rows in (own, others))
        difference = student_mean(mine - best)
        return {
            "step": step,
            "policy": float(mine.mean()),
            "best_of_k": float(best.mean()),
            "k": k,
            "difference": None if difference is None else asdict(difference),
            "fell_back": sum(row["how"] is None for row in own) / len(own),
            "n": len(own),
        }
