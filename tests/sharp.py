"""Small models whose every number depends on the whole context, and the plain way to score with them.

Freshly drawn weights give almost the same distribution after any context: a wrong mask or position would not show.
"""

from __future__ import annotations

import numpy as np
import torch

from uptake.models.scoring.abilities import probe_abilities
from uptake.models.scoring.hf import LanguageModel
from uptake.models.scoring.rows import Scored
from uptake.models.small.tiny import build_model, train_tokenizer

TEXTS = [f"Person {i} was born in {('Paris', 'London', 'Rome')[i % 3]}, {1900 + i}." for i in range(60)]


def tokenizer_of(size=320, **options):
    return train_tokenizer(TEXTS, size, **options)


def sharp_model(model_type, tokenizer, seed=0, scale=5, **config):
    model = build_model(model_type, tokenizer, seed, **({"hidden_size": 64} | config))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(scale)
    return model.eval()


def language_model(model, tokenizer, window=None, batch_tokens=300):
    # 257: of the vocabulary, a byte-level tokenizer has these at least
    return LanguageModel("tiny", model, tokenizer, probe_abilities(model, 257, window), window, batch_tokens)


def plain(model, scored):
    """Reference: log-probability and arg-max flag of each scored token, by a forward pass over this sequence alone."""
    ids, start = scored
    with torch.no_grad():
        logits = model(torch.tensor([ids], device=model.device)).logits[0].float()
    wanted = torch.tensor(ids[start:], device=model.device)[:, None]
    rows = logits[start - 1 : -1]
    logprobs = rows.log_softmax(-1).gather(1, wanted)[:, 0]
    return np.stack([logprobs.cpu().numpy(), (rows.argmax(-1) == wanted[:, 0]).float().cpu().numpy()])


def groups_of(n=12, *, context=(1, 20), response=(1, 7), k=3, seed=1, vocabulary=257):
    """Groups of `k` random continuations of one random context; of some groups, one continuation begins another."""
    rng = np.random.default_rng(seed)
    groups = []
    for number in range(n):
        start = rng.integers(0, vocabulary, size=rng.integers(*context)).tolist()
        ends = [rng.integers(0, vocabulary, size=rng.integers(*response)).tolist() for _ in range(k)]
        if number % 3 == 0 and k > 1:
            ends[1] = ends[0] + ends[1]
        groups.append([Scored(start + end, len(start)) for end in ends])
    return groups


def with_greedy(model, groups, length=4):
    """The same groups, with the greedy continuation of the context as the first: its tokens are the arg-max."""
    changed = []
    for group in groups:
        ids = group[0].ids[: group[0].start]
        with torch.no_grad():
            for _ in range(length):
                ids = [*ids, int(model(torch.tensor([ids], device=model.device)).logits[0, -1].argmax())]
        changed.append([Scored(ids, group[0].start), *group[1:]])
    return changed


def largest_difference(scores, references):
    """Over all sequences: largest difference in summed log-probability, in nats."""
    return max(
        abs(float(one[0].sum(dtype=np.float64) - other[0].sum(dtype=np.float64)))
        for group, expected in zip(scores, references, strict=True)
        for one, other in zip(group, expected, strict=True)
    )


def same_flags(scores, references):
    return all(
        np.array_equal(one[1], other[1])
        for group, expected in zip(scores, references, strict=True)
        for one, other in zip(group, expected, strict=True)
    )
