"""`uptake stream compare`: each strategy brought to the same cost, tuned with as many trials, and run equally often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from uptake.artifacts import digest, locked, refuse_links, versions, write_bytes, write_json
from uptake.artifacts.checked import read_data
from uptake.artifacts.schemas.leaderboard import LEADERBOARD
from uptake.config import RunConfig
from uptake.errors import UptakeError
from uptake.pipeline.leaderboard.arms import SEQUENTIAL, Chain, Contender, Trial
from uptake.pipeline.leaderboard.markdown import leaderboard_markdown
from uptake.pipeline.leaderboard.variants import StreamFile, orders_of
from uptake.pipeline.leaderboard.work import spent, worked
from uptake.pipeline.progress import Progress
from uptake.pipeline.run_file import actors_of, datasets_of
from uptake.pipeline.stream.asked import require_tests
from uptake.spread import Actors
from uptake.stream import ComparedRun, Mean, TokensSpent, against, length_within, mean_of, means

ANEW = "run `uptake stream compare` again: what was trained is kept"
SHORT = 0.1
"""How long a strategy is trained to tell what it costs, against its whole length."""
NEAR = 0.03
"""By so much the cost of a strategy may differ from that of plain fine-tuning and count as equal."""


@dataclass(frozen=True)
class ComparePlan:
    """What is compared, and how.

    Attributes:
        arms: The strategies.
        orders: Orders of the stages: that of the run file, and others that the seed draws.
        seeds: Seeds of each order.
        trials: Ways to set each strategy that are tried on the tuning stream.
        jobs: Runs that are made side by side.
        reference: The strategy that the others are held against.
    """

    arms: tuple[Contender, ...]
    orders: int = 3
    seeds: int = 3
    trials: int = 3
    jobs: int = 1
    reference: str = "replay"

    def __post_init__(self) -> None:
        """Refuse a reference that is not compared."""
        names = [arm.name for arm in self.arms]
        if self.reference not in names:
            raise UptakeError(
                f"--reference is {self.reference}, which is not compared", expected=", ".join(names), fix="name one"
            )


@dataclass(frozen=True)
class Tried:
    """A way to set a strategy, by how much its epochs are changed, and what it reached on the tuning stream."""

    trial: Trial
    length: float
    accuracy: float | None

    def as_data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**self.trial.as_data(), "accuracy": self.accuracy}


@dataclass(frozen=True)
class Leaderboard:
    """A finished comparison on disk.

    Attributes:
        folder: Holds `summary.json` and `summary.md`.
    """

    folder: Path

    def summary(self) -> dict[str, Any]:
        """What was compared and what came of it; the keys are explained in docs/compare.md.

        Raises:
            UptakeError: The file is missing or damaged.
        """
        found: dict[str, Any] = read_data(self.folder / "summary.json", LEADERBOARD, ANEW)
        return found


def read_leaderboard(output_dir: Path) -> Leaderboard | None:
    """The comparison of a run; None where there is none that is finished."""
    folder = output_dir / "compare"
    return Leaderboard(folder) if (folder / "summary.json").is_file() else None


@dataclass(frozen=True)
class _Bench:
    """What all parts of a comparison need."""

    main: StreamFile
    tuning: StreamFile | None
    what: ComparePlan
    folder: Path
    progress: Progress
    jobs: int | Actors  # what makes runs side by side


def compare_streams(
    config: RunConfig,
    tuning: RunConfig | None,
    what: ComparePlan,
    progress: Progress = lambda step, done, total: None,
) -> Leaderboard:
    """Compare strategies on a stream; a killed comparison goes on where it stopped.

    Each strategy first trains a little, to tell what it costs. Then its epochs are changed so that all cost as many
    tokens as plain fine-tuning does. It is tuned on the tuning stream, and run on the stream with what was best there.

    Args:
        config: The stream; its own strategies are left out.
        tuning: The stream that the strategies are tuned on; None takes the learning rate of the run file.
        what: What is compared, and how.
        progress: Told of the runs.

    Raises:
        UptakeError: Something about the input is wrong; it is told before any work is lost.
    """
    streams = []
    for one in (config, tuning) if tuning is not None else (config,):
        require_tests(datasets_of(one))
        streams.append(StreamFile.of(one.model_dump(mode="json", exclude={"spread"})))
    refuse_links(config.output_dir)
    folder = config.output_dir / "compare"
    bench = _Bench(streams[0], None if tuning is None else streams[1], what, folder, progress, what.jobs)
    trials = _trials(bench)
    orders = orders_of(len(config.stages), what.orders, config.seed)
    with locked(folder), actors_of(config.spread) as actors:
        bench = bench if actors is None else replace(bench, jobs=actors)
        (folder / "summary.json").unlink(missing_ok=True)
        budget, lengths = _lengths(bench, bench.main, folder / "costs")
        tried = _tuned(bench, trials, lengths)
        best = _best(tried)
        runs = _runs(bench, best, orders)
        summary = {
            "stages": [stage.name for stage in config.stages],
            "orders": orders,
            "seeds": what.seeds,
            "trials": 1 if tuning is None else what.trials,
            "reference": what.reference,
            "budget": budget,
            "arms": _summarised(tried, best, runs, what.reference),
            "notes": _notes(bench, tried, runs, budget),
            "run": {
                "settings": bench.main.settings,
                "tuning": None if bench.tuning is None else bench.tuning.settings,
                "versions": versions(),
            },
        }
        write_bytes(folder / "summary.md", leaderboard_markdown(summary).encode())
        write_json(folder / "summary.json", summary)
    return Leaderboard(folder)


def _trials(bench: _Bench) -> dict[str, list[Trial]]:
    """What is tried of each strategy; each is checked as the run file's are."""
    from uptake.strategies.choose import choose

    what, tuned = bench.what, bench.tuning is not None
    if tuned and what.trials > 1:
        bench.main.require_rate()
        assert bench.tuning is not None
        bench.tuning.require_rate()
    found = {}
    for arm in what.arms:
        for chain in arm.chains:
            choose(chain, "--strategies")
        if not tuned and len(arm.chains) > 1:
            raise UptakeError(
                f"{arm.name} has several values to try, and there is no stream to try them on",
                fix="name one: --tuning TUNING.YAML",
            )
        found[arm.name] = arm.trials(what.trials if tuned else 1)
    return found


