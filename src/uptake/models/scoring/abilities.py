"""What a model can do, found out by trying and not by its name.

A few short rows are run in the fast form and in the plain one and compared. So an architecture that is not known here
gets the fast path if it takes it, and correct numbers in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float

from uptake.models.scoring.answering import generated_logits, next_logits
from uptake.models.scoring.forward import below_head, forward_rows
from uptake.models.scoring.past import Past, keeps_state, past_of
from uptake.models.scoring.rows import InputRow, Scored, plan_row

Company: TypeAlias = Literal["any", "one length", "none"]
"""The contexts of a batch that do not change each other's answers: all, those that need no padding, or none."""

TOLERANCE = 1e-4
"""Largest difference in log-probability (nats) that is rounding, or more where the dtype is coarser than that."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do, as measured.

    Attributes:
        shares_prefix: It takes a 4-D mask and positions, so candidates can share one row.
        splits_head: Its backbone and head can be run apart, so only scored positions meet the vocabulary.
        continues: It goes on from what it keeps of a beginning, so rows can share one that is computed once.
        grows: It does so token by token and after padding as well, so answers are written from what was read.
        company: Which contexts `generate` of transformers may continue in one batch.
        reasons: Why not, in words; empty when it can do all of them.
    """

    shares_prefix: bool
    splits_head: bool
    continues: bool = False
    grows: bool = False
    company: Company = "any"
    reasons: tuple[str, ...] = ()


def _leaking(row: InputRow) -> InputRow:
    """The same row without ends, so that all branches see each other."""
    return replace(row, ends=[len(row)] * len(row))


def _log_probs(
    model: Any, rows: Sequence[InputRow], splits_head: bool, past: Past | None = None
) -> Float[np.ndarray, " n"]:
    scores: Float[np.ndarray, " n"] = forward_rows(model, rows, 0, splits_head, past)[0]
    return scores


def _same_head(model: Any, rows: Sequence[InputRow]) -> bool:
    """Whether hidden states of the backbone, put through the model's head on their own, give the model's logits."""
    whole = _log_probs(model, rows, splits_head=False)
    try:
        split = _log_probs(model, rows, splits_head=True)
    except Exception:  # whatever an unknown architecture does: it then runs whole
        return False
    return _distance(split, whole) <= _rounding(model, whole)


@torch.no_grad()
def splits_head(model: Any) -> bool:
    """Whether the head may be run on some hidden states alone: found out by a few tokens, both ways.

    Args:
        model: A causal language model of transformers, or a PEFT model around one; without dropout.
    """
    known = model.get_input_embeddings().weight.shape[0]
    draws = np.random.default_rng(0).integers(0, known, size=(3, 8)).tolist()
    return _same_head(model, [plan_row([Scored(ids, 4)]) for ids in draws])


