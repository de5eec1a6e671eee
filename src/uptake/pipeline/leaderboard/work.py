"""The runs of a comparison, each in a folder of its own: made once, by one of several processes, and kept."""

from __future__ import annotations

import gc
import multiprocessing
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from uptake.artifacts import digest, versions, write_json
from uptake.artifacts.checked import read_record
from uptake.artifacts.schemas.leaderboard import WORKED
from uptake.config import RunConfig
from uptake.pipeline.progress import Progress
from uptake.pipeline.stream.result import StreamResult
from uptake.spread import NOTHING, Actors
from uptake.stream import TokensSpent

RESULT = "result.json"
REVISION = 2
"""Raised when the same run comes to other numbers."""
BESIDE = ("beside", "ends", "scored", "within")
ASKED = Path("stream", "work")


@dataclass(frozen=True)
class BoardRun:
    """One run of a comparison.

    Attributes:
        settings: A run file's keys, as JSON has them; `output_dir` is its own folder.
        what: `cost` trains alone and tells what that takes; `stream` tests too and tells what came of it.
        last: Only the last stage is trained in full: it starts from the base, as in `joint`.
        content: Identifies the data, so that what was made of other data is made again.
        shared: Folder where the base's answers lie that runs of one seed have in common; None without.
    """

    settings: Mapping[str, Any]
    what: Literal["cost", "stream"]
    last: bool
    content: str
    shared: Path | None = None

    @property
    def folder(self) -> Path:
        """Where it goes."""
        return Path(self.settings["output_dir"])

    @property
    def key(self) -> str:
        """Identifies what it is made from."""
        return digest({**self.settings, "output_dir": None}, self.what, self.last, self.content, versions(), REVISION)


def worked(
    pieces: Sequence[BoardRun], jobs: int | Actors, progress: Progress, step: str
) -> list[Mapping[str, float | None]]:
    """What came of each; what a former run finished is not made again, and what it began goes on.

    Args:
        pieces: What is to be done.
        jobs: Processes that work side by side; or actors that do, on machines that share the folders of the runs.
        progress: Told after each.
        step: What it is told.
    """
    found = {number: there for number, one in enumerate(pieces) if (there := _finished(one)) is not None}
    waiting = [number for number in range(len(pieces)) if number not in found]
    progress(step, len(found), len(pieces))
    if isinstance(jobs, Actors):
        for number, numbers in jobs.each(waiting, lambda number: jobs.run(NOTHING, _work_there, pieces[number])):
            found[number] = numbers
            progress(step, len(found), len(pieces))
    elif jobs == 1 or len(waiting) < 2:
        for number in waiting:
            found[number] = work(pieces[number])
            progress(step, len(found), len(pieces))
    else:
        context = multiprocessing.get_context("spawn")  # threads of torch do not survive a fork
        with ProcessPoolExecutor(min(jobs, len(waiting)), mp_context=context) as pool:
            tasks = {pool.submit(work, pieces[number]): number for number in waiting}
            try:
                for done in as_completed(tasks):
                    found[tasks[done]] = done.result()
                    progress(step, len(found), len(pieces))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [found[number] for number in range(len(pieces))]


def _finished(piece: BoardRun) -> Mapping[str, float | None] | None:
    path = piece.folder / RESULT
    if not path.is_file():
        return None
    there = read_record(path, WORKED, f"delete {piece.folder}: the next run makes it again")
    return there.numbers if there.of == piece.key else None


def _work_there(piece: BoardRun, held: None) -> Mapping[str, float | None]:
    """As `work`; an actor that goes on with what a lost one began finds it in the folder."""
    return work(piece)


def work(piece: BoardRun) -> Mapping[str, float | None]:
    """Make one, and keep of it what came out; the models go."""
    folder, begun = piece.folder, time.process_time()
    mark = folder / "begun.json"
    resumed = mark.is_file() and read_record(mark, WORKED).of == piece.key
    if not resumed:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_json(mark, {"of": piece.key, "numbers": {}})
    if piece.shared is not None:
        _take(piece.shared, folder)
    numbers = (_costs if piece.what == "cost" else _stream)(piece.settings, last=piece.last)
    if piece.shared is not None:
        _give(folder, piece.shared)
    numbers["seconds"] = None if resumed else time.process_time() - begun
    write_json(folder / RESULT, {"of": piece.key, "numbers": numbers})
    for name in ("train", "ledger", "stream/work"):
        shutil.rmtree(folder / name, ignore_errors=True)
    gc.collect()
    gc.freeze()  # what is left is imported code: the collections of the next run need not go through it again
    return numbers


def _take(shared: Path, folder: Path) -> None:
    """Put the base's answers where a stream looks for them; what does not fit is asked again."""
    if shared.is_dir() and not (folder / ASKED).exists():
        shutil.copytree(shared, folder / ASKED)


def _give(folder: Path, shared: Path) -> None:
    """Keep the base's answers for the runs that follow; of runs side by side one is first."""
    if shared.exists():
        return
    new = folder / "shared"
    shutil.rmtree(new, ignore_errors=True)
    for one in (folder / ASKED).glob("*/base*"):
        shutil.copytree(one, new / one.relative_to(folder / ASKED))
    shared.parent.mkdir(parents=True, exist_ok=True)
    try:
        new.rename(shared)
    except OSError:  # the other one was first
        shutil.rmtree(new, ignore_errors=True)


