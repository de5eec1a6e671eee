"""Loading: full weights, adapters, and what is refused."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, TaskType, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from sharp import groups_of, largest_difference, plain, sharp_model, tokenizer_of
from uptake.errors import UptakeError
from uptake.models.places import place
from uptake.models.places.place import load_tokenizer, locate
from uptake.models.places.settings import LoadSettings, of_adapters
from uptake.models.scoring.lazy import Lazy, resolve
from uptake.models.scoring.rows import Scored
from uptake.models.small.tiny import CHATML, save
from uptake.pipeline.diagnose.models import Models

NATS = 1e-4
CPU = LoadSettings(device="cpu")


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of()


@pytest.fixture(scope="module")
def stored(tokenizer, tmp_path_factory):
    """A saved model; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("models") / "base"
    save(sharp_model("llama", tokenizer), tokenizer, folder)
    return folder


@pytest.fixture
def folder(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "model")


def adapted_by(model, config):
    """Peft's model around `model`; peft 0.21 asks transformers 5.23 for an attribute by its old name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return get_peft_model(model, config)


def lora(base, out, seed=0, **options):
    """An adapter of random weights on the model in `base`, saved to `out`, and the model with it."""
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type=TaskType.CAUSAL_LM, **options)
    model = adapted_by(AutoModelForCausalLM.from_pretrained(base), config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.normal_(0, 0.5)
    model.save_pretrained(out)
    return model.eval()


def fingerprint(name, settings=CPU):
    return place.fingerprint(locate(str(name), settings), settings)


def scores(name, groups, settings=CPU):
    return resolve(str(name), settings).score(groups)


def references(model, groups):
    return [[plain(model, sequence) for sequence in group] for group in groups]


def test_a_folder_scores_as_the_model_that_was_saved(stored, tokenizer):
    groups = groups_of(4)
    expected = references(sharp_model("llama", tokenizer), groups)
    assert largest_difference(scores(stored, groups), expected) < NATS


def test_lazy_finds_at_once_and_loads_once(stored):
    lazy = Lazy.find(str(stored), CPU)
    assert lazy.max_length == 1024  # what models.tiny builds
    assert lazy.notes == ()
    assert lazy.fingerprint == fingerprint(stored)
    assert lazy.load() is lazy.load()
    lazy.release()
    assert lazy.load().name == str(stored)


def test_dtype(stored):
    groups = groups_of(4)
    wide, half = resolve(str(stored), CPU), resolve(str(stored), LoadSettings("bfloat16", "cpu"))
    assert (wide.model.dtype, half.model.dtype) == (torch.float32, torch.bfloat16)
    assert half.abilities.shares_prefix and half.abilities.splits_head
    found = half.score(groups)
    assert all(np.isfinite(numbers).all() for group in found for numbers in group)
    # 8 bits of mantissa on logits of size 10 to 20 are 0.06 a token; up to 14 tokens here
    assert 0 < largest_difference(found, wide.score(groups)) < 1.0


def test_attention_implementation(stored):
    groups = groups_of(4)
    eager = resolve(str(stored), LoadSettings(device="cpu", attn_implementation="eager"))
    assert eager.model.config._attn_implementation == "eager"
    assert eager.abilities.shares_prefix
    assert largest_difference(eager.score(groups), scores(stored, groups)) < NATS
    with pytest.raises(UptakeError, match="nonesuch") as error:
        resolve(str(stored), LoadSettings(device="cpu", attn_implementation="nonesuch"))
    assert error.value.fix == "leave --attn_implementation out"


def test_sliding_windows_are_read_from_the_configuration(tokenizer, tmp_path):
    save(sharp_model("mistral", tokenizer, sliding_window=8), tokenizer, tmp_path / "mistral")
    save(sharp_model("qwen3", tokenizer), tokenizer, tmp_path / "qwen3")  # has a size, but use_sliding_window is off
    assert resolve(str(tmp_path / "mistral"), CPU).window == 8
    assert resolve(str(tmp_path / "qwen3"), CPU).window is None


def test_where_logits_come_whole_they_bound_the_batch(tokenizer, tmp_path, monkeypatch):
    save(sharp_model("llama4_text", tokenizer), tokenizer, tmp_path / "whole")
    monkeypatch.setattr("uptake.models.scoring.live.WHOLE_LOGITS", 320 * 50)
    assert resolve(str(tmp_path / "whole"), CPU).batch_tokens == 50
    assert resolve(str(tmp_path / "whole"), LoadSettings(device="cpu", batch_tokens=70)).batch_tokens == 70


def test_an_adapter_scores_as_peft_does(stored, tmp_path):
    adapted = lora(stored, tmp_path / "adapter")
    groups = groups_of(4)
    found = scores(tmp_path / "adapter", groups)
    assert largest_difference(found, references(adapted, groups)) < NATS
    assert largest_difference(found, scores(stored, groups)) > 100 * NATS


def test_an_adapter_generates_as_peft_does(stored, tmp_path):
    adapted = lora(stored, tmp_path / "adapter")
    found = resolve(str(tmp_path / "adapter"), CPU).generate([[5, 6, 7]], [5])
    ids = torch.tensor([[5, 6, 7]])
    out = adapted.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False)
    assert [found[0][0]] == [[i for i in out[0, 3:].tolist() if i != 0]]  # 0: the end of text


def test_an_adapter_with_a_grown_tokenizer(stored, tokenizer, tmp_path):
    grown = load_tokenizer(locate(str(stored), CPU), CPU)
    grown.add_tokens(["<|new|>", "<|newer|>"])
    model = AutoModelForCausalLM.from_pretrained(stored)
    model.resize_token_embeddings(len(grown), mean_resizing=False)
    saved = ["embed_tokens", "lm_head"]
    config = LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=saved, task_type=TaskType.CAUSAL_LM)
    adapted = adapted_by(model, config)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                weight.normal_(0, 0.3)
    adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    grown.save_pretrained(tmp_path / "adapter")
    loaded = resolve(str(tmp_path / "adapter"), CPU)
    assert len(loaded.tokenizer) == len(tokenizer) + 2
    assert loaded.abilities.splits_head
    new = loaded.tokenizer.convert_tokens_to_ids("<|new|>")
    groups = [[Scored([1, 2, new, 3], 2), Scored([1, 2, 4, new], 2)]]
    assert largest_difference(loaded.score(groups), references(adapted.eval(), groups)) < NATS


def test_a_grown_tokenizer_without_new_weights_gives_the_same_numbers_every_time(stored, tmp_path):
    lora(stored, tmp_path / "adapter")
    grown = load_tokenizer(locate(str(stored), CPU), CPU)
    grown.add_tokens(["<|new|>"])
    grown.save_pretrained(tmp_path / "adapter")
    groups = groups_of(2)
    torch.manual_seed(1)
    first = scores(tmp_path / "adapter", groups)
    torch.manual_seed(2)
    assert largest_difference(scores(tmp_path / "adapter", groups), first) == 0.0


def test_an_adapter_whose_base_lies_beside_it(stored, tmp_path):
    lora(stored, tmp_path / "adapter")
    shutil.copytree(stored, tmp_path / "adapter" / "base")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "base"}))
    groups = groups_of(2)
    assert largest_difference(scores(tmp_path / "adapter", groups), scores(stored, groups)) > 100 * NATS


@pytest.mark.parametrize("call", [resolve, Lazy.find])
def test_an_adapter_whose_base_is_missing(call, stored, folder, tmp_path):
    lora(folder, tmp_path / "adapter")
    shutil.rmtree(folder)
    with pytest.raises(UptakeError, match="the base of the adapter .*no model folder") as error:
        call(str(tmp_path / "adapter"), CPU)
    assert "adapter_config.json" in (error.value.fix or "")


@pytest.mark.parametrize(
    "content", ["{}", "[]", '{"base_model_name_or_path": null}', "not json", '{"base_model_name_or_path": 5}']
)
def test_an_adapter_that_names_no_base(content, tmp_path):
    (tmp_path / "adapter_config.json").write_text(content)
    (tmp_path / "adapter_model.safetensors").touch()
    with pytest.raises(UptakeError, match="adapter_config.json"):
        Lazy.find(str(tmp_path), CPU)


def test_pickled_weights_are_refused(stored, folder, tmp_path):
    lora(stored, tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    torch.save({}, tmp_path / "adapter" / "adapter_model.bin")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    for name in (tmp_path / "adapter", folder):
        for call in (resolve, Lazy.find):
            with pytest.raises(UptakeError, match=r"no .*safetensors in .*found .*_model.bin") as error:
                call(str(name), CPU)
            assert "pickled" in (error.value.expected or "")


def test_an_adapter_that_learns_prompts_is_refused(stored, tmp_path):
    config = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3)
    model = adapted_by(AutoModelForCausalLM.from_pretrained(stored), config)
    model.save_pretrained(tmp_path / "prompts")
    with pytest.raises(UptakeError, match="learns prompts"):
        resolve(str(tmp_path / "prompts"), CPU)


def test_an_adapter_for_another_base_is_refused(stored, tokenizer, tmp_path):
    lora(stored, tmp_path / "adapter")
    save(sharp_model("llama", tokenizer, hidden_size=32), tokenizer, tmp_path / "other")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": str(tmp_path / "other")}))
    with pytest.raises(UptakeError, match="does not fit its base"):
        resolve(str(tmp_path / "adapter"), CPU)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./nowhere", "there is no model folder ./nowhere"),
        ("a/b/c", "there is no model folder a/b/c"),
        ("nobody/nothing", "there is no folder nobody/nothing, and nobody/nothing cannot be got from the hub"),
        ("not a name!", "there is no folder not a name!, and not a name! cannot be got from the hub"),
    ],
)
def test_a_model_that_is_not_there(name, expected):
    for call in (resolve, Lazy.find):
        with pytest.raises(UptakeError) as error:
            call(name, CPU)
        assert error.value.problem.startswith(expected)
        assert error.value.fix


def test_folders_that_hold_no_model(folder, tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(UptakeError, match="no model folder"):
        Lazy.find(str(tmp_path / "file"), CPU)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UptakeError, match=r"no \*.safetensors in .*found nothing"):
        Lazy.find(str(tmp_path / "empty"), CPU)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UptakeError, match="cannot load the tokenizer"):
        Lazy.find(str(folder), CPU)
    (folder / "config.json").write_text('{"model_type": "nonsense"}')
    with pytest.raises(UptakeError, match="cannot read the configuration"):
        Lazy.find(str(folder), CPU)
    (folder / "config.json").write_text('{"model_type": "bert"')
    with pytest.raises(UptakeError, match="cannot read the configuration"):
        resolve(str(folder), CPU)


def test_weights_that_are_broken(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UptakeError, match="cannot load"):
        resolve(str(folder), CPU)


def test_an_architecture_without_a_language_model(folder):
    path = folder / "config.json"
    path.write_text(json.dumps({"model_type": "vit", "hidden_size": 64}))
    with pytest.raises(UptakeError, match="is a vit: transformers .* has no class for it that goes on with a text"):
        resolve(str(folder), CPU)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("device", "nonsense"),
        ("device", "cuda:99"),
        ("device", "meta"),
        ("device", "hpu"),
        ("dtype", "float99"),
        ("dtype", "int8"),
        ("dtype", "nn"),
    ],
)
def test_a_device_or_dtype_that_is_not_there(field, value, stored):
    for call in (resolve, Lazy.find):
        with pytest.raises(UptakeError, match=f"cannot use {field} '{value}'"):
            call(str(stored), LoadSettings(**{field: value}))


@pytest.mark.parametrize("model_type", ["llama", "own_type"])
@pytest.mark.parametrize("where", ["config.json", "tokenizer_config.json"])
def test_code_that_ships_with_a_model_is_never_run(model_type, where, folder):
    # a class that transformers has is used in its place; for one that it has not, loading ends
    written = folder / "was_run"
    (folder / "modeling.py").write_text(f"open({str(written)!r}, 'w').close()")
    names = {"AutoConfig": "modeling.A", "AutoModelForCausalLM": "modeling.B", "AutoTokenizer": ["modeling.C", None]}
    path = folder / where
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": names, "tokenizer_class": "OwnTokenizer"}))
    config = json.loads((folder / "config.json").read_text()) | {"model_type": model_type}
    (folder / "config.json").write_text(json.dumps(config))
    for call in (resolve, Lazy.find):
        try:
            call(str(folder), CPU)
        except UptakeError as error:
            assert "configuration" in error.problem or "tokenizer" in error.problem
        else:
            assert model_type == "llama"
    assert not written.exists()


def test_a_chat_template_can_be_given(stored):
    assert load_tokenizer(locate(str(stored), CPU), CPU).chat_template is None
    settings = LoadSettings(device="cpu", chat_template=CHATML)
    assert load_tokenizer(locate(str(stored), settings), settings).chat_template == CHATML


def test_the_fingerprint_follows_the_bytes(folder, tmp_path):
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    elsewhere = shutil.copytree(folder, tmp_path / "elsewhere")
    assert fingerprint(elsewhere) == before  # not of the place, nor of when it was written
    (folder / "README.md").write_text("a note")
    assert fingerprint(folder) == before
    assert fingerprint(folder, LoadSettings(device="cpu", batch_tokens=7)) != before  # rounding follows the batches
    auto = torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    assert fingerprint(folder, LoadSettings(device="auto")) == fingerprint(folder, LoadSettings(device=auto.type))
    assert fingerprint(folder, LoadSettings(device="cpu:0")) == before
    assert fingerprint(folder, LoadSettings("bfloat16", "cpu")) != before
    for file in ("model.safetensors", "config.json", "tokenizer.json"):
        path = folder / file
        content = path.read_bytes()
        changed = bytearray(content)
        changed[-2] ^= 1
        path.write_bytes(bytes(changed))
        assert fingerprint(folder) != before
        path.write_bytes(content)
        assert fingerprint(folder) == before


def test_the_fingerprint_of_an_adapter_follows_its_base(folder, tmp_path):
    lora(folder, tmp_path / "adapter")
    before = fingerprint(tmp_path / "adapter")
    path = folder / "model.safetensors"
    changed = bytearray(path.read_bytes())
    changed[-2] ^= 1
    path.write_bytes(bytes(changed))
    assert fingerprint(tmp_path / "adapter") != before


def test_peft_wraps_what_was_loaded(stored, tmp_path):
    lora(stored, tmp_path / "adapter")
    assert isinstance(resolve(str(tmp_path / "adapter"), CPU).model, PeftModel)
    assert not isinstance(resolve(str(stored), CPU).model, PeftModel)


def rewritten(path, change):
    """The file's weights anew: `change` gets each name, and gives its new one or None to drop it."""
    weights = {change(name): weight for name, weight in load_file(path).items()}
    save_file({name: weight for name, weight in weights.items() if name is not None}, path, {"format": "pt"})


