"""What the fuzzer calls of a run's own files: the run file, data, ledger, diagnosis, plan, cure, verdict, stages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def plain(value: Any) -> Any:
    """What was read as data that can be compared."""
    if isinstance(value, pa.Table):
        return value.to_pylist()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | Iterator):
        return [plain(one) for one in value]
    return value.to_dict() if hasattr(value, "to_dict") else value


class Differs(Exception):
    """What was read, written and read again is not the same."""


def _same(value: Any, again: Any, what: str) -> None:
    if repr(plain(value)) != repr(plain(again)):
        raise Differs(what)


def run_file(root: Path) -> Any:
    from uptake import yaml
    from uptake.config import load_run

    read = load_run(root / "run.yaml")
    again = root / "again.yaml"
    data = json.loads(json.dumps(read.model_dump(exclude_unset=True), default=str))
    again.write_text(yaml.write(data), encoding="utf-8")
    _same(read, load_run(again), "the run file")
    return repr(read)


def data(root: Path, name: str) -> Any:
    from uptake.artifacts.tables import EXAMPLES, example_from_row, example_row
    from uptake.data import load

    read = load(root / "data" / name, on_bad_row="skip")
    rows = [example_row(one) for one in read.examples]
    table = pa.Table.from_pylist(rows, schema=EXAMPLES)
    _same(read.examples, [example_from_row(row) for row in table.to_pylist()], "the examples")
    return len(read.examples), len(read.bad_rows)


def named_set(root: Path) -> Any:
    from uptake.data import load

    return [
        len(load(f"{root}/data/dataset_info.json#{name}", on_bad_row="skip").examples) for name in ("homes", "talks")
    ]


def wordings(root: Path) -> Any:
    from uptake.data.load import stream
    from uptake.data.wordings import with_paraphrases

    return list(with_paraphrases(stream(root / "data" / "main.jsonl"), root / "data" / "paraphrases.jsonl"))


def corpus(root: Path) -> Any:
    from uptake.corpus.rows import documents
    from uptake.data.files import find_files

    return [list(documents(file)) for file in find_files(str(root / "data" / "corpus.jsonl"), "train")]


def ledger(root: Path) -> Any:
    from uptake.artifacts.ledger_files import lacking, unreadable
    from uptake.ledger import curves, read_ledger
    from uptake.report.learning import read_learning

    run = root / "run"
    wrong, lacks = unreadable(run), lacking(run, "main", 4, 1)
    read = read_ledger(run)
    _ledger_again(read, root / "again")
    curves(read)
    learning = read_learning(run)
    assert learning is not None
    for name in read.codes()[0]:
        learning.of(name, "main")
    return read.table, wrong, lacks


def _ledger_again(read: Any, folder: Path) -> None:
    """Written by the function that writes a ledger, and read again."""
    from uptake.artifacts.ledger_files import LEDGER, append, open_stage
    from uptake.ledger import read_ledger

    shutil.rmtree(folder, ignore_errors=True)
    for stage in read.stages:
        own = read.table.filter(pc.equal(read.table["stage"], stage))
        columns = {name: own[name].to_pylist() for name in LEDGER.names}
        columns["row"] = [-1 if row is None else row for row in columns["row"]]
        columns["nll"] = [float("nan") if value is None else value for value in columns["nll"]]
        columns["recalled"] = [bool(value) for value in columns["recalled"]]
        append(open_stage(folder, stage, 0, 0, 1), columns)
    _same(read.table, read_ledger(folder).table, "the ledger")


def resumed(root: Path) -> Any:
    from uptake.artifacts.ledger_files import open_stage

    shutil.rmtree(root / "again", ignore_errors=True)
    shutil.copytree(root / "run" / "ledger", root / "again" / "ledger")
    parts = open_stage(root / "again", "main", 5, 0, 1)
    return [parts.read(number) for number in parts.numbers()]


def learned(root: Path) -> Any:
    from uptake.pipeline.why.learning import read_curves

    return read_curves(root / "run", ["m-1", "m-2", "e-1"], ["early", "main"])


def cartography_seed(root: Path) -> None:
    from uptake.ledger import read_ledger
    from uptake.ledger.cartography import write_cartography

    write_cartography(read_ledger(root / "run"), root)


def cartography(root: Path) -> Any:
    from uptake.ledger.cartography import read_cartography, write_cartography

    read = read_cartography(root)
    if not write_cartography(read, root / "again"):
        columns = ["id", "epoch", "tokens"]
        again = read_cartography(root / "again")
        known = read.table.filter(pc.is_valid(read.table["nll"]))
        _same(known.select(columns), again.table.select(columns), "the training dynamics")
    return read.table


def findings(root: Path) -> Any:
    from uptake.artifacts.tables import DIAGNOSIS, finding_from_row, finding_row
    from uptake.pipeline import read_diagnosis

    diagnosis = read_diagnosis(root / "run")
    read = list(diagnosis)
    table = pa.Table.from_pylist([finding_row(one) for one in read], schema=DIAGNOSIS)
    _same(read, [finding_from_row(row) for row in table.to_pylist()], "the findings")
    assert len(diagnosis) == len(read)
    for one in read[:3]:
        _same(diagnosis[one.id, one.stage], one, "a finding") if _once(one, read) else None
    return {"rows": read, "all": diagnosis.all_learned()}


def _once(one: Any, read: list[Any]) -> bool:
    return sum((other.id, other.stage) == (one.id, one.stage) for other in read) == 1


def diagnosis_page(root: Path) -> Any:
    from uptake.pipeline import read_diagnosis
    from uptake.report.rows import read_rows

    rows = read_rows(read_diagnosis(root / "run"), None, None, [])
    return rows.index, rows.blocks


def compared(root: Path) -> Any:
    from uptake.cli.compared import opened
    from uptake.compare import difference, match

    first, _ = opened(root / "run" / "cured")
    second, _ = opened(root / "run")
    return difference(match(first, second))


def summary(root: Path) -> Any:
    from uptake.pipeline import read_diagnosis

    diagnosis = read_diagnosis(root / "run")
    summary = diagnosis.summary()
    diagnosis.rule()
    _shown(root, summary)
    return summary


def _shown(root: Path, summary: Any) -> None:
    """Everything that tells of a summary: the terminal, the pull request, the gate."""
    from uptake.cli.compared import opened
    from uptake.cli.summary import show
    from uptake.compare import check_limits, unlike
    from uptake.config import load_run
    from uptake.pipeline import read_diagnosis
    from uptake.report import overview
    from uptake.report.markdown import card_section, summary_markdown
    from uptake.report.rows import DiagnosisRows

    show(read_diagnosis(root / "run"))
    rows = DiagnosisRows()
    summary_markdown(summary, rows)
    card_section(summary, rows)
    overview.telling(summary)
    overview.places(summary["by_source"])
    gate = _gate(load_run, root)
    check_limits(opened(root / "run")[1], gate)
    unlike(summary, summary)


_GATES: dict[Path, Any] = {}


def _gate(load_run: Any, root: Path) -> Any:
    if root not in _GATES:
        _GATES[root] = load_run(root / "run.yaml").gate
    return _GATES[root]


def page_seed(root: Path) -> None:
    """The run was made elsewhere; the model that it speaks of lies here."""
    path = root / "run" / "diagnosis" / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["run"]["models"]["tuned"]["name"] = str(root / "run" / "train" / "main")
    path.write_text(json.dumps(summary), encoding="utf-8")


def page(root: Path) -> Any:
    from uptake.report.write import write_card, write_report

    write_report(root / "run")
    write_card(root / "run")
    return (root / "run" / "summary.md").read_text(encoding="utf-8")


def plan(root: Path) -> Any:
    from uptake.prescribe import read_plan
    from uptake.prescribe.files import asked_for, changed, content_of, found_plan, gone, require_rows
    from uptake.report.later import read_plan as shown

    folder = root / "run" / "plan"
    shown(root / "run")
    read, asked = read_plan(folder), asked_for(folder)
    require_rows(folder)
    differs = [path.name for path in (*changed(folder), *gone(folder))]
    found_plan(folder, "x")
    return {"plan": read, "asked": asked, "changed": differs, "content": content_of(folder)}


def cured(root: Path) -> Any:
    from uptake.report.later import read_cured, read_verdict

    return read_cured(root / "run"), read_verdict(root / "run")


def verdict(root: Path) -> Any:
    from uptake.cli.gate import _effect
    from uptake.pipeline import read_diagnosis
    from uptake.report.later import read_verdict

    return read_verdict(root / "run"), _effect(read_diagnosis(root / "run"))


def room(root: Path) -> Any:
    """Whether what lies in `cured/` is of this plan, as `cure` asks before it moves anything."""
    from uptake.pipeline.cure.run import _make_room

    shutil.rmtree(root / "again", ignore_errors=True)
    (root / "again").mkdir()
    shutil.copyfile(root / "run" / "cured" / "cure.json", root / "again" / "cure.json")
    return _make_room(root / "again", "x")


def manifests(root: Path) -> Any:
    from uptake.models.places.settings import LoadSettings
    from uptake.pipeline.prescribe.tuned_model import processes_of
    from uptake.pipeline.train.state import finished_manifest, memory_left
    from uptake.pipeline.why.attributing import require_ledger

    folder = root / "run" / "train" / "main"
    read = finished_manifest(folder)
    former = SimpleNamespace(finished=True, folder=folder, stage="main")
    tuned = SimpleNamespace(folder=folder, name="tuned", settings=LoadSettings)
    return read, processes_of(folder), memory_left(former).files, require_ledger(root / "run", "main", tuned)


def memory(root: Path) -> Any:
    from uptake.models.training.memory import Memory

    memory = Memory.read(root / "run" / "train" / "main" / "memory")
    tables = []
    for name in memory.files:
        tables.append(memory.table(name))
        memory.tensors(name)
    return tables, memory.digest


def arranged_seed(root: Path) -> None:
    from dataclasses import replace

    from uptake.schedule import EpochRows, Resampling, Schedule, Stopping

    def make() -> Any:
        given = _stage()
        schedule = Schedule(sources={"r-0": "a", "r-1": "b"}, resampling=Resampling(), stop=Stopping("gl"), seed=4)
        rows = pa.concat_tables([given.rows] * 2)
        return replace(given, rows=rows, validation=given.rows, schedule=schedule, drawn=EpochRows(6, [[6], [7]]))

    _arranged_for(root, make)


def _stage() -> Any:
    from uptake.models.training.hooks import StageView
    from uptake.models.training.rows import NOT_TRAINED, Row, table

    return StageView(1, "s", 0, table(Row(f"r-{k}", [1, 2, 3 + k], [NOT_TRAINED, 2, 3 + k]) for k in range(4)))


def _arranged_for(root: Path, make: Callable[[], Any]) -> Any:
    from uptake.pipeline.train.arranged import Arrangement, arranged, arranged_digest
    from uptake.processes import ALONE

    work = root / "work" / "s"
    view = arranged(Arrangement(work, "s", "made from this", False, ALONE), _stage(), make, lambda: None)
    return view.rows, view.validation, view.schedule, view.drawn, arranged_digest(work)


def arranged(root: Path) -> Any:
    from uptake.errors import UptakeError

    def never() -> Any:
        raise UptakeError("it is made from something else")

    return _arranged_for(root, never)