def _costs(settings: Mapping[str, Any], *, last: bool) -> dict[str, float | None]:
    from uptake.pipeline.stream.costs import costs_of
    from uptake.pipeline.train.run import train, training_run

    run = training_run(RunConfig.model_validate(settings))
    places = slice(-1 if last else 0, None)
    costs, stages = costs_of(train(run), run.stages)[places], settings["stages"][places]
    asked = None
    if not any(one["tokens"] is None for one in costs):
        pairs = zip(costs, stages, strict=True)
        asked = sum(float(one["tokens"]) / one["passes"] * stage["num_train_epochs"] for one, stage in pairs)
    return {"asked": asked, **{name: sum_of(costs, name) for name in ("tokens", *BESIDE)}}


def _stream(settings: Mapping[str, Any], *, last: bool) -> dict[str, float | None]:
    """The numbers of a stream."""
    from uptake.pipeline.stream.run import stream_run

    done = stream_run(RunConfig.model_validate(settings))
    assert done is not None
    summary = done.summary()
    alone = {"accuracy"} if last else set(summary["metrics"])  # the other stages were not trained to be read
    numbers: dict[str, float | None] = {
        name: one["estimate"] if one is not None and name in alone else None for name, one in summary["metrics"].items()
    }
    real, fates, end = summary["elicited"]["forgetting"], summary["fates"], summary["rows"][-1]
    numbers["real_forgetting"] = None if real is None or last else real["estimate"]
    # of a stage whose tests are all replaced by later ones nothing is told
    base = [cell["right"]["estimate"] for cell in summary["rows"][0]["tests"] if cell["n"]]
    numbers["base"] = sum(base) / len(base)
    numbers["lost"] = None if last else float(sum(one["lost"] for one in fates))
    numbers["superficial"] = None if last else float(sum(one["elicited"] for one in fates))
    for form in ("freely", "held_out", "lettered"):
        of = [one["forms"][form] for one in fates]
        numbers[form] = None if last or not sum(asked for _, asked in of) else float(sum(right for right, _ in of))
    numbers["by_chance"] = None if numbers["lettered"] is None else sum(one["by_chance"] for one in fates)
    numbers["retention"] = None if end["retention"] is None else end["retention"]["right"]["estimate"]
    numbers["general"] = None if end["general"] is None else end["general"]["nll"]["estimate"]
    numbers |= {} if last else beside_the_base(summary, done)
    numbers |= {name: sum_of(summary["costs"], name) for name in ("tokens", "total", "scored")}
    numbers["kept"] = float(summary["costs"][-2 if len(fates) > 1 else -1]["kept"])
    return numbers


def beside_the_base(summary: Mapping[str, Any], done: StreamResult) -> dict[str, float | None]:
    """What the last model gained over the base and lost of it; shares, and of general text nats a token.

    Args:
        summary: `summary.json` of the stream.
        done: The stream, with its table of items.

    Returns:
        `gain`: average accuracy in whatever words; `gain_in_form`: in the form of the data. `general_lost`: nats a
        token more. `retention_lost`: of the retention set, what the base says in whatever words and the last model does
        not, less what it says beyond the base. `retention_form`: what both say, the base in the form of the data and
        the last model otherwise.
    """
    before, after = summary["rows"][0], summary["rows"][-1]
    told = [cell["elicited"] for row in (before, after) for cell in row["tests"] if cell["n"]]
    right = [[cell["right"]["estimate"] for cell in row["tests"] if cell["n"]] for row in (before, after)]
    half = len(told) // 2
    found: dict[str, float | None] = {
        "gain": None if None in told else (sum(told[half:]) - sum(told[:half])) / half,
        "gain_in_form": (sum(right[1]) - sum(right[0])) / half,
        "general_lost": None,
        "retention_lost": None,
        "retention_form": None,
    }
    if after["general"] is not None:
        found["general_lost"] = after["general"]["nll"]["estimate"] - before["general"]["nll"]["estimate"]
    if after["retention"] is not None:
        rows = [row for row in done.items() if row["kind"] == "retention"]
        last = max(row["after_number"] for row in rows)
        first, end = ([row for row in rows if row["after_number"] == number] for number in (0, last))
        if all(row["elicited"] is not None for row in (*first, *end)):
            pairs = list(zip(first, end, strict=True))
            found["retention_lost"] = sum(b["elicited"] - a["elicited"] for b, a in pairs) / len(pairs)
            superficial = [b["right"] and not a["right"] and a["elicited"] for b, a in pairs]
            found["retention_form"] = sum(superficial) / len(pairs)
    return found


def sum_of(costs: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """A cost of all stages together; None where one is not known."""
    values = [one[name] for one in costs]
    return None if None in values else float(sum(values))


def spent(numbers: Mapping[str, float | None]) -> TokensSpent | None:
    """What a training took, brought to the length that was asked for, of which no step is a part; None: not known."""
    asked, tokens, beside, ends, scored, within = (numbers[name] for name in ("asked", "tokens", *BESIDE))
    if asked is None or tokens is None or beside is None or ends is None or scored is None or within is None:
        return None
    return TokensSpent(tokens, beside, ends, scored - within, within).as_long(asked)
