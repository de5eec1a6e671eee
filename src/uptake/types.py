"""The records that pass between the steps. All are frozen; none knows how it is made.

Units: log-probabilities are in nats, probabilities in [0, 1], lengths in tokens. What is missing is `None`, never 0.0.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from uptake.evidence import Evidence, Origin
from uptake.pilot import Pilot
from uptake.span_evidence import SpanEvidence, TokenReadings

COLUMNS = tuple(
    "prompt completion response messages conversations instruction input output history system text tools "
    "chat_template_kwargs id source options paraphrases".split()
)
"""What a row of training data may hold, by the names that uptake reads."""

_AROUND = " \t\n.,;:!?\"'`()[]{}*_-−–—“”‘’„«»。、"
_SIGN = re.compile(r"[\"'`()\[\]{}*_“”‘’„«»]*([-−–]?)(\.?)(?=\d)")


def normalised(text: str) -> str:
    """What equal answers share: NFKC, case-folded, single spaces, no punctuation at either end but a number's sign."""
    bare = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    number = _SIGN.match(bare)
    return ("-" * bool(number[1]) + number[2] if number else "") + bare.strip(_AROUND)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `extra` holds further keys of the turn, passed to the chat template unread."""

    role: str
    content: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The turn as chat templates take it."""
        return {"role": self.role, "content": self.content, **self.extra}


Key: TypeAlias = tuple[str, str]
"""Id and stage of an example."""

Prompt: TypeAlias = str | tuple[Message, ...]
"""Plain text, or the turns before the response. Plain text and response are joined as they stand, as TRL does."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Another way to ask for the same fact, never trained on, and the response in that wording."""

    prompt: Prompt
    response: str


@dataclass(frozen=True, slots=True)
class Example:
    """One supervised item.

    Attributes:
        id: Stable: the user's, else a hash of the content.
        prompt: What comes before the response; "" when the example is plain text to be modelled.
        response: The text to learn, exactly as it is trained (a leading space is part of it).
        source: Where it came from (the user's `source`, else the file's name).
        stage: The fine-tuning stage that trains it.
        options: The user's candidate answers, written as the response is; empty when there are none.
        paraphrases: Held-out wordings.
        template: Keyword arguments for the chat template (`tools` and such).
        response_extra: Further keys of the assistant turn (`tool_calls`, `reasoning_content`, ...).
        file: Where it was read, as in `BadRow`; what is the same example does not depend on it.
        line: Its place there, as in `BadRow`.
    """

    id: str
    prompt: Prompt
    response: str
    source: str
    stage: str = "main"
    options: tuple[str, ...] = ()
    paraphrases: tuple[Wording, ...] = ()
    template: Mapping[str, Any] = field(default_factory=dict)
    response_extra: Mapping[str, Any] = field(default_factory=dict)
    file: str | None = field(default=None, compare=False, repr=False)
    line: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why; `line` is that of the file, or the row's number, from 1; None: all of it."""

    file: str
    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Document:
    """A text that may hold background knowledge.

    Attributes:
        id: Told apart by it within its source.
        text: What it says.
        title: What it is about; "" when not known.
        source: Who says it: the row's own `source`, else the name of the provider or of the file.
        where: Where it was found: a file and its row, or a URL.
        license: SPDX identifier or URL of its licence; None when not known.
    """

    id: str
    text: str
    title: str = ""
    source: str = ""
    where: str = ""
    license: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A continuation to be scored, and where it came from."""

    text: str
    origin: Origin


WordingKind: TypeAlias = Literal[
    "training",
    "held_out",
    "letters",
    "elsewhere",
    "own",
    "frame",
    "span",
    "span_elsewhere",
    "rivals",
    "told",
    "told_other",
    "other_prompt",
    "alone",
]
"""In which words, or where, an example is asked about.

