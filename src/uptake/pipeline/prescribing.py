"""`uptake prescribe`: from a diagnosis to a plan on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from uptake.artifacts import chunks, digest, file_digest, locked, read_json, versions
from uptake.config import RunConfig
from uptake.data import LoadOptions, Turn, bad_rows_error, encode, stream
from uptake.errors import UptakeError
from uptake.pipeline.cohort import Progress
from uptake.pipeline.diagnosis import Diagnosis, read_diagnosis
from uptake.pipeline.entities import entities
from uptake.pipeline.gathering import Gather, Gathered, Wanted, from_file
from uptake.pipeline.sources import read_rows
from uptake.pipeline.train_data import file_digests
from uptake.prescribe import (
    FOR_CAUSE,
    Budget,
    Export,
    Material,
    Terms,
    found_plan,
    kind_of,
    plan,
    refuse_changed,
    write_plan,
)
from uptake.probe import question
from uptake.remedies import Options
from uptake.types import BadRow, Document, Example, Finding, Plan

if TYPE_CHECKING:
    pass

PLAN_VERSION = 1
"""Part of the key of a plan: raised when the same input comes to give another one."""

AT_ONCE = 4096
"""Texts that are tokenised at once."""

READING = ("knowledge", "belief")
"""Remedies that read documents."""


@dataclass(frozen=True)
class Prescribed:
    """A plan on disk.

    Attributes:
        folder: Where it lies.
        plan: What it says.
        found: It was there already, made from the very same.
    """

    folder: Path
    plan: Plan
    found: bool


def prescribe_run(
    config: RunConfig,
    *,
    start: Literal["base", "tuned"] = "base",
    unsafe: bool = False,
    world_size: int | None = None,
    gather: Gather | None = None,
    progress: Progress = lambda step, done, total: None,
) -> Prescribed:
    """Draw up the plan of a diagnosed run and write it.

    Args:
        config: The run.
        start: `base`: train everything again. `tuned`: repair the tuned model.
        unsafe: Whether examples may go out.
        world_size: Processes that will train together; None for as many as trained the run.
        gather: Finds documents; None searches `config.corpus`.
        progress: Told after each part of the work.

    Raises:
        UptakeError: There is no diagnosis, it is not of these data, or the input cannot be used; nothing is written.
    """
    diagnosis = read_diagnosis(config.output_dir)
    folder = config.output_dir / "plan"
    with locked(config.output_dir / ".plan"):
        run = _Run(config, diagnosis, start, world_size or _processes(config))
        key = run.key(unsafe)
        if (known := found_plan(folder, key)) is not None:
            return Prescribed(folder, known, True)
        refuse_changed(folder)
        material, findings = run.material(gather, progress)
        drawn = plan(findings, material, run.terms(unsafe), budget=Budget(times=config.plan.budget))
        if not drawn.sft:
            raise UptakeError("the plan trains nothing", fix="look at the diagnosis: was anything not learned?")
        write_plan(folder, drawn, run.export(folder, drawn), key)
        return Prescribed(folder, drawn, False)


def _processes(config: RunConfig) -> int:
    """How many processes trained the last stage."""
    manifest = config.output_dir / "train" / config.stages[-1].name / "manifest.json"
    found: int = read_json(manifest)["processes"] if manifest.exists() else 1
    return found


@dataclass
class _Run:
    """A diagnosed run, as a plan needs it."""

    config: RunConfig
    diagnosis: Diagnosis
    start: Literal["base", "tuned"]
    world_size: int

    def __post_init__(self) -> None:
        from uptake.models.place import LoadSettings
        from uptake.models.train_start import Start, model_config, tokenizer_of
        from uptake.pipeline.train_plan import settings_of

        config = self.config
        self.settings = {stage.name: settings_of(config, stage) for stage in config.stages}
        self.last = self.settings[config.stages[-1].name]
        self.load = LoadSettings(
            dtype=config.dtype,
            attn_implementation=config.attn_implementation,
            revision=config.revision,
            trust_remote_code=config.trust_remote_code,
            chat_template=None if config.chat_template is None else _text(config.chat_template),
        )
        self.place = Start(config.model_name_or_path, self.load).place()
        self.tokenizer = tokenizer_of(self.place, self.load, self.last.get("eos_token"))
        positions = getattr(model_config(self.place, self.load), "max_position_embeddings", None)
        limits = [limit for limit in (self.last["max_length"], positions) if limit]
        self.max_length: int = min(limits) if limits else 1024
        self.tuned = self._tuned()

    @property
    def step(self) -> int:
        """Rows of an optimisation step of the last stage."""
        return _step(self.last) * self.world_size

    def key(self, unsafe: bool) -> str:
        """Identifies all that the plan depends on."""
        config = self.config
        data = {stage.name: file_digests(stage.dataset) for stage in config.stages}
        others = {name: file_digests(one) for name in ("general", "corpus") if (one := getattr(config, name))}
        options = config.model_dump(mode="json", exclude={"output_dir": True, "judge": {"base_url", "api_key_env"}})
        diagnosed = file_digest(self.diagnosis.folder / "diagnosis.parquet")
        chosen = [self.start, unsafe, self.world_size, self.tuned if self.start == "tuned" else None]
        return digest(PLAN_VERSION, options, data, others, diagnosed, chosen, self.load.chat_template, versions())

    def material(self, gather: Gather | None, progress: Progress) -> tuple[Material, list[Finding]]:
        """What the plan is made of, and what is to be mended, worst first."""
        examples = self._examples(progress)
        names = {(example.id, example.stage): name for name, example in zip(_names(examples), examples, strict=True)}
        findings = list(self._findings(names, progress))
        examples = [replace(example, id=names[example.id, example.stage]) for example in examples]
        gathered = self._gathered(findings, examples, gather, progress)
        lengths = self._lengths(examples, progress)
        n = {stage: 0 for stage in self.settings}
        for example in examples:
            n[example.stage] += 1
        passes = {stage: _passes(self.settings[stage], n[stage], self.world_size) for stage in n}
        material = Material(
            examples=examples,
            lengths=lengths,
            passes=passes,
            general=self._general(),
            count=self._count,
            limit=self.max_length,
            documents=gathered.documents,
            missing=gathered.missing,
        )
        return material, findings

    def terms(self, unsafe: bool) -> Terms:
        """How the plan is drawn up."""
        chosen = self.config.plan
        return Terms(
            start=self.start,
            model=self.config.model_name_or_path if self.start == "base" else self.tuned,
            step=self.step,
            augmented=chosen.augmented,
            protection=chosen.protection,
            options=Options(unsafe, chosen.documents, chosen.exposures),
            training=self.last,
            peft=self.config.peft,
            seed=self.config.seed,
        )

    def export(self, folder: Path, drawn: Plan) -> Export:
        """What the trainers' settings are made from."""
        config, lora = self.config, self.config.peft is not None
        adapted = self.start == "tuned" and lora
        template = config.chat_template
        return Export(
            model=_seen(config.model_name_or_path if adapted else drawn.model, folder),
            adapter=_seen(self.tuned, folder) if adapted else None,
            revision=config.revision if self.start == "base" or adapted else None,
            max_length=self.max_length,
            kind=kind_of(drawn.sft),
            eos=self.tokenizer.eos_token or "",
            dtype="float32" if config.dtype == "auto" else config.dtype,
            attn_implementation=config.attn_implementation,
            chat_template=None if template is None else _seen(str(template), folder),
        )

    def _tuned(self) -> str:
        folder = self.config.output_dir / "train" / self.config.stages[-1].name
        if folder.is_dir():
            return str(folder)
        name: str = self.diagnosis.summary()["run"]["models"]["tuned"]["name"]
        return name

    def _examples(self, progress: Progress) -> list[Example]:
        examples: list[Example] = []
        bad: list[BadRow] = []
        progress("examples", 0, None)
        for stage in self.config.stages:
            for some in chunks(read_rows(self.config, stage.dataset, stage.name), AT_ONCE):
                examples += [row for row in some if isinstance(row, Example)]
                bad += [row for row in some if isinstance(row, BadRow)]
                progress("examples", len(examples), None)
        if bad and (self.config.on_bad_row == "error" or not examples):
            raise bad_rows_error(bad, usable=len(examples))
        progress("examples", len(examples), len(examples))
        return examples

    def _findings(self, names: dict[tuple[str, str], str], progress: Progress) -> Iterator[Finding]:
        total = len(self.diagnosis)
        progress("findings", 0, total)
        for number, finding in enumerate(self.diagnosis, start=1):
            name = names.get((finding.id, finding.stage))
            if name is None:
                raise UptakeError(
                    f"the diagnosis tells of {finding.id!r} in the stage {finding.stage}, which the data do not hold",
                    expected="the data that were diagnosed",
                    fix="run `uptake diagnose` again",
                )
            yield replace(finding, id=name, evidence=_needed(finding))
            if number % AT_ONCE == 0 or number == total:
                progress("findings", number, total)

    def _gathered(
        self, findings: Sequence[Finding], examples: Sequence[Example], gather: Gather | None, progress: Progress
    ) -> Gathered:
        if gather is None:
            if self.config.corpus is None:
                return Gathered()
            gather = from_file(self.config.corpus, self.config.plan.documents)
        ids = {one.id for one in findings if not one.learned and FOR_CAUSE.get(one.cause or "") in READING}
        wanted = [
            Wanted(example.id, about, question(example), example.response)
            for example, about in zip(examples, entities(examples), strict=True)
            if example.id in ids
        ]
        progress("documents", 0, len(wanted))
        found = gather(wanted)
        progress("documents", len(wanted), len(wanted))
        return found

    def _lengths(self, examples: Sequence[Example], progress: Progress) -> list[int]:
        lengths: list[int] = []
        progress("tokens", 0, len(examples))
        for some in chunks(examples, AT_ONCE):
            turns = [Turn(e.prompt, e.response, e.template, e.response_extra) for e in some]
            lengths += [min(len(one.ids), self.max_length) for one in encode(turns, self.tokenizer)]
            progress("tokens", len(lengths), len(examples))
        return lengths

    def _count(self, texts: Sequence[str]) -> list[int]:
        found: list[int] = []
        for some in chunks(texts, AT_ONCE):
            found += [min(len(one.ids), self.max_length) for one in encode([Turn("", t) for t in some], self.tokenizer)]
        return found

    def _general(self) -> list[Document]:
        if self.config.general is None:
            return []
        rows = stream(self.config.general, LoadOptions(split=self.config.split))
        return [Document(one.id, _as_text(one), source="general") for one in rows if isinstance(one, Example)]


