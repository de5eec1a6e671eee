"""`uptake rewrite --compare`: each rung trained over learning rates and seeds; its gain against what is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from uptake.artifacts import locked, refuse_links, versions, write_bytes, write_json
from uptake.artifacts.checked import read_data
from uptake.artifacts.schemas.rewrite_compared import REWRITE_COMPARED
from uptake.config import RunConfig
from uptake.config.rewrite import ResponseRewrite
from uptake.errors import UptakeError
from uptake.pipeline.leaderboard.arms import Chain, Trial
from uptake.pipeline.leaderboard.variants import StreamFile
from uptake.pipeline.leaderboard.work import BoardRun, worked
from uptake.pipeline.progress import Progress
from uptake.pipeline.rewrite.result import write_stages
from uptake.pipeline.rewrite.run import rewrite_run
from uptake.pipeline.run_file import datasets_of, load_settings
from uptake.pipeline.rungs.data import RungRows, StageEncoding, rung_data, written_plainly
from uptake.pipeline.rungs.markdown import compared_markdown
from uptake.pipeline.stream.asked import require_tests
from uptake.pipeline.train.settings import settings_of
from uptake.rewrite import RungName
from uptake.rewrite.equal_gain import PAPER, CurvePoint, at_equal_gain
from uptake.stream import mean_of
from uptake.types import Example

Arm: TypeAlias = Literal["original", "template", "guided", "best_of_k", "policy", "dft"]
ARMS: tuple[Arm, ...] = get_args(Arm)
REFERENCE: Final = "original"
ANEW = "run `uptake rewrite run.yaml --compare` again: what was trained is kept"
LOSSES = ("general_lost", "retention_lost")
"""What is forgotten: nats a token of general text, and the share of the retention set that is lost in any words."""
NUMBERS = ("gain", "gain_in_form", *LOSSES, "retention_form", "tokens", "total", "seconds")


@dataclass(frozen=True)
class RewriteComparison:
    """What is compared.

    Attributes:
        arms: The rungs, and `dft`, which trains the original data with another loss.
        rates: Learning rates, as multiples of the run's.
        seeds: Seeds of each.
        jobs: Trainings side by side.
    """

    arms: tuple[Arm, ...] = ("original", "template", "guided", "best_of_k", "dft")
    rates: tuple[float, ...] = (0.5, 1.0, 2.0)
    seeds: int = 3
    jobs: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        wrong = [name for name in self.arms if name not in ARMS]
        if wrong or REFERENCE not in self.arms or len(set(self.arms)) < len(self.arms):
            raise UptakeError(
                f"--rungs is {', '.join(self.arms)}",
                expected=f"each once, of {', '.join(ARMS)}; {REFERENCE} is what the others are held against",
            )
        if not self.rates or min(self.rates) <= 0 or len(set(self.rates)) < len(self.rates):
            raise UptakeError(
                f"--rates is {', '.join(f'{one:g}' for one in self.rates)}",
                expected="multiples of the run's learning rate, each above 0 and once",
                fix="--rates 0.5,1,2",
            )


@dataclass(frozen=True)
class ComparedRungs:
    """A finished comparison on disk.

    Attributes:
        folder: Holds `summary.json` and `summary.md`, the data of each rung, and what came of each training.
    """

    folder: Path

    def summary(self) -> dict[str, Any]:
        """What was compared and what came of it; the keys are explained in docs/rewrite.md.

        Raises:
            UptakeError: The file is missing or damaged.
        """
        found: dict[str, Any] = read_data(self.folder / "summary.json", REWRITE_COMPARED, ANEW)
        return found


def read_compared_rungs(output_dir: Path) -> ComparedRungs | None:
    """The comparison of a run; None where there is none that is finished."""
    folder = output_dir / "rewrite_compare"
    return ComparedRungs(folder) if (folder / "summary.json").is_file() else None


Runs: TypeAlias = Mapping[tuple[Arm, float, int], Mapping[str, float | None]]
"""By rung, learning rate and seed what came of a training."""


def compare_rungs(
    config: RunConfig, what: RewriteComparison, progress: Progress = lambda step, done, total: None
) -> ComparedRungs:
    """Train each rung over learning rates and seeds, and read what it gains and what is forgotten.

    The drafts are those of `uptake rewrite`, made once; each rung takes its own of them. All trainings of a learning
    rate and seed see as many tokens. A killed comparison goes on where it stopped.

    Args:
        config: The run; its own strategies are left out.
        what: What is compared.
        progress: Told of the drafts and the trainings.

    Raises:
        UptakeError: Something about the input is wrong; it is told before anything is written or trained.
    """
    from uptake.models.scoring.lazy import Lazy

    data = datasets_of(config)
    require_tests(data)
    _require_drafts(config.rewrite, what, config.where)
    StreamFile.of(config.model_dump(mode="json")).require_rate()
    refuse_links(config.output_dir)
    rewrites = rewrite_run(config, progress)
    rows, policy = rewrites.rows(), rewrites.summary()["policy"]
    left_out = []
    if "policy" in what.arms and not policy["kept"]:
        what = replace(what, arms=tuple(arm for arm in what.arms if arm != "policy"))
        left_out.append(f"policy is not among them: {policy['why']}")
    folder = config.output_dir / "rewrite_compare"
    with locked(folder):
        (folder / "summary.json").unlink(missing_ok=True)
        examples = [one for one in data.worded() if isinstance(one, Example)]
        settings = written_plainly(data, config.model_dump(mode="json"), folder / "data")
        told: Any = {"seed": config.seed, "max_length": config.max_length, "device": config.device}
        how = {stage.name: settings_of(stage, config.training, **told) for stage in config.stages}
        base = Lazy.find(config.model_name_or_path, load_settings(config, config.revision))
        rungs = _rungs(StageEncoding(base.tokenizer, how), what, rows, examples)
        runs = _trained(settings, what, rungs, folder, progress)
        summary = {
            "reference": REFERENCE,
            "rates": list(what.rates),
            "seeds": what.seeds,
            "paper": PAPER,
            "rungs": [_summarised(arm, rungs[_data_of(arm)], what, runs, rungs[REFERENCE]) for arm in what.arms],
            "notes": [*left_out, *_notes(what, runs, settings), *_apart(what, runs)],
            "run": {"settings": settings, "versions": versions()},
        }
        write_bytes(folder / "summary.md", compared_markdown(summary).encode())
        write_json(folder / "summary.json", summary)
    return ComparedRungs(folder)


def _data_of(arm: Arm) -> RungName:
    return "original" if arm == "dft" else arm


def _chain(arm: Arm) -> Chain:
    return {"dft": {}} if arm == "dft" else {}


def _require_drafts(section: ResponseRewrite, what: RewriteComparison, where: Callable[[str], str]) -> None:
    """Refuse a run whose drafts are not those of all rungs."""
    policy = "policy" in what.arms
    if section.rung not in ("best_of_k", "policy") or (policy and section.rung != "policy"):
        raise UptakeError(
            f"{where('rewrite.rung')}rewrite.rung is {section.rung}; --compare takes the drafts of all rungs",
            expected="policy" if policy else "best_of_k",
            fix="set it, and name what is compared: --rungs original,template",
        )
    alone = [arm for arm in what.arms if arm in ("template", "guided")]
    if section.writer == "judge" and alone:
        raise UptakeError(
            f"{where('rewrite.writer')}rewrite.writer is judge, and the base alone writes {alone[0]}",
            fix="--rungs original,best_of_k,dft",
        )


def _rungs(
    encoding: StageEncoding, what: RewriteComparison, rows: Sequence[Mapping[str, Any]], examples: Sequence[Example]
) -> dict[RungName, RungRows]:
    """What each rung trains."""
    by_key = {(one.id, one.stage): one for one in examples}
    used = [by_key[row["id"], row["stage"]] for row in rows]
    names = dict.fromkeys(_data_of(arm) for arm in what.arms)
    return {name: rung_data(name, rows, used, encoding) for name in names}


def _trained(
    settings: Mapping[str, Any],
    what: RewriteComparison,
    rungs: Mapping[RungName, RungRows],
    folder: Path,
    progress: Progress,
) -> Runs:
    """All trainings; rung after rung within a learning rate, so that a killed comparison has pairs."""
    files = {}
    for name, rung in rungs.items():
        written = write_stages(folder / "data" / name, rung.examples)
        stages = [{**one, "dataset": str(written[one["name"]])} for one in settings["stages"]]
        files[name] = StreamFile.of({**settings, "stages": stages})
    each = [(arm, rate, seed) for seed in range(what.seeds) for rate in what.rates for arm in what.arms]
    pieces: list[BoardRun] = [
        replace(
            files[_data_of(arm)].varied(
                folder / "runs" / f"{arm}-{rate:g}-{seed}",
                Trial(_chain(arm), rate),
                seed=seed,
                length=_lengths(rungs[_data_of(arm)], rungs[REFERENCE]),
            ),
            shared=folder / "base" / str(seed),
        )
        for arm, rate, seed in each
    ]
    return dict(zip(each, worked(pieces, what.jobs, progress, "training the rungs"), strict=True))


def _lengths(rung: RungRows, reference: RungRows) -> dict[str, float]:
    """By stage what a rung's epochs are multiplied by, so that as many tokens are trained as of the original data."""
    return {stage: reference.tokens[stage] / n if n else 1.0 for stage, n in rung.tokens.items()}


