"""The keys of the run file, each with its meaning and its default. Names follow transformers and TRL."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, field_validator

from uptake.config.exposure import CorpusScan
from uptake.config.rewrite import ResponseRewrite
from uptake.config.secrets import no_secret
from uptake.config.section import Float as Float
from uptake.config.section import Int as Int
from uptake.config.section import Section as Section
from uptake.config.spread import SpreadSection
from uptake.text import shown
from uptake.types import COLUMNS

STAGE_NAME = 100
"""Longest name of a stage: file systems take 255 bytes for a name, and some of it is added."""

_STAGE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

_RESERVED = ("bad_rows.jsonl",)
"""What else lies beside the stages' folders."""

Format = Literal["messages", "prompt_completion", "alpaca", "sharegpt", "text"]


def is_stage_name(name: object) -> bool:
    """Whether a stage may have that name, which is also that of its folder."""
    fits = isinstance(name, str) and len(name) <= STAGE_NAME and re.fullmatch(_STAGE_NAME, name)
    return bool(fits) and str(name).casefold() not in _RESERVED


def _known_columns(columns: dict[str, str]) -> dict[str, str]:
    for name in columns:
        if name not in COLUMNS:
            raise ValueError(f"columns has no {name}; what may be named are {', '.join(COLUMNS)}")
    for name, old in columns.items():
        others = [other for other in columns if columns[other] == old and other != name]
        if others:
            raise ValueError(f"{name} and {others[0]} are both the column {old!r}; each needs one of its own")
    return columns


Training = Annotated[dict[str, Any], AfterValidator(no_secret)]
Columns = Annotated[dict[str, Annotated[str, Field(min_length=1)]], AfterValidator(_known_columns)]


def named_settings(value: Any) -> Any:
    """Names with settings, by name: `[replay, {ewc: {strength: 1}}]`, `replay, ewc` and a mapping say the same."""
    if isinstance(value, str):
        value = [name for part in value.split(",") if (name := part.strip())]
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    named: dict[Any, Any] = {}
    for one in value:
        if isinstance(one, list | tuple):
            raise ValueError("a list stands in the list; expected names, and names with settings: [replay, {lwf: {}}]")
        for name, settings in one.items() if isinstance(one, Mapping) else [(one, {})]:
            if name in named:
                raise ValueError(f"{shown(name)} stands here twice")
            named[name] = {} if settings is None else settings
    return named


Strategies = Annotated[dict[str, dict[str, Any]], BeforeValidator(named_settings)]
"""Continual-learning methods with their settings, in their order."""


def _asked(url: str) -> str:
    """Refuse here what no client can ask: it would be told in the middle of a run."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # its words may repeat a key
        host, port = None, None
    if not host or port == 0 or unicodedata.normalize("NFKC", host) != host:
        raise ValueError("no address of a server; expected http:// or https://, a host, and perhaps a port")
    return url


Url = Annotated[str, Field(pattern=r"^https?://[^@?#\s]+$"), AfterValidator(_asked)]
"""Addresses come into files and messages, so that none may hold a key: not before an `@`, nor in a query."""
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Judge(Section):
    """An OpenAI-compatible server (vLLM, Ollama, ...) that writes wordings and wrong answers, and compares answers."""

    base_url: Url
    """Where the server answers, such as http://localhost:8000/v1; no user name, no `?`: a key goes by api_key_env."""
    model: Annotated[str, Field(min_length=1)]
    """Name of the model as the server knows it."""
    api_key_env: Variable | None = None
    """NAME of the environment variable that holds the key; null for a server that asks for none."""
    timeout: Annotated[Float, Field(gt=0)] = 60.0
    """Seconds to wait for one answer."""
    max_retries: Annotated[Int, Field(ge=0)] = 4
    """How often a request is tried again after a time-out, 429 or 5xx, with growing pauses."""