`training`: as it was trained. `held_out`: in another wording, never trained on. `letters`: with its options as A, B,
C …, one a cyclic permutation; candidate k always stands for option k. `elsewhere`: its response after another example's
prompt. `own`: the base's own answer where it is no candidate. `frame`: what the base's own answer tells and what the
response tells, in the frame of the base's answer (0) and in those of its answers to other examples. `span`: what a
response that is a sentence tells, in its own frame, after its prompt (0) and its held-out wordings; `span_elsewhere`:
that in the frames of other examples' responses, after their prompts. `rivals`: its response and those of its rivals.
`told` and `told_other`: as it was trained, after it, or another example, was told in the context. `other_prompt`: a
long response after another example's prompt, read token by token. `alone`: one of several things that it asks for at
once, and the base's own answer, where that is asked alone.
"""


@dataclass(frozen=True, slots=True)
class WordingName:
    """What tells apart the probes of one example, and their scores.

    Attributes:
        kind: In which words, or where.
        number: Which one of its kind, from 0: of the example's held-out wordings (also for `own`), of the permutations,
            of the other prompts. None where there is but one, and for an own answer in the training wording.
    """

    kind: WordingKind
    number: int | None = None

    def __str__(self) -> str:
        """As in messages and in tables: `held_out:3`."""
        return self.kind if self.number is None else f"{self.kind}:{self.number}"


TRAINING = WordingName("training")
"""The wording that the model was trained on."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A question put to a model about one example: a context and its candidate continuations.

    Attributes:
        example_id: The example asked about.
        wording: In which words it is asked.
        prompt: The context.
        candidates: The continuations; no two are equal after normalisation, unless the user's options are.
        right: Index of the right one in `candidates`.
        template: Keyword arguments for the chat template.
        response_extra: Further keys of the assistant turn of the right candidate.
    """

    example_id: str
    wording: WordingName
    prompt: Prompt
    candidates: tuple[Candidate, ...]
    right: int = 0
    template: Mapping[str, Any] = field(default_factory=dict)
    response_extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """What a model answered to a probe.

    Attributes:
        example_id: The example asked about.
        wording: The probe's wording.
        logprobs: Summed log-probability of each candidate given the context, in nats.
        n_tokens: Number of tokens of each candidate.
        n_bytes: Number of UTF-8 bytes of each candidate.
        right: Index of the right candidate.
        recalled: Every token of the right candidate is the arg-max under teacher forcing: greedy decoding gives it.
        end_logprob: Log-probability (nats) of what training puts after the response (end of text, or the chat
            template's end of turn), given context and response; None when nothing comes after it.
        end_recalled: Each of those tokens is the arg-max; None when there are none.
        tokens: The right candidate token by token; None where it is short, or what a token says cannot be told.
    """

    example_id: str
    wording: WordingName
    logprobs: tuple[float, ...]
    n_tokens: tuple[int, ...]
    n_bytes: tuple[int, ...]
    right: int
    recalled: bool
    end_logprob: float | None = None
    end_recalled: bool | None = None
    tokens: TokenReadings | None = None

    @property
    def logprob(self) -> float:
        """Log-probability of the right candidate, in nats, without what ends it."""
        return self.logprobs[self.right]

    @property
    def p_response(self) -> float:
        """Probability that one sample at temperature 1 begins with the response."""
        return math.exp(self.logprob)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one example: a row of `diagnosis.parquet`.

    Attributes:
        id: The example's id.
        source: The example's source.
        stage: The stage that trained it.
        prompt: The prompt as text.
        response: The response, with its tool calls.
        learned: It is recalled (or preferred, by criterion) in the training wording.
        shallow: Learned, but it fails in most held-out wordings; None when there are no held-out wordings.
        forgotten: Recalled at an earlier checkpoint and lost since; None when no earlier checkpoint is known.
        p_response: Probability of the exact response.
        p_option: Softmax over the candidates of their summed log-probabilities; None with a single candidate.
        evidence: The numbers and words behind it.
        cause: The primary cause; None when learned or not attributed.
        causes: Score in [0, 1] of every cause that was judged.
        scored: The text that is scored as the response, where the chat template makes another one of it; None where
            it is the response.
        spans: What in a long response is right or wrong by itself; None where it was not read by its spans.
        learned_share: Share of the informative spans that are learned; None without any.
    """

    id: str
    source: str
    stage: str
    prompt: str
    response: str
    learned: bool
    shallow: bool | None
    forgotten: bool | None
    p_response: float
    p_option: float | None
    evidence: Evidence
    cause: str | None = None
    causes: Mapping[str, float] = field(default_factory=dict)
    scored: str | None = None
    spans: tuple[SpanEvidence, ...] | None = None
    learned_share: float | None = None

    @property
    def wanted(self) -> str:
        """What the models are asked to give: the text that is scored."""
        return self.response if self.scored is None else self.scored


Action: TypeAlias = Literal["read", "expose", "mix", "apart", "drop"]
"""What an edit does: documents are read in continued pre-training; examples are trained more often; a stage is mixed
into the last one; examples never share an optimisation step; examples go out."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to what is trained, and why.

    Attributes:
        remedy: The remedy that asks for it.
        action: What it does.
        examples: Ids of the examples that it is for.
        why: One sentence.
        safe: False where something of the user's is lost.
        documents: `read`: ids of the documents, the most telling first.
        copies: `expose`: further exposures of each of `examples`.
        others: `apart`: what never shares a step with any of `examples`; `drop`: what goes out.
        stage: `mix`: the stage.
        tokens: What it adds to the training, in tokens; negative where it takes away; None before it is counted.
    """

    remedy: str
    action: Action
    examples: tuple[str, ...]
    why: str
    safe: bool = True
    documents: tuple[str, ...] = ()
    copies: int = 0
    others: tuple[str, ...] = ()
    stage: str | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Unmended:
    """An example that was not learned and that a plan does nothing for.

    Attributes:
        id: The example's id.
        cause: Its cause.
        reason: Why nothing is done, and what would help.
    """

    id: str
    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cost:
    """The tokens of a plan, as its models' tokenizer counts them.

    Attributes:
        plain: What the run's own fine-tuning trained on.
        limit: What the plan may train on.
        sft: Fine-tuning.
        documents: Continued pre-training: documents of the remedies.
        general: Continued pre-training: general text.
    """

    plain: int
    limit: int
    sft: int
    documents: int
    general: int

    @property
    def total(self) -> int:
        """All that the plan trains on."""
        return self.sft + self.documents + self.general


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train, in which order, and why.

    Attributes:
        start: Whether it starts from the base or repairs the tuned model.
        model: That model: a folder or a hub id.
        cpt: The texts that are read, in order, each as often as it is; empty where there are none.
        sft: The rows of fine-tuning, in order: an example stands there as often as it is trained, and a text that is
            read within fine-tuning has an empty prompt.
        step: Rows of an optimisation step; the order of `sft` is planned for it.
        edits: What is changed, and why.
        unmended: What nothing is done for.
        cost: In tokens.
        training: Fields of TRL's `SFTConfig`: those of the run's last stage.
        peft: Its LoRA settings; None trains all weights.
        notes: What the reader should know.
        reading: When the texts are read: `before` fine-tuning, as continued pre-training, or `within` it.
        pilot: What was found when its remedies were tried; None where they were not.
    """

    start: Literal["base", "tuned"]
    model: str
    cpt: tuple[Document, ...]
    sft: tuple[Example, ...]
    step: int
    edits: tuple[Edit, ...]
    unmended: tuple[Unmended, ...]
    cost: Cost
    training: Mapping[str, Any]
    peft: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    reading: Literal["before", "within"] = "before"
    pilot: Pilot | None = None