def _distance(some: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    """Largest difference in nats; two impossible tokens (minus infinity) do not differ."""
    differ = some != other
    return float(np.abs(some[differ] - other[differ]).max(initial=0.0))


def _rounding(model: Any, numbers: Float[np.ndarray, " n"]) -> float:
    """How far numbers of this size may be apart by rounding alone: a few units in the last place of a logit."""
    size = float(np.abs(numbers[np.isfinite(numbers)]).max(initial=1.0))
    return max(TOLERANCE, 4 * torch.finfo(model.dtype).eps * size)


def probe_abilities(model: Any, vocabulary: int, window: int | None) -> Abilities:
    """Find out what the model can do, by comparing each fast form with its plain forward pass.

    Each comparison has a control: the same rows under a mask that lets branches see each other, and after a beginning
    that is not theirs. A form passes if it differs from plain rows by less than a tenth of what the control does. In
    half precision, where rounding may be more, less than half will do if it can be rounding: a model that does not heed
    the mask differs by all of it.

    Args:
        model: The model.
        vocabulary: Token ids below this are valid.
        window: Largest distance that attention spans, or None when there is no such limit.
    """
    length = max(1, min(7, (window or 10) - 3))
    draws = np.random.default_rng(0).integers(0, vocabulary, size=(3, length + 5)).tolist()
    groups = [[Scored(d[: length + 3], length), Scored(d[:length] + d[length + 3 :], length)] for d in draws]
    alone = [plan_row([sequence]) for group in groups for sequence in group]
    splits_head = _same_head(model, alone)
    reasons = [] if splits_head else ["its head cannot be run apart from its backbone"]
    if keeps_state(model.config):  # it goes through all of a row, which half precision may hide in so few tokens
        why = "its layers keep a state"
    else:
        why = _shares(model, alone, [plan_row(group) for group in groups], splits_head)
    reasons += [f"it takes no 4-D attention mask ({why})"] if why else []
    shares_prefix = not why
    why, grows = _continues(model, draws, splits_head, shares_prefix)
    continues = not why
    reasons += [f"what its rows begin with alike is computed anew for each ({why})"] if why else []
    company: Company = "any" if grows else _company(model, draws)  # answers of one that grows are written otherwise
    if company != "any":
        told = "only prompts of one length are answered" if company == "one length" else "no prompts are answered"
        reasons.append(f"{told} together (others in a batch would change its answers)")
    return Abilities(shares_prefix, splits_head, continues, grows, company, tuple(reasons))


def _shares(model: Any, alone: Sequence[InputRow], together: Sequence[InputRow], splits_head: bool) -> str:
    """Why candidates cannot share a row; empty where they can."""
    plain = _log_probs(model, alone, splits_head)
    try:
        shared = _log_probs(model, together, splits_head)
        leaking = _log_probs(model, [_leaking(row) for row in together], splits_head)
    except Exception as error:  # whatever an architecture does with a mask that it does not know
        return type(error).__name__
    return _off(model, plain, shared, leaking)


def _continues(model: Any, draws: Sequence[list[int]], splits_head: bool, shares_prefix: bool) -> tuple[str, bool]:
    """Why rows cannot go on from a beginning that is computed once, empty where they can; and whether answers can.

    Candidates are tried that share a row and that do not; for answers, the next token after contexts that are padded on
    the left, which is how they are continued. A recurrent state goes through that padding, and is another one then.
    """
    begun = max(1, len(draws[0]) - 8)
    start = begun + 2
    ids = [draws[0][:begun] + own[begun:] for own in draws]
    groups = [[Scored(own[: start + k], start), Scored(own[:start] + own[-2:], start)] for k, own in enumerate(ids, 1)]
    alone = [plan_row([sequence]) for group in groups for sequence in group]
    together = [plan_row(group) for group in groups] if shares_prefix else alone
    last = [group[0].ids for group in groups]
    plain = _log_probs(model, alone, splits_head)
    plain_next = _log_probs(model, [plan_row([Scored(one, len(one) - 1)]) for one in last], splits_head)

    def after(past: Past, rows: Sequence[InputRow]) -> Float[np.ndarray, " n"]:
        return _log_probs(model, [row.after(begun) for row in rows], splits_head, past)

    def next_after(past: Past) -> Float[np.ndarray, " n"]:
        logits = next_logits(model, [one[begun:-1] for one in last], past, splits_head).log_softmax(-1)
        numbers: Float[np.ndarray, " n"] = logits[range(len(last)), [one[-1] for one in last]].cpu().numpy()
        return numbers

    backbone = below_head(model, splits_head)
    try:
        past, other = past_of(backbone, ids[0][:begun]), past_of(backbone, draws[1][-begun:])
        shared = max((after(past, rows) for rows in (alone, together)), key=lambda numbers: _distance(numbers, plain))
        if why := _off(model, plain, shared, after(other, together)):
            return why, False
        if past.recurrent:
            return _forks(model, plain, shared, past, lambda one: after(one, together)), False
    except Exception as error:  # whatever an architecture does with keys and values that it did not just compute
        return type(error).__name__, False
    try:
        return "", not _off(model, plain_next, next_after(past), next_after(other))
    except Exception:  # answers are then written by `generate` of transformers
        return "", False


def _company(model: Any, draws: Sequence[list[int]]) -> Company:
    """Beside which contexts the answers that `generate` of transformers writes are those of each context alone.

    A state goes through padding on the left unless the layers leave it out, before the answer and in it, and what some
    keep of a batch gets mixed up. So a few tokens of answers are looked at. The controls: padding that is taken for
    text, and the rows of others.
    """
    then = draws[0][:2]

    def logits(some: Sequence[list[int]], masked: bool = True) -> Float[np.ndarray, " n"]:
        found = generated_logits(model, some, then, masked=masked).log_softmax(-1)
        numbers: Float[np.ndarray, " n"] = found.flatten().cpu().numpy()
        return numbers

    def same(some: Sequence[list[int]], padded: bool) -> bool:
        alone, together = np.concatenate([logits([one]) for one in some]), logits(some)
        control = logits(some, masked=False) if padded else logits([*some[1:], some[0]])
        return _distance(together, alone) <= min(_rounding(model, alone), 0.1 * _distance(control, alone))

    try:
        if same([own[: max(1, len(own) // k)] for k, own in enumerate(draws, 1)], padded=True):
            return "any"
        return "one length" if same(draws, padded=False) else "none"
    except Exception:  # whatever an architecture does in a batch: it then meets none
        return "none"


def _forks(
    model: Any,
    plain: Float[np.ndarray, " n"],
    shared: Float[np.ndarray, " n"],
    past: Past,
    after: Callable[[Past], Float[np.ndarray, " n"]],
) -> str:
    """Why rows cannot go on from a copy of a recurrent state; empty where they can.

    Of a few tokens a state may tell little: a model that begins anew with it, as the scan of some does, is then off by
    less than a tenth of the control. So it must be rounding, and without the state the numbers must be others.
    """
    off = _distance(shared, plain)
    if off > _rounding(model, plain):
        return f"its numbers are off by {off:.1g} nats"
    for field in ("conv_states", "recurrent_states"):
        if past.holds(field) and np.array_equal(after(past), after(past.blank(field))):
            return f"it does not go on from its {field}"
    return ""


def _off(
    model: Any, plain: Float[np.ndarray, " n"], fast: Float[np.ndarray, " n"], control: Float[np.ndarray, " n"]
) -> str:
    """By how much a fast form is wrong, in words; empty where it is right."""
    off, wrong = _distance(fast, plain), _distance(control, plain)
    half = torch.finfo(model.dtype).bits < 32
    if off <= max(0.1 * wrong, min(0.5 * wrong, _rounding(model, plain)) if half else 0.0):
        return ""
    return f"its numbers are off by {off:.1g} nats"