def _summarised(arm: Arm, rung: RungRows, what: RewriteComparison, runs: Runs, reference: RungRows) -> dict[str, Any]:
    of = {(rate, seed): runs[arm, rate, seed] for rate in what.rates for seed in range(what.seeds)}
    points = []
    for rate in what.rates:
        own = [of[rate, seed] for seed in range(what.seeds)]
        means = {name: mean_of([one.get(name) for one in own]) for name in NUMBERS}
        points.append({"rate": rate, **{name: one and asdict(one) for name, one in means.items()}})
    equal = {loss: None if arm == REFERENCE else _equal(arm, loss, what, runs) for loss in LOSSES}
    return {
        "name": arm,
        **rung.told(),
        "lengths": _lengths(rung, reference),
        "points": points,
        "equal": equal,
        "runs": [{"rate": rate, "seed": seed, "numbers": dict(one)} for (rate, seed), one in of.items()],
    }


def _equal(arm: Arm, loss: str, what: RewriteComparison, runs: Runs) -> dict[str, Any] | None:
    """Forgetting at equal gain against the reference."""

    def curves(name: Arm) -> dict[int, list[CurvePoint]]:
        found: dict[int, list[CurvePoint]] = {}
        for seed in range(what.seeds):
            for rate in what.rates:
                gain, lost = runs[name, rate, seed].get("gain"), runs[name, rate, seed].get(loss)
                if gain is not None and lost is not None:
                    found.setdefault(seed, []).append(CurvePoint(rate, gain, lost))
        return found

    found = at_equal_gain(curves(arm), curves(REFERENCE))
    return None if found is None else asdict(found)


