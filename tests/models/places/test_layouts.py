"""Adapters and weights as other trainers save them: other classes, grown vocabularies, tied tokens, wrappers.

The expected numbers are those of peft and transformers themselves, on the class that the adapter was made on.
"""

from __future__ import annotations

import json
import shutil
import warnings

import pytest
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from sharp import groups_of, largest_difference, plain, sharp_model, tokenizer_of
from uptake.errors import UptakeError
from uptake.models.places.place import LoadSettings, load_tokenizer, locate
from uptake.models.scoring.lazy import Lazy, resolve
from uptake.models.scoring.rows import Scored
from uptake.models.small.tiny import save
from uptake.models.training.start import Start, load_start

NATS = 1e-4
CPU = LoadSettings(device="cpu")
TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TEXT |= {"num_key_value_heads": 2, "max_position_embeddings": 128}
SIGHT = {"hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32, "depth": 1}


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of()


def sharpened(model, scale=5):
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(scale)
    return model.eval()


def qwen3_5(tokenizer):
    text = {**TEXT, "vocab_size": len(tokenizer), "num_hidden_layers": 4, "head_dim": 8}
    text |= {f"linear_{name}": 8 for name in ("key_head_dim", "value_head_dim")}
    text |= {"linear_num_key_heads": 2, "linear_num_value_heads": 4}
    config = transformers.Qwen3_5Config(text_config=text, vision_config={**SIGHT, "deepstack_visual_indexes": [0]})
    return sharpened(transformers.Qwen3_5ForConditionalGeneration(config), 3)


def qwen2_5_vl(tokenizer):
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    text = {**TEXT, "vocab_size": len(tokenizer), "rope_parameters": rope}
    sight = {**SIGHT, "fullatt_block_indexes": [0]}
    ids = {"image_token_id": 1, "video_token_id": 2, "vision_start_token_id": 3}
    return sharpened(
        transformers.Qwen2_5_VLForConditionalGeneration(
            transformers.Qwen2_5_VLConfig(text_config=text, vision_config=sight, **ids)
        )
    )


def gemma3(tokenizer):
    text = {**TEXT, "vocab_size": len(tokenizer), "head_dim": 8}
    sight = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Gemma3Config(
        text_config=text, vision_config={**sight, "image_size": 28, "patch_size": 14}, mm_tokens_per_image=4
    )
    return sharpened(transformers.Gemma3ForConditionalGeneration(config), 2)


def adapter(model, base, out, targets=("q_proj", "v_proj"), **options):
    """An adapter of random weights on `model`, saved to `out` with `base` as its base."""
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's, about what it saves and what is renamed in transformers
        adapted = get_peft_model(model, LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM", **options))
        with torch.no_grad():
            for name, weight in adapted.named_parameters():
                if weight.requires_grad and "lora_" in name:
                    weight.normal_(0, 0.3)
        adapted.save_pretrained(out)
    path = out / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": str(base)}))
    return adapted.eval()


def renamed(out, change):
    path = out / "adapter_model.safetensors"
    save_file({change(name): weight for name, weight in load_file(path).items()}, path)


def differences(found, model, groups):
    return largest_difference(found.score(groups), [[plain(model, one) for one in group] for group in groups])


# what Qwen's own adapters have for the layers of text alone, as Unsloth writes it
ONLY_TEXT = r"(?:.*?(?:language|text).*?(?:self_attn|mlp).*?(?:q_proj|v_proj).*?)"


@pytest.mark.parametrize("targets", [("q_proj", "v_proj"), ONLY_TEXT], ids=["names", "pattern"])
def test_an_adapter_made_on_the_model_of_text_and_images(targets, tokenizer, tmp_path):
    model = qwen3_5(tokenizer)
    save(model, tokenizer, tmp_path / "base")
    adapted = adapter(model, tmp_path / "base", tmp_path / "lora", targets)
    assert any("language_model.layers" in name for name in load_file(tmp_path / "lora" / "adapter_model.safetensors"))
    found = resolve(str(tmp_path / "lora"), CPU)
    assert "language_model" not in str(found.model)  # the text model alone is loaded
    groups = groups_of(3)
    assert differences(found, adapted, groups) < NATS
    assert differences(resolve(str(tmp_path / "base"), CPU), adapted, groups) > 100 * NATS


def test_weights_for_images_are_noted_and_not_missed(tokenizer, tmp_path):
    model = qwen3_5(tokenizer)
    save(model, tokenizer, tmp_path / "base")
    adapted = adapter(model, tmp_path / "base", tmp_path / "lora", ("q_proj", "qkv"))
    found = resolve(str(tmp_path / "lora"), CPU)
    assert differences(found, adapted, groups_of(2)) < NATS
    (note,) = [note for note in found.notes if "not used" in note]
    assert "2 weights (model.visual.blocks" in note and "for images or sound" in note


def test_what_is_lost_of_such_an_adapter_is_missed(tokenizer, tmp_path):
    model = qwen3_5(tokenizer)
    save(model, tokenizer, tmp_path / "base")
    adapter(model, tmp_path / "base", tmp_path / "lora")
    path = tmp_path / "lora" / "adapter_model.safetensors"
    save_file({name: weight for name, weight in load_file(path).items() if "v_proj" not in name}, path)
    with pytest.raises(UptakeError, match=r"it lacks 2 weights \(.*v_proj"):
        resolve(str(tmp_path / "lora"), CPU)


@pytest.mark.parametrize(
    "change",
    [
        lambda name: name.replace("model.model.layers", "model.model.language_model.layers"),
        lambda name: name.replace("model.model.layers", "model.language_model.model.layers"),
        lambda name: name.replace("base_model.model.", "base_model.model._orig_mod."),
        lambda name: name.replace("base_model.model.", "base_model.model.module."),
        lambda name: name.replace("base_model.model.", ""),
        lambda name: name.replace(".weight", ".default.weight"),
    ],
    ids=["language_model", "older", "compiled", "parallel", "bare", "default"],
)
def test_names_that_other_tools_write(change, tokenizer, tmp_path):
    save(sharp_model("llama", tokenizer), tokenizer, tmp_path / "base")
    saved = {"modules_to_save": ["lm_head"]}
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    adapted = adapter(model, tmp_path / "base", tmp_path / "lora", ("q_proj",), **saved)
    renamed(tmp_path / "lora", lambda name: name if "lm_head" in name else change(name))
    assert differences(resolve(str(tmp_path / "lora"), CPU), adapted, groups_of(2)) < NATS


def test_a_text_adapter_on_a_model_with_names_alike_in_its_eye(tokenizer, tmp_path):
    model = gemma3(tokenizer)
    save(model, tokenizer, tmp_path / "base")
    text = r"model\.language_model\..*\.(q_proj|v_proj)"
    adapted = adapter(model, tmp_path / "base", tmp_path / "lora", text)
    renamed(tmp_path / "lora", lambda name: name.replace("model.language_model.", "model."))
    path = tmp_path / "lora" / "adapter_config.json"  # as if made on the text model, where these names are no others
    path.write_text(json.dumps(json.loads(path.read_text()) | {"target_modules": ["q_proj", "v_proj"]}))
    assert differences(resolve(str(tmp_path / "lora"), CPU), adapted, groups_of(2)) < NATS


def test_a_model_of_text_and_images_without_a_text_class(tokenizer, tmp_path):
    model = qwen2_5_vl(tokenizer)
    save(model, tokenizer, tmp_path / "base")
    groups = groups_of(3)
    assert differences(resolve(str(tmp_path / "base"), CPU), model, groups) < NATS
    adapted = adapter(model, tmp_path / "base", tmp_path / "lora")
    assert differences(resolve(str(tmp_path / "lora"), CPU), adapted, groups) < NATS
    with pytest.raises(UptakeError, match="a model of text and images") as error:
        from uptake.models.training.start import skeleton

        skeleton(Start(str(tmp_path / "base"), CPU))
    assert "uptake diagnose" in (error.value.fix or "")


@pytest.mark.parametrize("wrapper", ["_orig_mod.", "module.", "base_model.model."])
def test_full_weights_that_were_saved_in_their_wrapper(wrapper, tokenizer, tmp_path):
    model = sharp_model("llama", tokenizer)
    save(model, tokenizer, tmp_path / "base")
    path = tmp_path / "base" / "model.safetensors"
    save_file({wrapper + name: weight for name, weight in load_file(path).items()}, path, metadata={"format": "pt"})
    found = resolve(str(tmp_path / "base"), CPU)
    assert found.notes == () and differences(found, model, groups_of(2)) < NATS


def test_what_does_not_go_on_with_a_text(tokenizer, tmp_path):
    save(sharp_model("llama", tokenizer), tokenizer, tmp_path / "base")
    (tmp_path / "base" / "config.json").write_text(json.dumps({"model_type": "t5", "architectures": ["Odd"]}))
    with pytest.raises(UptakeError, match="is a Odd: transformers .* has no class for it"):
        resolve(str(tmp_path / "base"), CPU)


def grown(tokenizer_folder, n=2):
    tokenizer = load_tokenizer(locate(str(tokenizer_folder), CPU), CPU)
    tokenizer.add_tokens([f"<|new {number}|>" for number in range(n)])
    return tokenizer


@pytest.mark.parametrize("rows", ["padded", "shrunk"])
def test_embeddings_of_another_size_than_the_tokenizer_has(rows, tokenizer, tmp_path):
    save(sharp_model("llama", tokenizer), tokenizer, tmp_path / "base")
    more = grown(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    wanted = 64 * (len(more) // 64 + 1) if rows == "padded" else len(tokenizer) - 4
    model.resize_token_embeddings(wanted, mean_resizing=False)
    saved = {"modules_to_save": ["embed_tokens", "lm_head"]}
    adapted = adapter(model, tmp_path / "base", tmp_path / "lora", **saved)
    more.save_pretrained(tmp_path / "lora")
    found = resolve(str(tmp_path / "lora"), CPU)
    assert found.model.get_input_embeddings().weight.shape[0] == wanted
    ids = groups_of(2) if rows == "shrunk" else [[Scored([1, 2, len(more) - 1, 3], 2)]]
    assert differences(found, adapted, ids) < NATS


def test_sizes_that_contradict_each_other_are_named(tokenizer, tmp_path):
    save(sharp_model("llama", tokenizer), tokenizer, tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    adapter(model, tmp_path / "base", tmp_path / "lora", modules_to_save=["embed_tokens", "lm_head"])
    path = tmp_path / "lora" / "adapter_model.safetensors"
    weights = load_file(path)
    name = next(name for name in weights if "lm_head" in name)
    save_file({**weights, name: weights[name][:-8].clone()}, path)
    with pytest.raises(UptakeError) as error:
        resolve(str(tmp_path / "lora"), CPU)
    rows = len(weights[name])
    assert f"[{rows - 8}, 64]" in error.value.problem and f"[{rows}, 64]" in error.value.problem


def test_new_tokens_that_are_trained_alone_under_tied_embeddings(tokenizer, tmp_path):
    save(sharp_model("llama", tokenizer, tie_word_embeddings=True), tokenizer, tmp_path / "base")
    more = grown(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    model.resize_token_embeddings(len(more), mean_resizing=False)
    new = list(range(len(tokenizer), len(more)))
    adapter(model, tmp_path / "base", tmp_path / "lora", trainable_token_indices=new)
    names = load_file(tmp_path / "lora" / "adapter_model.safetensors")
    assert sum("trainable_tokens_delta" in name for name in names) == 2  # peft saves the tied rows twice
    more.save_pretrained(tmp_path / "lora")
    resized = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    resized.resize_token_embeddings(len(more), mean_resizing=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = PeftModel.from_pretrained(resized, str(tmp_path / "lora")).eval()
    ids = [[Scored([1, 2, new[0], 3, new[1]], 2)]]
    assert differences(resolve(str(tmp_path / "lora"), CPU), expected, ids) < NATS


QUANTISED = {"quant_method": "bitsandbytes", "load_in_4bit": True, "_load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}


@pytest.fixture
def quantised(tokenizer, tmp_path, monkeypatch):
    """An adapter whose base is quantised by a method that is not installed, and the base that it was quantised from."""
    from transformers.quantizers import quantizer_bnb_4bit

    monkeypatch.setattr(quantizer_bnb_4bit, "is_bitsandbytes_available", lambda: False)
    save(sharp_model("llama", tokenizer), tokenizer, tmp_path / "base")
    shutil.copytree(tmp_path / "base", tmp_path / "base-4bit")
    path = tmp_path / "base-4bit" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": QUANTISED}))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    adapted = adapter(model, tmp_path / "base-4bit", tmp_path / "lora")
    return tmp_path, adapted


def test_the_base_that_is_given_takes_the_place_of_a_quantised_one(quantised):
    folder, adapted = quantised
    found = Lazy.find(str(folder / "lora"), CPU, base=str(folder / "base"))
    (note,) = found.notes
    assert "base-4bit, whose weights are quantised with bitsandbytes" in note
    assert f"{folder / 'base'} is taken in its place" in note
    assert differences(found.load(), adapted, groups_of(2)) < NATS


@pytest.mark.parametrize("name", ["lora", "base-4bit"])
def test_without_another_base_it_is_refused_before_anything_is_scored(name, quantised):
    folder, _ = quantised
    with pytest.raises(
        UptakeError, match="base-4bit is a model whose weights are quantised with bitsandbytes"
    ) as error:
        Lazy.find(str(folder / name), CPU)
    assert ("base_model_name_or_path" if name == "lora" else "16-bit") in (error.value.fix or "")


def test_training_goes_on_with_what_is_scored(tokenizer, tmp_path):
    """One pair of functions loads for both: an adapter that is trained on gives the numbers that it is scored with."""
    save(sharp_model("llama", tokenizer), tokenizer, tmp_path / "base")
    more = grown(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    model.resize_token_embeddings(64 * (len(more) // 64 + 1), mean_resizing=False)
    adapter(model, tmp_path / "base", tmp_path / "lora", modules_to_save=["embed_tokens", "lm_head"])
    trained = load_start(Start(str(tmp_path / "base"), LoadSettings(), adapter=tmp_path / "lora"), {"use_cache": False})
    assert trained.config.use_cache is False and trained.dtype == torch.float32
    assert any(weight.requires_grad for name, weight in trained.named_parameters() if "lora_A" in name)
    assert trained.peft_config["default"].base_model_name_or_path == str(tmp_path / "base")
    scored = resolve(str(tmp_path / "lora"), CPU).model.state_dict()
    for name, weight in trained.state_dict().items():
        assert torch.equal(weight, scored[name]), name
