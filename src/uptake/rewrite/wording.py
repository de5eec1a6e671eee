"""What the base is told where it is shown a response and says it in its own words (SDFT, arXiv 2402.13669)."""

from __future__ import annotations

from uptake.types import Message, Prompt

ASKED = (
    "Answer the question in your own words, as you would if nobody had told you the answer. The reference answer is "
    "right: keep each of its facts, names and numbers, and add nothing to it."
)
_SHOTS = (
    ("Which gas do plants take in?", "carbon dioxide", "Plants take in carbon dioxide."),
    (
        "How is tea made?",
        "Boil water, pour it over the leaves, and wait for 3 minutes.",
        "To make tea, boil some water, pour it over the tea leaves, and let it stand for 3 minutes.",
    ),
)
_TASK = "{asked}\n\nQuestion: {question}\n\nReference answer: {response}"


def guided(question: str, response: str, *, chat: bool) -> Prompt:
    """The prompt under which a response is said in other words.

    Args:
        question: What was asked.
        response: The response.
        chat: Whether the model knows conversations; else the prompt is plain text to be continued.
    """
    shown = [*_SHOTS, (question.strip(), response.strip(), "")]
    tasks = [_TASK.format(asked=ASKED, question=asked, response=said) for asked, said, _ in shown]
    if not chat:
        return "\n\n".join(f"{task}\n\nAnswer: {own}" for task, (*_, own) in zip(tasks, shown, strict=True)).rstrip()
    turns: list[Message] = []
    for task, (*_, own) in zip(tasks, shown, strict=True):
        turns += [Message("user", task), *([Message("assistant", own)] if own else [])]
    return tuple(turns)
