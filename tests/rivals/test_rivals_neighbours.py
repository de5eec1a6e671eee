"""The most similar pairs of vectors, against the definition and against sentence-transformers."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.rivals import neighbours
from uptake.rivals.neighbours import similar_pairs


def unit(n: int, seed: int = 0, dims: int = 8) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dims))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_the_best_pairs_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    vectors = unit(100)
    pairs, scores = similar_pairs(vectors, most=50)
    i, j = np.triu_indices(100, 1)
    cosines = (vectors @ vectors.T)[i, j]
    best = np.argsort(-cosines, kind="stable")[:50]
    assert {tuple(pair) for pair in pairs.tolist()} == set(zip(i[best].tolist(), j[best].tolist(), strict=True))
    assert np.allclose(scores, cosines[best], atol=1e-6)
    assert (np.diff(scores) <= 0).all() and (pairs[:, 0] < pairs[:, 1]).all()


@pytest.mark.parametrize(("most", "top_k"), [(300, 5), (5000, 3), (100, 100)])
def test_the_pairs_of_paraphrase_mining(monkeypatch: pytest.MonkeyPatch, most: int, top_k: int) -> None:
    mining = pytest.importorskip("sentence_transformers.util").paraphrase_mining_embeddings
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(neighbours, "BLOCK", 50)
    clusters = np.repeat(unit(30, 1), 10, axis=0) + 0.3 * unit(300, 2)
    vectors = (clusters / np.linalg.norm(clusters, axis=1, keepdims=True)).astype(np.float32)
    theirs = {(i, j) for _, i, j in mining(torch.from_numpy(vectors), max_pairs=most, top_k=top_k)}
    ours = {tuple(pair) for pair in similar_pairs(vectors, most=most, top_k=top_k)[0].tolist()}
    assert len(ours & theirs) >= 0.99 * len(theirs)
    assert len(ours) == len(theirs)


def test_cells_lose_few_of_the_best_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against all products: 3,000 texts in clusters of ten, of which three in four best pairs lie within one."""
    clusters = np.repeat(unit(300, 3, dims=32), 10, axis=0) + 0.4 * unit(3000, 4, dims=32)
    vectors = (clusters / np.linalg.norm(clusters, axis=1, keepdims=True)).astype(np.float32)
    exact = {tuple(pair) for pair in similar_pairs(vectors, most=10_000)[0].tolist()}
    looked_at = []
    monkeypatch.setattr(neighbours, "EXACT", 100)
    monkeypatch.setattr(neighbours, "PROBES", 4)
    keep = neighbours._Kept.add
    monkeypatch.setattr(neighbours._Kept, "add", lambda kept, p, r, c: (looked_at.append(p.size), keep(kept, p, r, c)))
    pairs, scores = similar_pairs(vectors, most=10_000)
    found = {tuple(pair) for pair in pairs.tolist()}
    assert len(pairs) == len(found) == 10_000
    assert len(found & exact) >= 0.98 * len(exact)
    assert sum(looked_at) < 0.2 * 3000**2
    assert np.allclose(scores, (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(axis=1), atol=1e-5)
    again = similar_pairs(vectors, most=10_000)
    assert (again[0] == pairs).all() and (again[1] == scores).all()


@pytest.mark.parametrize("exact", [50_000, 0])
def test_equal_vectors_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch, exact: int) -> None:
    monkeypatch.setattr(neighbours, "EXACT", exact)
    vectors = np.repeat(unit(1), 1500, axis=0)
    pairs, scores = similar_pairs(vectors, most=1000, top_k=10)
    assert len(pairs) == 1000
    assert np.allclose(scores, 1.0, atol=1e-5)


@pytest.mark.parametrize("exact", [50_000, 0])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_vectors(monkeypatch: pytest.MonkeyPatch, n: int, exact: int) -> None:
    monkeypatch.setattr(neighbours, "EXACT", min(exact, n))
    assert len(similar_pairs(unit(n))[0]) == n // 2


def test_no_pair_below_the_least() -> None:
    pairs, scores = similar_pairs(unit(40), least=0.5)
    assert len(pairs) > 0
    assert scores.min() > 0.5