def with_config(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("config", [{"tie_word_embeddings": True}, {"tie_word_embeddings": False}])
@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
def test_whole_weights_are_told_to_be_whole(model_type, config, tokenizer, tmp_path):
    save(sharp_model(model_type, tokenizer, **config), tokenizer, tmp_path / "model")
    assert resolve(tmp_path / "model", CPU).notes == ()


def test_missing_weights_are_never_made_up(folder):
    path = folder / "model.safetensors"
    kept = path.read_bytes()
    rewritten(path, lambda name: None if "layers.1.self_attn" in name else name)
    lost = "model.layers.1.self_attn.k_proj.weight"  # by hand: k, o, q, v of one layer; the first by name
    with pytest.raises(UptakeError, match=rf"^4 weights \({lost}, .*, \.\.\.\) that config.json asks for are not in"):
        resolve(folder, CPU)
    path.write_bytes(kept)
    rewritten(path, lambda name: name.replace("model.layers", "module.layers"))
    with pytest.raises(UptakeError, match="in the files fit nowhere"):
        resolve(folder, CPU)


@pytest.mark.parametrize("fields", [{"num_hidden_layers": 3}, {"model_type": "gpt2"}, {"model_type": "bert"}])
def test_a_configuration_of_another_model_is_an_error(fields, folder):
    with_config(folder / "config.json", **fields)
    with pytest.raises(UptakeError, match="that config.json asks for are not in the weights"):
        resolve(folder, CPU)


def test_weights_without_a_place_are_noted(folder):
    with_config(folder / "config.json", num_hidden_layers=1)
    lazy = Lazy.find(str(folder), CPU)
    assert lazy.notes == ()
    (note,) = lazy.load().notes
    assert "9 weights" in note and "are not used" in note  # a llama layer: q k v o, gate up down, two norms
    assert lazy.notes == (note,)


@pytest.mark.parametrize(
    "change",
    [
        lambda name: None if "layers.1" in name else name,
        lambda name: name.replace("self_attn", "attention"),
        lambda name: name.replace("model.layers", "blocks"),
    ],
)
def test_an_adapter_that_is_applied_in_part_or_not_at_all(change, stored, tmp_path):
    lora(stored, tmp_path / "adapter")
    rewritten(tmp_path / "adapter" / "adapter_model.safetensors", change)
    with pytest.raises(UptakeError, match=r"does not fit its base .*; it lacks (4|8) weights \("):
        resolve(tmp_path / "adapter", CPU)


def test_an_adapter_without_the_modules_that_it_was_to_save(stored, tmp_path):
    lora(stored, tmp_path / "adapter", modules_to_save=["lm_head"])
    assert resolve(tmp_path / "adapter", CPU).notes == ()
    rewritten(tmp_path / "adapter" / "adapter_model.safetensors", lambda name: None if "lm_head" in name else name)
    with pytest.raises(UptakeError, match=r"does not fit its base .*: it lacks base_model\.model\.lm_head"):
        resolve(tmp_path / "adapter", CPU)


def test_an_adapter_on_an_adapter_is_an_error(stored, tmp_path, monkeypatch):
    lora(stored, tmp_path / "adapter")
    monkeypatch.chdir(tmp_path / "adapter")
    for base in (tmp_path / "adapter", "."):
        with_config(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path=str(base))
        with pytest.raises(UptakeError, match="is an adapter itself") as error:
            Lazy.find(str(tmp_path / "adapter"), CPU)
        assert "merged" in (error.value.fix or "")


def test_a_given_base_takes_the_place_of_one_that_is_gone(stored, folder, tmp_path):
    adapter = tmp_path / "adapter"
    lora(folder, adapter)
    groups = groups_of(2)
    before, found = scores(adapter, groups), Lazy.find(str(adapter), CPU, base=str(stored))
    assert (found.adapter_base, found.notes) == (str(folder), ())  # the one that it names comes first
    shutil.rmtree(folder)
    lazy = Lazy.find(str(adapter), CPU, base=str(stored))
    (note,) = lazy.notes
    assert str(folder) in note and f"{stored} is taken in its place" in note
    assert lazy.adapter_base == str(stored)
    assert lazy.fingerprint == found.fingerprint  # the same bytes
    assert largest_difference(lazy.load().score(groups), before) == 0.0
    assert lazy.notes == (note,)
    assert resolve(adapter, CPU, base=str(stored)).notes == (note,)
    assert Lazy.find(str(stored), CPU, base="nowhere/at/all").adapter_base is None


def test_the_base_of_an_adapter_is_of_the_revision_that_is_given(stored, folder, tmp_path, monkeypatch):
    adapter, asked = tmp_path / "adapter", []

    def download(name, revision=None, allow_patterns=None):
        asked.append((name, revision))
        return str(folder if revision == "v1" else stored)

    lora(folder, adapter)
    with_config(adapter / "adapter_config.json", base_model_name_or_path="org/base")
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    trained_from = LoadSettings(device="cpu", revision="v1")
    assert locate(str(adapter), of_adapters(trained_from), base="org/base").weights == folder
    assert locate(str(adapter), of_adapters(trained_from), base="org/other").weights == stored  # another's revision
    assert locate(str(adapter), trained_from).weights == stored  # the adapter's own
    found = Models.find(str(adapter), LoadSettings(device="cpu"), base="org/base", base_revision="v1")
    assert found.tuned.place.weights == found.base.place.weights == folder
    assert not found.notes
    assert asked == [("org/base", one) for one in ("v1", None, None, "v1", "v1")]


def test_a_mistyped_folder_is_not_looked_for_on_the_hub(stored, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("the hub was asked"))
    monkeypatch.chdir(stored.parent.parent)
    with pytest.raises(UptakeError, match=f"no model folder {stored.parent.name}/tunedX") as error:
        resolve(f"{stored.parent.name}/tunedX", CPU)
    assert "tunedX is not in it" in (error.value.fix or "")


def test_the_fingerprint_follows_code_only_where_it_is_trusted(folder):
    trusting = LoadSettings(device="cpu", trust_remote_code=True)
    before = fingerprint(folder), fingerprint(folder, trusting)
    assert before[0] != before[1]
    (folder / "modeling.py").write_text("size = 1")
    assert fingerprint(folder) == before[0]
    assert fingerprint(folder, trusting) != before[1]


def test_loading_an_adapter_warns_of_nothing(stored, tmp_path, recwarn):
    lora(stored, tmp_path / "adapter")
    resolve(tmp_path / "adapter", CPU)
    assert [str(one.message) for one in recwarn] == []