def _notes(what: RewriteComparison, runs: Runs, settings: Mapping[str, Any]) -> list[str]:
    """Where the numbers mean less than they seem."""
    notes = []
    if what.seeds < 3:
        notes.append("there are less than three seeds: the intervals say little")
    if len(what.rates) < 2:
        notes.append("there is one learning rate: a rung has a single gain, and two rungs none in common")
    elif len(what.rates) < 3:
        notes.append("there are two learning rates: whether the curves are parabolas is not seen, and nothing is sure")
    missing = [name for name in ("general", "retention") if settings[name] is None]
    if missing:
        notes.append(f"the run has no {' and no '.join(missing)}: what is forgotten of it is not measured")
    gains = _gains(REFERENCE, runs)
    if not gains:
        notes.append("the tests are too long for a free answer: there is no gain in whatever words")
    elif max(gains) <= 0:
        notes.append("the original data gain nothing at any learning rate: there is no equal gain")
    return notes


def _apart(what: RewriteComparison, runs: Runs) -> list[str]:
    """The rungs that cannot be read beside the reference at equal gain, in any seed."""
    if len(what.rates) < 2 or max(_gains(REFERENCE, runs), default=0.0) <= 0:
        return []
    found = []
    for arm in what.arms:
        gains = _gains(arm, runs)
        if arm != REFERENCE and gains and _equal(arm, "gain", what, runs) is None:
            low, high = (f"{100 * one:.1f}" for one in (min(gains), max(gains)))
            found.append(
                f"{arm} (gains {low} to {high}) is not read beside {REFERENCE}: two trainings of each have to gain "
                "something, over gains in common; name other --rates"
            )
    return found


def _gains(arm: Arm, runs: Runs) -> list[float]:
    return [gain for (name, *_), one in runs.items() if name == arm and (gain := one.get("gain")) is not None]