def _lengths(bench: _Bench, stream: StreamFile, folder: Path) -> tuple[float, dict[tuple[str, str], float]]:
    """What plain fine-tuning costs on a stream, and by what the epochs of each setting are multiplied to cost it."""
    settings = [(arm, chain) for arm in bench.what.arms for chain in arm.chains if chain]
    places = [folder / f"{_folder(arm.name)}-{_key(chain)}" for arm, chain in settings]
    pieces = [
        stream.varied(place, Trial(chain), what="cost", length=SHORT)
        for place, (_, chain) in zip(places, settings, strict=True)
    ]
    plain = stream.varied(folder / "plain", Trial({}), what="cost", length=SHORT)
    found = worked([plain, *pieces], bench.jobs, bench.progress, "measuring costs")
    whole = [_whole(spent(one)) for one in found]
    budget = whole[0].total
    lengths = {(SEQUENTIAL, _key({})): 1.0}
    for (arm, chain), of in zip(settings, whole[1:], strict=True):
        try:
            lengths[arm.name, _key(chain)] = length_within(budget, of)
        except ValueError as error:
            raise UptakeError(
                f"{arm.name} costs more than plain fine-tuning at any length: {error}",
                expected="strategies that can be brought to equal cost",
                fix="leave it out, or let it score and keep fewer rows",
            ) from None
    return budget, lengths


def _whole(short: TokensSpent | None) -> TokensSpent:
    """What a training of full length costs, from one of the length `SHORT`."""
    assert short is not None  # one process counts it
    return short.as_long(short.trained / SHORT)


def _tuned(
    bench: _Bench, trials: Mapping[str, Sequence[Trial]], lengths: Mapping[tuple[str, str], float]
) -> dict[str, list[Tried]]:
    """What each trial reaches on the tuning stream, in its own order."""
    each = [(name, trial, _key(trial.chain)) for name, of in trials.items() for trial in of]
    accuracies: list[float | None] = [None] * len(each)
    if bench.tuning is not None:
        _, own = _lengths(bench, bench.tuning, bench.folder / "costs" / "trials")  # its rows have other lengths
        places = [bench.folder / "tuning" / f"{_folder(name)}-{_key(trial.as_data())}" for name, trial, _ in each]
        pieces = [
            bench.tuning.varied(place, trial, length=own[name, key])
            for place, (name, trial, key) in zip(places, each, strict=True)
        ]
        found = worked(pieces, bench.jobs, bench.progress, "tuning")
        accuracies = [one["accuracy"] for one in found]
    tried: dict[str, list[Tried]] = {name: [] for name in trials}
    for (name, trial, key), accuracy in zip(each, accuracies, strict=True):
        tried[name].append(Tried(trial, lengths[name, key], accuracy))
    return tried


