"""What the fuzzer calls of what is kept between runs, and of models: parts, rivals, what a judge and the web said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any


def parts(root: Path) -> Any:
    """All that a diagnosis keeps of one cohort: the examples, what the models said, and beyond their own wordings."""
    from uptake.artifacts import Parts
    from uptake.artifacts.tables import EXAMPLES_FILE, OWN_ANSWERS_FILE, SCORES_FILE
    from uptake.pipeline.asking.answers import Answers
    from uptake.pipeline.asking.kept import said_from_row
    from uptake.pipeline.examples.cohort import Cohort

    work = root / "run" / "diagnosis" / "work" / "train"
    examples = list(Cohort("train", Parts(work / "examples", EXAMPLES_FILE), 37, "", 0))
    found: dict[str, Any] = {}
    for folder in sorted(path for path in work.iterdir() if path.is_dir() and path.name != "examples"):
        if folder.name.endswith("_answers"):
            own = Parts(folder, OWN_ANSWERS_FILE)
            found[folder.name] = [own.records(number, said_from_row) for number in own.numbers()]
        else:
            found[folder.name] = list(Answers(Parts(folder, SCORES_FILE), "", beyond="_" in folder.name))
            for score in (score for answer in found[folder.name] for score in answer.scores):
                assert 0 <= score.p_response <= 1
    return examples, found


def lost(root: Path) -> Any:
    from uptake.pipeline import read_diagnosis
    from uptake.report.lost import read_lost

    diagnosis = read_diagnosis(root / "run")
    return read_lost(diagnosis.folder, diagnosis.summary())


def _cohort(root: Path) -> Any:
    from uptake.artifacts import Parts
    from uptake.artifacts.tables import EXAMPLES_FILE
    from uptake.pipeline.examples.cohort import Cohort

    return Cohort("train", Parts(root / "run" / "diagnosis" / "work" / "train" / "examples", EXAMPLES_FILE), 37, "k", 0)


def rivals_seed(root: Path) -> None:
    rivals(root)


def rivals(root: Path) -> Any:
    from uptake.pipeline.why.contradictions import Comparers, find_contradictions, read_groups

    path = root / "work" / "rivals.json"
    read = read_groups(path.parent)
    found = find_contradictions(Comparers(), _cohort(root), None, None, None, path)
    for position in found.of:
        found.rival(position), found.questions(position), found.apart(position)
    return read, found


def judged_seed(root: Path) -> None:
    judged(root)


def judged(root: Path) -> Any:
    from uptake.rivals import remembering
    from uptake.rivals.groups import Doubt

    doubts = [Doubt(f"Where is {k}?", f"in {k}", f"near {k}") for k in range(6)]
    return remembering(lambda some: ["same" for _ in some], "judge", root / "work" / "judged.jsonl")(doubts)


def written_seed(root: Path) -> None:
    from uptake.models.served import LLM
    from uptake.pipeline.examples.writer import open_writer

    writer = open_writer(LLM(base_url="http://127.0.0.1:9", model="m", seed=0), root / "work")
    for k in range(6):
        writer._keep(f"key-{k}", {"value": [[f"Where is {k}?", f" in {k}"]] if k % 2 else [f" near {k}"]})


def written(root: Path) -> Any:
    from uptake.models.served import LLM
    from uptake.pipeline.examples.writer import open_writer, written_wordings

    writer = open_writer(LLM(base_url="http://127.0.0.1:9", model="m", seed=0), root / "work")
    values = writer._read(list(writer.places))
    return values, list(written_wordings(root / "work"))


def today(root: Path) -> Any:
    from uptake.pipeline.examples.today import kept_today

    return kept_today(root / "work")


def notes(root: Path) -> Any:
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


def adapter_seed(root: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(root / "base"), LoraConfig(r=2, target_modules=["q_proj"])
    )
    model.save_pretrained(root / "adapter")


def adapter(root: Path) -> Any:
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


def model(root: Path) -> Any:
    from uptake.models.places.place import fingerprint, load_config, locate
    from uptake.models.places.settings import LoadSettings

    settings = LoadSettings()
    place = locate(str(root / "base"), settings)
    return str(load_config(place.weights, settings).hidden_size), fingerprint(place, settings)


def index(root: Path) -> Any:
    from uptake.corpus.index import _manifest
    from uptake.corpus.search import open_index

    shutil.rmtree(root / "again", ignore_errors=True)
    (root / "again").mkdir()
    shutil.copyfile(root / "run" / "corpus" / "manifest.json", root / "again" / "manifest.json")
    try:
        return _manifest(root / "again")
    finally:
        open_index(root / "run" / "corpus")


def web_seed(root: Path) -> None:
    from uptake.corpus.sources.web import Cache

    Cache(root / "web").put({"pages": [{"title": "T", "text": "x"}]}, "wiki", {"q": "a"})


def web(root: Path) -> Any:
    from uptake.corpus.sources.web import Cache

    return Cache(root / "web").get("wiki", {"q": "a"})
