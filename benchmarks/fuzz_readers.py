"""Every reader of files that a stranger, a broken disk or another program may have changed, as the fuzzer calls it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Reader:
    """Something that reads a file.

    Attributes:
        files: Below the seeds' folder, those that are damaged; patterns.
        read: From that folder to what was read, as plain data.
        prepare: Writes further seeds, by the functions that write them in a run; called once.
        said: What the bytes say by another parser, to be compared with what was read; None where nothing tells.
        told: Bytes that were damaged must be refused, unless what is read is as it was: a checksum stands for them.
        share: Of the inputs of a plain reader; slow ones get fewer.
    """

    files: tuple[str, ...]
    read: Callable[[Path], Any]
    prepare: Callable[[Path], None] | None = None
    said: Callable[[bytes], Any] | None = None
    told: bool = False
    share: float = 1.0


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


def _run_file(root: Path) -> Any:
    from uptake import yaml
    from uptake.config import load_run

    read = load_run(root / "run.yaml")
    again = root / "again.yaml"
    data = json.loads(json.dumps(read.model_dump(exclude_unset=True), default=str))
    again.write_text(yaml.write(data), encoding="utf-8")
    _same(read, load_run(again), "the run file")
    return repr(read)


def _data(root: Path, name: str) -> Any:
    from uptake.artifacts.tables import EXAMPLES, example_from_row, example_row
    from uptake.data import load

    read = load(root / "data" / name, on_bad_row="skip")
    rows = [example_row(one) for one in read.examples]
    table = pa.Table.from_pylist(rows, schema=EXAMPLES)
    _same(read.examples, [example_from_row(row) for row in table.to_pylist()], "the examples")
    return len(read.examples), len(read.bad_rows)


def _named_set(root: Path) -> Any:
    from uptake.data import load

    return [
        len(load(f"{root}/data/dataset_info.json#{name}", on_bad_row="skip").examples) for name in ("homes", "talks")
    ]


def _wordings(root: Path) -> Any:
    from uptake.data.load import stream
    from uptake.data.wordings import with_paraphrases

    return list(with_paraphrases(stream(root / "data" / "main.jsonl"), root / "data" / "paraphrases.jsonl"))


def _corpus(root: Path) -> Any:
    from uptake.corpus.rows import documents
    from uptake.data.files import find_files

    return [list(documents(file)) for file in find_files(str(root / "data" / "corpus.jsonl"), "train")]


def _ledger(root: Path) -> Any:
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
        learning.of(name)
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


def _resumed(root: Path) -> Any:
    from uptake.artifacts.ledger_files import open_stage

    shutil.rmtree(root / "again", ignore_errors=True)
    shutil.copytree(root / "run" / "ledger", root / "again" / "ledger")
    parts = open_stage(root / "again", "main", 5, 0, 1)
    return [parts.read(number) for number in parts.numbers()]


def _learned(root: Path) -> Any:
    from uptake.pipeline.why.learning import read_curves

    return read_curves(root / "run", ["m-1", "m-2", "e-1"], ["early", "main"])


def _cartography_seed(root: Path) -> None:
    from uptake.ledger import read_ledger
    from uptake.ledger.cartography import write_cartography

    write_cartography(read_ledger(root / "run"), root)


def _cartography(root: Path) -> Any:
    from uptake.ledger.cartography import read_cartography, write_cartography

    read = read_cartography(root)
    if not write_cartography(read, root / "again"):
        columns = ["id", "epoch", "tokens"]
        again = read_cartography(root / "again")
        known = read.table.filter(pc.is_valid(read.table["nll"]))
        _same(known.select(columns), again.table.select(columns), "the training dynamics")
    return read.table


def _findings(root: Path) -> Any:
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


def _diagnosis_page(root: Path) -> Any:
    from uptake.pipeline import read_diagnosis
    from uptake.report.rows import read_rows

    rows = read_rows(read_diagnosis(root / "run"), None, None, [])
    return rows.index, rows.blocks


def _compared(root: Path) -> Any:
    from uptake.cli.compared import opened
    from uptake.compare import difference, match

    first, _ = opened(root / "run" / "cured")
    second, _ = opened(root / "run")
    return difference(match(first, second))


def _summary(root: Path) -> Any:
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


def _page_seed(root: Path) -> None:
    """The run was made elsewhere; the model that it speaks of lies here."""
    path = root / "run" / "diagnosis" / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["run"]["models"]["tuned"]["name"] = str(root / "run" / "train" / "main")
    path.write_text(json.dumps(summary), encoding="utf-8")


def _page(root: Path) -> Any:
    from uptake.report.write import write_card, write_report

    write_report(root / "run")
    write_card(root / "run")
    return (root / "run" / "summary.md").read_text(encoding="utf-8")


def _plan(root: Path) -> Any:
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


def _cured(root: Path) -> Any:
    from uptake.report.later import read_cured, read_verdict

    return read_cured(root / "run"), read_verdict(root / "run")


def _verdict(root: Path) -> Any:
    from uptake.cli.gate import _effect
    from uptake.pipeline import read_diagnosis
    from uptake.report.later import read_verdict

    return read_verdict(root / "run"), _effect(read_diagnosis(root / "run"))


def _room(root: Path) -> Any:
    """Whether what lies in `cured/` is of this plan, as `cure` asks before it moves anything."""
    from uptake.pipeline.cure.run import _make_room

    shutil.rmtree(root / "again", ignore_errors=True)
    (root / "again").mkdir()
    shutil.copyfile(root / "run" / "cured" / "cure.json", root / "again" / "cure.json")
    return _make_room(root / "again", "x")


def _manifests(root: Path) -> Any:
    from uptake.models.places.settings import LoadSettings
    from uptake.pipeline.prescribe.tuned_model import processes_of
    from uptake.pipeline.train.state import finished_manifest, memory_left
    from uptake.pipeline.why.attributing import require_ledger

    folder = root / "run" / "train" / "main"
    read = finished_manifest(folder)
    former = SimpleNamespace(finished=True, folder=folder, stage="main")
    tuned = SimpleNamespace(folder=folder, name="tuned", settings=LoadSettings)
    return read, processes_of(folder), memory_left(former).files, require_ledger(root / "run", "main", tuned)


def _memory(root: Path) -> Any:
    from uptake.models.training.memory import Memory

    memory = Memory.read(root / "run" / "train" / "main" / "memory")
    tables = []
    for name in memory.files:
        tables.append(memory.table(name))
        memory.tensors(name)
    return tables, memory.digest


def _parts(root: Path) -> Any:
    from uptake.artifacts import Parts
    from uptake.artifacts.tables import EXAMPLES_FILE, SCORES_FILE
    from uptake.pipeline.asking.answers import Answers
    from uptake.pipeline.examples.cohort import Cohort

    work = root / "run" / "diagnosis" / "work" / "train"
    examples = list(Cohort("train", Parts(work / "examples", EXAMPLES_FILE), 37, "", 0))
    said = [list(Answers(Parts(work / name, SCORES_FILE), "")) for name in ("base", "tuned")]
    for answer in (one for some in said for one in some):
        for score in answer.scores:
            assert 0 <= score.p_response <= 1
    return examples, said


def _lost(root: Path) -> Any:
    from uptake.pipeline import read_diagnosis
    from uptake.report.lost import read_lost

    diagnosis = read_diagnosis(root / "run")
    return read_lost(diagnosis.folder, diagnosis.summary())


def _cohort(root: Path) -> Any:
    from uptake.artifacts import Parts
    from uptake.artifacts.tables import EXAMPLES_FILE
    from uptake.pipeline.examples.cohort import Cohort

    return Cohort("train", Parts(root / "run" / "diagnosis" / "work" / "train" / "examples", EXAMPLES_FILE), 37, "k", 0)


def _rivals_seed(root: Path) -> None:
    _rivals(root)


def _rivals(root: Path) -> Any:
    from uptake.pipeline.why.contradictions import Comparers, find_contradictions, read_groups

    path = root / "work" / "rivals.json"
    read = read_groups(path.parent)
    found = find_contradictions(Comparers(), _cohort(root), None, None, None, path)
    for position in found.of:
        found.rival(position), found.questions(position), found.apart(position)
    return read, found


def _judged_seed(root: Path) -> None:
    _judged(root)


def _judged(root: Path) -> Any:
    from uptake.rivals import remembering
    from uptake.rivals.groups import Doubt

    doubts = [Doubt(f"Where is {k}?", f"in {k}", f"near {k}") for k in range(6)]
    return remembering(lambda some: ["same" for _ in some], "judge", root / "work" / "judged.jsonl")(doubts)


def _written_seed(root: Path) -> None:
    from uptake.models.served import LLM
    from uptake.pipeline.examples.writer import open_writer

    writer = open_writer(LLM(base_url="http://127.0.0.1:9", model="m", seed=0), root / "work")
    for k in range(6):
        writer._keep(f"key-{k}", {"value": [[f"Where is {k}?", f" in {k}"]] if k % 2 else [f" near {k}"]})


def _written(root: Path) -> Any:
    from uptake.models.served import LLM
    from uptake.pipeline.examples.writer import open_writer, written_wordings

    writer = open_writer(LLM(base_url="http://127.0.0.1:9", model="m", seed=0), root / "work")
    values = writer._read(list(writer.places))
    return values, list(written_wordings(root / "work"))


def _today(root: Path) -> Any:
    from uptake.pipeline.examples.today import kept_today

    return kept_today(root / "work")


def _notes(root: Path) -> Any:
    """Keys and notes of parts, as a diagnosis that goes on reads them."""
    from uptake.artifacts import Parts, open_parts
    from uptake.artifacts.tables import EXAMPLES_FILE
    from uptake.pipeline.asking import answers
    from uptake.pipeline.examples.cohort import Cohort

    folder = root / "again" / "train"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / "run" / "diagnosis" / "work" / "train", folder)
    key = answers.digest(answers.SCORING_VERSION, "k", "m", "h", answers.versions())
    (folder / "tuned" / "key.json").write_text(json.dumps(key))
    cohort = Cohort("train", Parts(folder / "examples", EXAMPLES_FILE), 37, "k", 0)
    role, respondent = answers.Role("tuned"), answers.Respondent(None, "m")  # type: ignore[arg-type]
    found = answers.by_part(cohort, role, respondent, "h", lambda *_: [], lambda *_: None)
    open_parts(root / "run" / "diagnosis" / "work" / "retention" / "examples", "", EXAMPLES_FILE)
    return found.notes


def _adapter_seed(root: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(root / "base"), LoraConfig(r=2, target_modules=["q_proj"])
    )
    model.save_pretrained(root / "adapter")


def _adapter(root: Path) -> Any:
    from uptake.errors import UptakeError
    from uptake.models.places.place import locate
    from uptake.models.places.settings import LoadSettings
    from uptake.pipeline.prescribe.tuned_model import require_alike

    found = locate(str(root / "adapter"), LoadSettings())
    try:
        require_alike(None, str(root / "adapter"))
    except UptakeError as error:  # it always refuses, and names the adapter's settings
        return found, error.fix
    return found, None


def _model(root: Path) -> Any:
    from uptake.models.places.place import fingerprint, load_config, locate
    from uptake.models.places.settings import LoadSettings

    settings = LoadSettings()
    place = locate(str(root / "base"), settings)
    return str(load_config(place.weights, settings).hidden_size), fingerprint(place, settings)


def _index(root: Path) -> Any:
    from uptake.corpus.index import _manifest
    from uptake.corpus.search import open_index

    shutil.rmtree(root / "again", ignore_errors=True)
    (root / "again").mkdir()
    shutil.copyfile(root / "run" / "corpus" / "manifest.json", root / "again" / "manifest.json")
    try:
        return _manifest(root / "again")
    finally:
        open_index(root / "run" / "corpus")


def _web_seed(root: Path) -> None:
    from uptake.corpus.sources.web import Cache

    Cache(root / "web").put({"pages": [{"title": "T", "text": "x"}]}, "wiki", {"q": "a"})


def _web(root: Path) -> Any:
    from uptake.corpus.sources.web import Cache

    return Cache(root / "web").get("wiki", {"q": "a"})


def _json_said(data: bytes) -> Any:
    return json.loads(data)


def _rows_said(data: bytes) -> Any:
    return pq.read_table(io.BytesIO(data)).num_rows


def _of(name: str) -> Callable[[Path], Any]:
    return lambda root: _data(root, name)


DATA = (
    "early.jsonl",
    "messages.jsonl",
    "alpaca.json",
    "sharegpt.json",
    "main.csv",
    "general.txt",
    "early.parquet",
    "messages.parquet",
)
WORK = "run/diagnosis/work/train/"
SUMMARY = "run/diagnosis/summary.json"
LATER = (
    "run/verdict/verdict.json", "run/verdict/matrix.parquet", "run/cured/cure.json", "run/cured/diagnosis/summary.json",
)  # fmt: skip
READERS: dict[str, Reader] = {
    "run file": Reader(("run.yaml",), _run_file, share=0.3),
    **{f"data {name}": Reader((f"data/{name}",), _of(name), share=0.5) for name in DATA},
    "dataset_info.json": Reader(("data/dataset_info.json",), _named_set, share=0.5),
    "paraphrases": Reader(("data/paraphrases.jsonl",), _wordings, share=0.3),
    "corpus rows": Reader(("data/corpus.jsonl",), _corpus, share=0.3),
    "ledger": Reader(
        ("run/ledger/main/rank-00000/part-0000[03].parquet", "run/ledger/*/stage.json"), _ledger, told=True,
    ),
    "ledger, resumed": Reader(("run/ledger/main/rank-00000/part-0000[57].parquet",), _resumed, told=True),
    "ledger, curves": Reader(("run/ledger/main/rank-00000/part-00002.parquet",), _learned),
    "cartography": Reader(("training_dynamics/dynamics_epoch_[01].jsonl",), _cartography, _cartography_seed),
    "diagnosis.parquet": Reader(("run/diagnosis/diagnosis.parquet",), _findings, told=True),
    "diagnosis.parquet, page": Reader(("run/diagnosis/diagnosis.parquet",), _diagnosis_page, told=True, share=0.5),
    "diagnosis.parquet, diff": Reader(("run/diagnosis/diagnosis.parquet",), _compared, told=True, share=0.5),
    "summary.json": Reader((SUMMARY,), _summary, said=_json_said),
    "report": Reader(
        (SUMMARY, "run/diagnosis/diagnosis.parquet", *LATER, "run/plan/*.json*", "run/train/*/manifest.json"),
        _page, _page_seed, share=0.1,
    ),
    "plan": Reader(("run/plan/plan.json", "run/plan/sft.jsonl", "run/plan/cpt.jsonl"), _plan),
    "cure and verdict, page": Reader(LATER, _cured),
    "verdict, gate": Reader(("run/verdict/verdict.json",), _verdict),
    "cure.json": Reader(("run/cured/cure.json",), _room, share=0.5),
    "stage manifest": Reader(
        ("run/train/main/manifest.json", "run/train/main/memory/memory.json"), _manifests, share=0.5,
    ),
    "memory": Reader(("run/train/main/memory/*.parquet",), _memory, told=True, share=0.5),
    "examples and scores": Reader((WORK + "[ebt]*[esd]/part-*",), _parts, told=True),
    "retention, lost answers": Reader(("run/diagnosis/work/retention/*/part-*",), _lost, told=True),
    "keys and notes of parts": Reader(
        (WORK + "*/notes.json", "run/diagnosis/work/retention/examples/key.json"), _notes, share=0.2,
    ),
    "rivals.json": Reader(("work/rivals.json",), _rivals, _rivals_seed, share=0.3),
    "judged.jsonl": Reader(("work/judged.jsonl",), _judged, _judged_seed, share=0.3),
    "written.jsonl": Reader(("work/written.jsonl",), _written, _written_seed, share=0.5),
    "today.json": Reader(("work/today.json",), _today, lambda root: _today(root) and None, share=0.2),
    "adapter": Reader(("adapter/adapter_config.json",), _adapter, _adapter_seed, share=0.3),
    "model": Reader(("base/config.json",), _model, share=0.05),
    "corpus index": Reader(("run/corpus/manifest.json",), _index, share=0.1),
    "answers of the web": Reader(("web/*/*.json",), _web, _web_seed, share=0.3),
}  # fmt: skip