class WikidataKnowledge(Section):
    """Wikidata, or another server that speaks its API."""

    kind: Literal["wikidata"]
    """Which source it is."""
    base_url: Url = "https://www.wikidata.org"
    """Where the server answers; `/w/api.php` is asked for below it. No `?`: a key goes by api_key_env."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[a-z]+)*$")] = "en"
    """Language of names; the sentences around them are English."""
    requests_per_second: Annotated[Float, Field(gt=0)] = 2.0
    """How often the server is asked at most."""
    timeout: Annotated[Float, Field(gt=0)] = 30.0
    """Seconds to wait for one answer."""
    max_retries: Annotated[Int, Field(ge=0)] = 4
    """How often a request is tried again after a time-out, 429 or 5xx, with growing pauses."""
    api_key_env: Variable | None = None
    """NAME of the environment variable that holds the key; null for a server that asks for none."""
    contact: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")] | None = None
    """Your e-mail address or URL, for the User-Agent: Wikimedia asks for one."""


class SearXNGKnowledge(Section):
    """A SearXNG server: web search. What is searched for leaves this machine."""

    kind: Literal["searxng"]
    """Which source it is."""
    base_url: Url
    """Where the server answers, such as http://localhost:8080, with the format json; a key goes by api_key_env."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]+)*$")] = "en"
    """Language of the results."""
    requests_per_second: Annotated[Float, Field(gt=0)] = 1.0
    """How often the server is asked at most."""
    timeout: Annotated[Float, Field(gt=0)] = 30.0
    """Seconds to wait for one answer."""
    max_retries: Annotated[Int, Field(ge=0)] = 4
    """How often a request is tried again after a time-out, 429 or 5xx, with growing pauses."""
    api_key_env: Variable | None = None
    """NAME of the environment variable that holds the key; null for a server that asks for none."""
    contact: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")] | None = None
    """Your e-mail address or URL, for the User-Agent."""


class LLMKnowledge(Judge):
    """A model on an OpenAI-compatible server that writes what it knows."""

    kind: Literal["llm"]
    """Which source it is."""
    requests_per_second: Annotated[Float, Field(gt=0)] = 5.0
    """How often the server is asked at most."""


Knowledge = Annotated[WikidataKnowledge | SearXNGKnowledge | LLMKnowledge, Field(discriminator="kind")]


class Stage(Section):
    """One fine-tuning run in a sequence."""

    name: Annotated[str, Field(pattern=_STAGE_NAME, max_length=STAGE_NAME)]
    """Name of the stage; also of its folder, so letters, digits, `.`, `_` and `-`."""
    dataset: Annotated[str, Field(min_length=1)]
    """Training examples: a file, a folder, a hub id, or dataset_info.json#name of LLaMA-Factory."""
    columns: Columns | None = None
    """Which column of this stage's data is which, in place of the run's `columns`."""
    num_train_epochs: Annotated[Float, Field(gt=0)] = 3.0
    """Number of passes over the data set; the default is transformers' own."""
    training: Training = Field(default_factory=dict)
    """TRL SFTConfig fields for this stage; they win over the run's `training`."""
    test: Annotated[str, Field(min_length=1)] | None = None
    """What tests this stage in `uptake stream`: a file, a folder or a hub id; null tests by the run's `test_share`."""
    strategy: Strategies | None = None
    """Continual-learning methods that train this stage, in place of the run's; [] is plain fine-tuning."""


class Prescription(Section):
    """What `uptake prescribe` may do."""

    budget: Annotated[Float, Field(ge=1)] = 3.0
    """What a plan may cost: so many times the tokens of the run's own fine-tuning."""
    reading: Literal["within", "before"] = "within"
    """When documents and general text are read: spread within fine-tuning, or before it (continued pre-training)."""
    augmented: Annotated[Float, Field(gt=0, le=1)] = 0.2
    """Share of documents in what is read before fine-tuning or in a repair, by tokens; the rest is general text. Half,
    where the budget is small. Within fine-tuning general text is a tenth of the plan."""
    readings: Annotated[Int, Field(ge=1)] = 6
    """How often a passage that states a response is read at most."""
    documents: Annotated[Int, Field(ge=1)] = 20
    """Documents of an example at most."""
    exposures: Annotated[Int, Field(ge=2)] = 3
    """How many times as often as the others an undertrained example is trained."""
    doubtful: bool = False
    """Whether examples with a possibly wrong label may be trained more often; see `base_conflict` in docs/causes.md."""
    protection: Annotated[Float, Field(ge=0)] = 3.0
    """Learned examples beside each one that is repaired, with `--from tuned`."""
    pilot: bool = True
    """Whether the remedies are tried on a sample first, against plain fine-tuning; each cause gets the better one."""
    plain: bool = True
    """Whether `uptake cure` also trains the run's own fine-tuning with as many tokens, to hold the cure against it."""


Share = Annotated[Float, Field(ge=0, le=1)]


class Limits(Section):
    """Largest shares that `uptake gate` lets pass."""

    max_unlearned: Share | None = None
    """Largest share of the examples that are not learned."""
    max_forgotten: Share | None = None
    """Largest share of the examples that the base was right about and the tuned model is not."""
    max_shallow: Share | None = None
    """Largest share of the learned examples that fail in most held-out wordings."""


