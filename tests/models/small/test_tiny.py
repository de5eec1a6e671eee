"""A small model from scratch: tokenizer, architectures, next-token training, saving."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from uptake.errors import UptakeError
from uptake.models.small.pretrain import PretrainSettings, pretrain
from uptake.models.small.tiny import CHATML, build_model, pretrain_file, read_documents, save, train_tokenizer

TEXTS = [f"Person {i} was born in {('Paris', 'London', 'Rome')[i % 3]}" for i in range(60)]
ARCHITECTURES = (
    "bloom falcon_mamba gemma gemma2 gemma3_text gpt2 gpt_neo gpt_neox llama mamba mistral mixtral olmo2 opt phi phi3 "
    "qwen3 qwen3_moe smollm3"
).split()


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 320)


def small(tokenizer, **config):
    return build_model("llama", tokenizer, 0, **({"hidden_size": 32, "num_attention_heads": 2} | config))


def test_tokenizer_gives_back_any_text(tokenizer):
    # byte-level: characters never seen in training, spaces and control characters survive
    text = "  Zürich 東京\t🙂\n<|unknown|> "
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_tokenizer_adds_nothing_by_itself_and_has_its_special_tokens(tokenizer):
    assert tokenizer("")["input_ids"] == []
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.bos_token) == ("<|endoftext|>", "<|pad|>", None)
    assert tokenizer.eos_token_id != tokenizer.pad_token_id
    assert len(tokenizer) == 320


def test_tokenizer_learns_the_most_frequent_pairs_first():
    # by hand: "ab" occurs 4 times, every other pair at most 3 times, so byte-pair encoding merges it first
    tokenizer = train_tokenizer(["abc abd abe ab"], 259)
    assert tokenizer.convert_ids_to_tokens([258]) == ["ab"]
    assert tokenizer.tokenize("ab") == ["ab"]


def test_tokenizer_is_the_same_in_another_process(tokenizer):
    program = (
        "import json, sys; from uptake.models.small.tiny import train_tokenizer;"
        "sys.stdout.write(train_tokenizer(json.load(sys.stdin), 320).backend_tokenizer.to_str())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env=environment, input=json.dumps(TEXTS), check=True, capture_output=True, encoding="utf-8"
    )
    assert done.stdout == tokenizer.backend_tokenizer.to_str()


def test_chat_tokens_are_there_only_if_the_template_asks_for_them():
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    tokenizer = train_tokenizer(TEXTS, 320, chat_template=CHATML)
    expected = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"
    assert tokenizer.apply_chat_template(turns, tokenize=False) == expected
    assert len(tokenizer("<|im_start|>")["input_ids"]) == 1
    plain = train_tokenizer(TEXTS, 320, chat_template="{{ messages[0]['content'] }}")
    assert "<|im_start|>" not in plain.get_vocab()


@pytest.mark.parametrize(("size", "template", "needed"), [(257, None, 258), (259, CHATML, 260)])
def test_too_small_a_vocabulary_is_an_error_that_names_the_smallest(size, template, needed):
    with pytest.raises(UptakeError, match=f"at least {needed}"):
        train_tokenizer(TEXTS, size, chat_template=template)


@pytest.mark.parametrize("texts", [[], ["", " \n"]])
def test_no_text_is_an_error(texts):
    with pytest.raises(UptakeError, match="no text"):
        train_tokenizer(texts, 320)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_builds_trains_and_comes_back_from_disk(name, tokenizer, tmp_path):
    model = build_model(name, tokenizer, 0, hidden_size=32)
    assert model.config.hidden_size == 32
    assert model.config.num_hidden_layers == 2
    assert model.dtype == torch.float32
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)
    assert (model.config.eos_token_id, model.config.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)

    settings = PretrainSettings(steps=6, batch_size=4, report_every=2, learning_rate=1e-2)
    history = pretrain(model, tokenizer, TEXTS[:4], settings)
    # an untrained model knows nothing: its loss is near that of a uniform guess, ln V
    assert history[0].loss == pytest.approx(math.log(len(tokenizer)), abs=1.5)
    assert history[-1].loss < history[0].loss

    save(model, tokenizer, tmp_path / "model")
    ids = torch.tensor([tokenizer(TEXTS[0])["input_ids"]])
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    with torch.inference_mode():
        torch.testing.assert_close(again(ids).logits, model.eval()(ids).logits, rtol=0, atol=1e-5)


def test_no_weights_are_pickled(tokenizer, tmp_path):
    save(small(tokenizer), tokenizer, tmp_path / "model")
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert "model.safetensors" in names
    assert all(Path(name).suffix in {".json", ".safetensors", ".jinja"} for name in names)
    assert AutoTokenizer.from_pretrained(tmp_path / "model").get_vocab() == tokenizer.get_vocab()


def test_number_of_parameters(tokenizer):
    # by hand, untied Llama: two embeddings, and per layer q, k, v, o, three MLP matrices, two norms; one last norm
    width, inner, layers = 128, 256, 2
    expected = 2 * 320 * width + layers * (4 * width * width + 3 * width * inner + 2 * width) + width
    assert build_model("llama", tokenizer, 0).num_parameters() == expected


def test_same_seed_same_weights_and_the_global_state_is_untouched(tokenizer):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    models = [build_model("llama", tokenizer, seed, hidden_size=32) for seed in (0, 0, 1)]
    for model in models:
        pretrain(model, tokenizer, TEXTS, PretrainSettings(steps=3, batch_size=8))
    assert torch.equal(torch.rand(3), expected)
    first, second, other = (model.lm_head.weight for model in models)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_config_file_replaces_the_defaults(tokenizer, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "gpt2", "n_embd": 24, "n_head": 3, "n_layer": 1, "vocab_size": 9}))
    model = build_model(path, tokenizer, 0)
    assert (model.config.model_type, model.config.n_embd, model.config.n_layer) == ("gpt2", 24, 1)
    assert model.config.n_positions == 1024  # GPT-2's own
    assert model.config.vocab_size == len(tokenizer)
    assert build_model(str(path), tokenizer, 0, num_hidden_layers=2).config.n_layer == 2


def test_common_names_and_the_architectures_own_mean_the_same(tokenizer):
    common = build_model("gpt2", tokenizer, 0, hidden_size=24, num_attention_heads=3, num_hidden_layers=3)
    own = build_model("gpt2", tokenizer, 0, n_embd=24, n_head=3, n_layer=3)
    assert (len(common.transformer.h), common.config.n_embd, common.config.n_head) == (3, 24, 3)
    assert common.config.to_dict() == own.config.to_dict()


def test_config_file_cannot_bring_code(tokenizer, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "evil--code.Model"}}))
    model = build_model(path, tokenizer, 0, hidden_size=32, num_hidden_layers=1, intermediate_size=32)
    assert type(model).__module__.startswith("transformers.models.llama")
    assert not hasattr(model.config, "auto_map")


@pytest.mark.parametrize(
    ("model_type", "config", "message"),
    [
        ("lama", {}, "unknown model_type 'lama'"),
        ("llama", {"hiden_size": 32}, "hidden_size"),
        ("llama", {"vocab_size": 100}, "comes from the tokenizer"),
        ("gpt2", {"n_embd": 30, "n_head": 4}, "cannot build a gpt2 model"),
        ("llama", {"num_attention_heads": 0}, "num_attention_heads"),
        ("t5", {}, "causal language model"),
        ("bert", {}, "not causal"),
    ],
)
def test_impossible_models_are_explained(model_type, config, message, tokenizer):
    with pytest.raises(UptakeError, match=message):
        build_model(model_type, tokenizer, 0, **config)


@pytest.mark.parametrize("content", ["{", "[]", '{"hidden_size": 3}', None])
def test_bad_config_file_is_an_error_that_names_it(content, tokenizer, tmp_path):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UptakeError, match="config.json"):
        build_model(path, tokenizer, 0)


def test_pretrain_file_makes_a_model_that_loads(tmp_path):
    text, out = tmp_path / "text.txt", tmp_path / "deep" / "model"
    text.write_text("\n\n".join(TEXTS))
    settings = PretrainSettings(steps=2, batch_size=4, report_every=1)
    history = pretrain_file(text, out, vocab_size=300, settings=settings, config={"hidden_size": 32})
    assert [report.step for report in history] == [1, 2]
    assert AutoModelForCausalLM.from_pretrained(out).config.vocab_size == len(AutoTokenizer.from_pretrained(out)) == 300
    with pytest.raises(UptakeError, match="exists already"):
        pretrain_file(text, out, vocab_size=300)
    assert [path.name for path in out.parent.iterdir()] == ["model"]


def test_a_failed_save_leaves_nothing(tokenizer, tmp_path, monkeypatch):
    def half(directory):
        (Path(directory) / "half").write_text("")
        raise OSError("disk full")

    model = small(tokenizer)
    monkeypatch.setattr(model, "save_pretrained", half)
    with pytest.raises(OSError, match="disk full"):
        save(model, tokenizer, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_documents_are_the_lines_that_are_not_blank(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("one\r\n\n  two \u2028 still two\n \n".encode())
    assert read_documents(path) == ["one", "two \u2028 still two"]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"\n \n", "no text"), (b"caf\xe9 au lait", "0xe9 at offset 3")]
)
def test_unreadable_text_is_explained(content, message, tmp_path):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UptakeError, match=message):
        read_documents(path)