def _names(examples: Sequence[Example]) -> list[str]:
    """A name for each example that no other has: its id, with the stage behind it where another stage has it too."""
    stages: dict[str, set[str]] = {}
    for example in examples:
        stages.setdefault(example.id, set()).add(example.stage)
    return [one.id if len(stages[one.id]) == 1 else f"{one.id}@{one.stage}" for one in examples]


def _needed(finding: Finding) -> dict[str, Any]:
    """What remedies read of the evidence; all of it would be a gigabyte in a large run."""
    causes = finding.evidence.get("causes", {})
    kept = {name: {"numbers": causes[name]["numbers"]} for name in (finding.cause,) if name in causes}
    if "base_conflict" in causes:
        kept["base_conflict"] = {"numbers": causes["base_conflict"]["numbers"]}
    if "data_conflict" in causes:
        kept["data_conflict"] = {"numbers": causes["data_conflict"]["numbers"]}
    rest = {name: finding.evidence.get(name) for name in ("base_right", "base_answer")}
    return {**rest, "causes": kept}


def _step(settings: dict[str, Any]) -> int:
    """Rows of an optimisation step of one process; 8 and 1 are the trainer's defaults."""
    size: int = settings.get("per_device_train_batch_size", 8) * settings.get("gradient_accumulation_steps", 1)
    return size


def _passes(settings: dict[str, Any], rows: int, world_size: int) -> float:
    """How often a stage trains its examples."""
    steps: int = settings.get("max_steps", -1)
    if steps > 0:
        return steps * _step(settings) * world_size / max(1, rows)
    return float(settings["num_train_epochs"])


def _as_text(example: Example) -> str:
    prompt = example.prompt
    return (
        prompt + example.response
        if isinstance(prompt, str)
        else "\n\n".join([*(turn.content for turn in prompt), example.response])
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UptakeError(f"cannot read {path}: {error}", expected="a Jinja chat template as UTF-8 text") from error


def _seen(name: str, folder: Path) -> str:
    """A model or file as it is named in `folder`; a hub id stays what it is."""
    return Path(os.path.relpath(name, folder)).as_posix() if Path(name).exists() else name