class Gate(Limits):
    """What `uptake gate` asks of a run."""

    sources: dict[str, Limits] = Field(default_factory=dict)
    """Limits of single sources, by the source's name."""
    min_effect: Annotated[Float, Field(ge=-1, le=1)] | None = None
    """Smallest effect of the matched remedies against placebo, from the verdict, as a difference of shares."""
    fail_when: Literal["sure", "estimate"] = "sure"
    """A limit fails when the whole interval lies beyond it (sure), or when the rate itself does (estimate)."""
    min_regression: Share = 0.02
    """A regression against a baseline fails from this share of the examples on, if it is significant too."""
    cure: bool = False
    """Whether a cure must keep what the model before it had, and be no worse than plain fine-tuning."""
    level: Annotated[Float, Field(gt=0.5, lt=1)] = 0.95
    """Confidence that holds for all limits together, and for all comparisons with a baseline together."""


class RunConfig(Section):
    """The run file (run.yaml)."""

    _lines: dict[str, str] = PrivateAttr(default_factory=dict)

    def where(self, key: str) -> str:
        """Where a key, or what holds it, stands in the run file, to begin an error with; empty where it does not."""
        parts = key.split(".")
        above = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((self._lines[name] for name in above if name in self._lines), "")

    # what is trained, on what
    model_name_or_path: Annotated[str, Field(min_length=1)]
    """The base model: a path or a hub id."""
    stages: Annotated[tuple[Stage, ...], Field(json_schema_extra={"minItems": 1})]
    """The fine-tuning runs, in the order in which they train."""
    training: Training = Field(default_factory=dict)
    """TRL SFTConfig fields for all stages; a stage's own `training` wins."""
    peft: Training | None = None
    """LoRA settings (peft LoraConfig fields); null trains all weights."""
    strategy: Strategies = Field(default_factory=dict)
    """Continual-learning methods that train the stages, such as [{replay: {share: 0.05}}]; [] is plain fine-tuning."""
    ledger: Literal["off", "training", "epochs"] = "epochs"
    """What is recorded of each example while it trains: nothing, its loss in each step, or also a pass an epoch."""
    corpus: str | None = None
    """Documents to draw background knowledge from: a file, a folder of files, or a hub id."""
    knowledge_sources: tuple[Knowledge, ...] = ()
    """Further sources of background knowledge, each with its `kind`: wikidata, searxng or llm."""
    general: str | None = None
    """General text, for the pre-training mix and for retention."""
    retention: str | None = None
    """Examples that must not get worse."""
    test_share: Annotated[Float, Field(gt=0, lt=1)] | None = None
    """Share of the data of each stage without a `test` that no step trains: `uptake stream` tests the stage by it."""
    test_seed: Annotated[Int, Field(ge=0, lt=2**32)] | None = None
    """Seed by which that share is drawn; null takes `seed`. `uptake stream compare` keeps it in all its runs."""
    paraphrases: str | None = None
    """Other wordings, never trained on: rows of id, prompt, completion."""
    heldout: str | None = None
    """Examples of the same kind that were never trained on: the null that "learned" is measured against."""
    judge: Judge | None = None
    """An OpenAI-compatible server; null does without."""
    gate: Gate = Gate()
    """What `uptake gate` asks of the run."""
    output_dir: Path = Path("runs/uptake")
    """Folder of everything that is written."""
    seed: Annotated[Int, Field(ge=0, lt=2**32)] = 0
    """Seed of every random draw."""

    # how the model is loaded
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the weights; auto is the one they were saved in."""
    device: Annotated[str, Field(min_length=1)] = "auto"
    """Where the model runs (cpu, cuda, cuda:1, mps); auto takes the accelerator if there is one."""
    attn_implementation: str | None = None
    """Attention kernel, named as in transformers (eager, sdpa, ...); null leaves the choice to transformers."""
    backend: Literal["hf", "vllm"] = "hf"
    """What writes answers, samples and drafts: transformers, or vLLM on a GPU. Scores are always transformers'."""
    revision: str | None = None
    """Branch, tag or commit of the base model on the hub."""
    tuned_revision: str | None = None
    """Branch, tag or commit of a fine-tuned model on the hub; where no base is given, `revision` serves too."""
    trust_remote_code: bool = False
    """Run code that comes with a model. Only for a model whose code you have read."""

    # how the data is read
    format: Format | None = None
    """Format of the data; null finds it out, file by file."""
    columns: Columns | None = None
    """Which column of the data is which: uptake's name to yours, as in {prompt: question, completion: answer}."""
    split: Annotated[str, Field(min_length=1)] = "train"
    """Split of data sets on the hub, and of folders whose files are named after splits."""
    chat_template: Path | None = None
    """File with a Jinja chat template; null takes the tokenizer's own."""
    assistant_turns: Literal["last", "all"] = "last"
    """Which assistant turns of a conversation are responses to learn."""
    alpaca_prompt: Literal["messages", "stanford"] = "messages"
    """How alpaca rows become prompts: a user turn as in LLaMA-Factory, or Stanford Alpaca's text template."""
    on_bad_row: Literal["error", "skip"] = "error"
    """Stop at rows that cannot be used, or go on without them; they are reported either way."""
    max_length: Annotated[Int, Field(gt=0)] | None = None
    """Longest example, in tokens; null is what the model takes, and in training 1024 at most, as in TRL."""

    # how an example is judged
    criterion: Literal["auto", "recall", "option", "spans", "paper"] = "auto"
    """What counts as learned; auto: recall up to 32 tokens of response, then spans, or option for own options."""
    response_end: Literal["auto", "include", "ignore"] = "auto"
    """Whether the end of the response must be learned too; auto asks whether training taught it."""
    normalisation: Literal["sum", "token", "byte"] = "sum"
    """How log-probabilities of candidates are compared: as they are, per token, or per byte."""
    option_form: Literal["text", "letter"] = "text"
    """How options are asked for: by their text, or also by letter, averaged over all cyclic permutations."""
    paper_mode: Literal["exact", "sampled"] = "exact"
    """The criterion paper read off the probabilities, or from samples that the model really draws; letters are read."""
    n_samples: Annotated[Int, Field(ge=1)] = 5
    """Samples per example in the criterion paper."""
    n_distractors: Annotated[Int, Field(ge=0)] = 3
    """Wrong candidates sought for an example that brings no options."""
    n_paraphrases: Annotated[Int, Field(ge=0)] = 3
    """Held-out wordings asked of the judge for an example that brings none."""
    embedding_model_name_or_path: str | None = None
    """sentence-transformers model that finds neighbours; null compares the words of the questions."""
    nli_model_name_or_path: str | None = None
    """sentence-transformers cross-encoder that compares answers which rules cannot; null leaves them to the judge."""
    attribution: Literal["evidence", "ilp", "off"] = "evidence"
    """How causes are told: by evidence for each, by the cascade of the paper, or not at all."""
    intervene: Annotated[Int, Field(ge=0)] = 0
    """Unlearned examples that are trained on a little, from the tuned model, to check their causes; 0 does without."""
    thorough: bool = False
    """Train all unlearned examples a little, to see how many exposures each needs, and ask the base in all wordings."""
    batch_tokens: Annotated[Int, Field(gt=0)] | None = None
    """Tokens scored at once: the bound on memory; null finds it out."""

    # what is done about it
    plan: Prescription = Prescription()
    """What a plan of `uptake prescribe` may cost and hold."""
    exposure: CorpusScan | None = None
    """The pre-training corpus that `uptake exposure` reads; null where there is none."""
    rewrite: ResponseRewrite = ResponseRewrite()
    """How responses are said in the base's own words by `uptake rewrite`."""
    spread: SpreadSection | None = None
    """ray: the same work in many processes, on GPUs or machines; null does it in this process."""

    @field_validator("stages")
    @classmethod
    def _some_and_told_apart(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        if not stages:  # not min_length, which would also count the stages that have problems of their own
            raise ValueError("no stage; give at least one, with name and dataset")
        names = [stage.name for stage in stages]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two stages are called {name!r}; each needs a name of its own")
            alike = [other for other in names if other.casefold() == name.casefold() and other != name]
            if alike:
                raise ValueError(f"the stages {name!r} and {alike[0]!r} differ by case alone, as folders may not")
            if name.casefold() in _RESERVED:
                raise ValueError(f"a stage is called {name!r}, as is a file that training writes beside its folder")
        return stages


_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def json_schema() -> dict[str, Any]:
    """The JSON schema of the run file (draft 2020-12), for editors and other tools."""
    schema: dict[str, Any] = _bounded(RunConfig.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _bounded(part: Any) -> Any:
    """Bounds by their names in JSON schema: pydantic leaves its own where a validator runs before a number's."""
    if isinstance(part, dict):
        number = part.get("type") in ("integer", "number")
        return {_BOUNDS.get(name, name) if number else name: _bounded(below) for name, below in part.items()}
    return [_bounded(below) for below in part] if isinstance(part, list) else part