def _best(tried: Mapping[str, Sequence[Tried]]) -> dict[str, Tried]:
    return {name: max(of, key=lambda one: one.accuracy or 0.0) for name, of in tried.items()}  # the first of equals


def _runs(bench: _Bench, best: Mapping[str, Tried], orders: Sequence[Sequence[int]]) -> dict[str, list[ComparedRun]]:
    """All orders and seeds of each strategy; strategy after strategy within each, so that a killed one has pairs."""
    each = [(name, number, seed) for number in range(len(orders)) for seed in range(bench.what.seeds) for name in best]
    pieces = [
        replace(
            bench.main.varied(
                bench.folder / "runs" / f"{_folder(name)}-{number}-{seed}",
                best[name].trial,
                order=orders[number],
                seed=seed,
                length=best[name].length,
            ),
            shared=bench.folder / "base" / str(seed),
        )
        for name, number, seed in each
    ]
    found = worked(pieces, bench.jobs, bench.progress, "comparing")
    runs: dict[str, list[ComparedRun]] = {name: [] for name in best}
    for (name, number, seed), numbers in zip(each, found, strict=True):
        runs[name].append(ComparedRun(number, seed, numbers))
    return runs


def _summarised(
    tried: Mapping[str, Sequence[Tried]],
    best: Mapping[str, Tried],
    runs: Mapping[str, Sequence[ComparedRun]],
    reference: str,
) -> list[dict[str, Any]]:
    compared = against(runs, reference)
    return [
        {
            "name": name,
            "trials": [one.as_data() for one in of],
            "chosen": best[name].as_data(),
            "length": best[name].length,
            "means": {key: None if mean is None else asdict(mean) for key, mean in means(runs[name]).items()},
            "against": asdict(compared[name]) if name in compared else None,
            "runs": [asdict(run) for run in runs[name]],
        }
        for name, of in tried.items()
    ]


def _equal(cost: Mean, budget: float) -> bool:
    return abs(cost.estimate / budget - 1) <= NEAR


def _notes(
    bench: _Bench, tried: Mapping[str, Sequence[Tried]], runs: Mapping[str, Sequence[ComparedRun]], budget: float
) -> list[str]:
    """Where the numbers mean less than they seem."""
    notes, best = [], _best(tried)
    if bench.tuning is None:
        notes.append("nothing was tuned: all strategies have the learning rate of the run file")
    rates = {name: {one.trial.rate for one in of} for name, of in tried.items()} if bench.tuning is not None else {}
    if alone := [name for name, of in rates.items() if len(of) == 1]:
        notes.append(f"of {', '.join(alone)} one learning rate alone was tried: more trials try others")
    edges = [name for name, of in rates.items() if len(of) > 1 and best[name].trial.rate in (min(of), max(of))]
    if edges:
        notes.append(f"of {', '.join(edges)} the best learning rate is the largest or the smallest one that was tried")
    spent = {name: mean_of([run.numbers.get("total") for run in of]) for name, of in runs.items()}
    off = [f"{name} {one.estimate / budget:.2f}" for name, one in spent.items() if one and not _equal(one, budget)]
    if off:
        notes.append(f"the cost is not that of plain fine-tuning, but so many times it: {', '.join(off)}")
    if (bench.what.seeds if bench.what.orders == 1 else bench.what.orders) < 3:
        notes.append("there are less than three orders, or of one order seeds: the intervals say little")
    forgetting = [run.numbers["forgetting"] for run in runs.get(SEQUENTIAL, ())]
    known = [one for one in forgetting if one is not None]
    if known and sum(known) / len(known) < 0.2:
        notes.append(
            f"plain fine-tuning forgets {100 * sum(known) / len(known):.0f} points alone: where little is lost, little "
            "can be kept"
        )
    return notes


def _key(value: Chain | Mapping[str, Any]) -> str:
    return digest(dict(value))[:12]


def _folder(name: str) -> str:
    return name.replace(" ", "")
