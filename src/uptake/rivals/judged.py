"""Judges of answers that rules cannot compare: an LLM, or a cross-encoder for natural language inference."""

from __future__ import annotations

from typing import Any, Literal

from uptake.errors import UptakeError
from uptake.models.api import DATA_ONLY, LLM, Answer, NoAnswer, complete_json
from uptake.rivals.equal import Comparison
from uptake.rivals.groups import Judge

INSTRUCTION = (
    f"{DATA_ONLY} `one` and `other` are answers to `question`. Answer `same` when whoever takes one for right must "
    "take the other for right too, if less or more exact; `different` when both cannot be right; `undecided` when "
    "both may be right, or you cannot tell."
)

SURE = 0.8
"""Probability from which on a cross-encoder is believed."""


class _Compared(Answer):
    result: Literal["same", "different", "undecided"]


def llm_judge(llm: LLM) -> Judge:
    """A judge that asks an LLM. An answer that cannot be read leaves the comparison undecided.

    Raises:
        UptakeError: When called: the server cannot be reached or refuses.
    """

    def judge(question: str, one: str, other: str) -> Comparison:
        try:
            asked = {"question": question, "one": one.strip(), "other": other.strip()}
            return complete_json(llm, INSTRUCTION, asked, _Compared).result
        except NoAnswer:
            return "undecided"

    return judge


def nli_judge(name: str, device: str | None = None) -> Judge:
    """A judge that asks a cross-encoder whether the answers entail or contradict each other, in both directions.

    Args:
        name: A sentence-transformers cross-encoder with the labels `entailment` and `contradiction`.
        device: A torch device's name; None chooses.

    Raises:
        UptakeError: There is no such model, or it has other labels.
    """
    from sentence_transformers import CrossEncoder

    try:
        model: Any = CrossEncoder(name, device=device, trust_remote_code=False, model_kwargs={"use_safetensors": True})
        labels = {str(label).casefold(): int(number) for number, label in model.config.id2label.items()}
    except Exception as error:  # whatever a folder that is none raises
        raise UptakeError(
            f"cannot load the cross-encoder {name}: {type(error).__name__}",
            expected="a folder or hub id of a sentence-transformers cross-encoder with safetensors weights",
        ) from error
    if not {"entailment", "contradiction"} <= labels.keys():
        raise UptakeError(
            f"the cross-encoder {name} has the labels {', '.join(labels)}",
            expected="entailment and contradiction among them",
            fix="name a model for natural language inference, such as cross-encoder/nli-deberta-v3-small",
        )

    def judge(question: str, one: str, other: str) -> Comparison:
        texts = [f"{question}: {answer.strip()}" for answer in (one, other)]
        both = model.predict([texts, texts[::-1]], apply_softmax=True, show_progress_bar=False)
        if min(row[labels["entailment"]] for row in both) >= SURE:
            return "same"
        return "different" if min(row[labels["contradiction"]] for row in both) >= SURE else "undecided"

    return judge
