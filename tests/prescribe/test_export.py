"""Settings for trainers: TRL reads its own, the others are held against their schemas' keys."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from patients import documents, examples, finding, material

from uptake.prescribe import Export, Terms, notes_of_trainers, plan, write_plan
from uptake.types import Message, Plan

SOME = examples()
LORA = {"r": 4, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"]}
TRAINING = {
    "learning_rate": 1e-3,
    "per_device_train_batch_size": 4,
    "warmup_steps": 0.25,
    "lr_scheduler_type": "constant",
}

# fields of llamafactory 0.9.5: hparams/{model,data,finetuning,training}_args.py, and transformers' TrainingArguments
LLAMAFACTORY = {
    "adapter_name_or_path", "additional_target", "average_tokens_across_devices", "cutoff_len", "dataset",
    "dataset_dir", "disable_shuffling", "do_train", "finetuning_type", "gradient_accumulation_steps",
    "label_smoothing_factor", "learning_rate", "lora_alpha", "lora_dropout", "lora_rank", "lora_target",
    "lr_scheduler_type", "mask_history", "max_grad_norm", "model_name_or_path", "model_revision", "neftune_noise_alpha",
    "num_train_epochs", "output_dir", "packing", "per_device_train_batch_size", "pissa_init", "pissa_iter", "report_to",
    "seed", "stage", "template", "train_on_prompt", "use_dora", "use_rslora", "warmup_steps", "weight_decay",
}  # fmt: skip

# fields of AxolotlInputConfig in axolotl 0.19: utils/schemas/{config,training,peft,model,datasets}.py
AXOLOTL = {
    "adapter", "base_model", "bf16", "curriculum_sampling", "dataset_exact_deduplication", "dataset_prepared_path",
    "datasets", "excess_length_strategy", "gradient_accumulation_steps", "learning_rate", "lora_alpha", "lora_dropout",
    "lora_model_dir", "lora_modules_to_save", "lora_r", "lora_target_linear", "lora_target_modules", "lr_scheduler",
    "max_grad_norm", "micro_batch_size", "neftune_noise_alpha", "num_epochs", "optimizer", "output_dir",
    "peft_init_lora_weights", "peft_layers_to_transform", "peft_use_dora", "peft_use_rslora", "revision_of_model",
    "sample_packing", "seed", "sequence_len", "shuffle_merged_datasets", "special_tokens", "train_on_inputs",
    "warmup_steps", "weight_decay",
}  # fmt: skip


def drawn(**more: Any) -> Plan:
    found = {one.id: documents(one) for one in SOME[4:8]}
    terms = Terms(
        step=4,
        model="./base",
        training={**TRAINING, "max_steps": 7, "packing": True},
        seed=3,
        **{"reading": "before", **more},
    )
    return plan([finding(SOME[4], "knowledge_gap")], material(SOME, found), terms)


def exported(folder: Path, made: Plan, **more: Any) -> dict[str, dict[str, Any]]:
    given: dict[str, Any] = {"model": "../../base", "max_length": 64, "kind": "plain", "eos": "</s>", **more}
    write_plan(folder, made, Export(**given), "key")
    return {
        path.relative_to(folder).as_posix(): yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*/*.yaml"))
    }


def as_chat(made: Plan) -> Plan:
    turns = tuple(dataclasses.replace(one, prompt=(Message("user", str(one.prompt)),)) for one in made.sft)
    return dataclasses.replace(made, sft=turns)


@pytest.mark.parametrize("peft", [None, LORA, {"target_modules": "all-linear"}])
def test_trl_reads_its_settings(tmp_path: Path, peft: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, SFTConfig, TrlParser

    exported(tmp_path / "plan", drawn(peft=peft))
    monkeypatch.chdir(tmp_path / "plan")
    for phase in ("cpt", "sft"):
        # as in trl/scripts/sft.py; a machine without an accelerator says so on the command line
        parser = TrlParser((ScriptArguments, SFTConfig, ModelConfig, DatasetMixtureConfig))
        args = ["--config", f"trl/{phase}.yaml", "--use_cpu", "true", "--bf16", "false", "--output_dir", str(tmp_path)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TRL's own, about what it renamed
            _, training, model, data = parser.parse_args_and_config(args)
        assert training.train_sampling_strategy == "sequential"
        assert (training.packing, training.shuffle_dataset, training.num_train_epochs) == (False, False, 1)
        assert (training.max_steps, training.learning_rate, training.max_length) == (-1, 1e-3, 64)
        assert training.completion_only_loss is (True if phase == "sft" else None)
        assert [(one.path, one.data_files, one.split) for one in data.datasets] == [("json", f"{phase}.jsonl", "train")]
        assert model.use_peft is (peft is not None)
        if peft is not None:
            assert model.lora_r == peft.get("r", 8)
            assert model.lora_target_modules == peft["target_modules"]
        assert model.dtype == "float32"


@pytest.mark.parametrize("kind", ["plain", "text", "chat"])
@pytest.mark.parametrize("peft", [None, LORA])
def test_the_others_get_only_keys_that_they_know(tmp_path: Path, kind: str, peft: dict[str, Any] | None) -> None:
    made = drawn(peft=peft)
    made = as_chat(made) if kind == "chat" else made
    found = exported(tmp_path / "plan", made, kind=kind, revision="main")
    for phase in ("cpt", "sft"):
        assert set(found[f"llamafactory/{phase}.yaml"]) <= LLAMAFACTORY
        assert set(found[f"axolotl/{phase}.yaml"]) <= AXOLOTL
        assert found[f"llamafactory/{phase}.yaml"]["disable_shuffling"] is True
        assert found[f"llamafactory/{phase}.yaml"]["packing"] is False
        assert found[f"axolotl/{phase}.yaml"]["curriculum_sampling"] is True
        assert found[f"axolotl/{phase}.yaml"]["sample_packing"] is False
    info = json.loads((tmp_path / "plan/llamafactory/dataset_info.json").read_text(encoding="utf-8"))
    for name, told in info.items():
        file = tmp_path / "plan" / "llamafactory" / told["file_name"]
        row = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
        assert set(told["columns"].values()) <= set(row), name


FURTHER = {
    "use_rslora": True, "use_dora": True, "bias": "lora_only", "rank_pattern": {"v_proj": 2}, "layers_to_transform": 1,
    "init_lora_weights": "pissa_niter_4",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["plain", "chat"])
def test_what_changes_the_training_is_said_or_told(tmp_path: Path, kind: str) -> None:
    more = {"neftune_noise_alpha": 5, "label_smoothing_factor": 0.1, "truncation_mode": "keep_end", "eos_token": "<e>"}
    made = drawn(peft=LORA | FURTHER)
    made = dataclasses.replace(made, training={**made.training, **more, "completion_only_loss": False})
    made = as_chat(made) if kind == "chat" else made
    found = exported(tmp_path / "plan", made, kind=kind)
    trl, factory, axolotl = (found[f"{name}/sft.yaml"] for name in ("trl", "llamafactory", "axolotl"))
    assert set(factory) <= LLAMAFACTORY and set(axolotl) <= AXOLOTL
    assert {name: trl[name] for name in more} == more and trl["completion_only_loss"] is False
    assert trl["use_rslora"] is trl["use_dora"] is True
    assert (factory["train_on_prompt"], "mask_history" in factory) == (True, False)
    assert (factory["neftune_noise_alpha"], factory["label_smoothing_factor"]) == (5, 0.1)
    assert (factory["use_rslora"], factory["use_dora"], factory["pissa_init"], factory["pissa_iter"]) == (
        True, True, True, 4,
    )  # fmt: skip
    assert axolotl["train_on_inputs"] is (kind == "plain")
    assert axolotl["neftune_noise_alpha"] == 5 and axolotl["special_tokens"] == {"eos_token": "<e>"}
    assert axolotl["peft_use_rslora"] is axolotl["peft_use_dora"] is True
    assert (axolotl["peft_layers_to_transform"], axolotl["peft_init_lora_weights"]) == ([1], "pissa_niter_4")
    without = {
        "trl": ["peft.bias", "peft.rank_pattern", "peft.layers_to_transform", "peft.init_lora_weights"],
        "llamafactory": ["eos_token", "truncation_mode", "peft.bias", "peft.rank_pattern", "peft.layers_to_transform"],
        "axolotl": ["completion_only_loss"] * (kind == "chat")
        + ["label_smoothing_factor", "truncation_mode", "peft.bias", "peft.rank_pattern"],
    }
    notes = notes_of_trainers(made, Export(model="m", max_length=64, kind=kind, eos="</s>"))  # type: ignore[arg-type]
    for (name, settings), note in zip(without.items(), notes, strict=True):
        assert f"none for {', '.join(settings)}; `uptake cure` trains" in note
        lines = (tmp_path / "plan" / name / "sft.yaml").read_text(encoding="utf-8").splitlines()
        assert [line.partition(":")[0] for line in lines[2:] if line.startswith("#")] == [f"#   {s}" for s in settings]


def test_nothing_is_told_of_what_every_trainer_has() -> None:
    idle = {"bias": "none", "init_lora_weights": True, "rank_pattern": {}, "task_type": "CAUSAL_LM", "use_dora": False}
    made = drawn(peft=LORA | idle)
    assert not notes_of_trainers(made, Export(model="m", max_length=64, kind="plain", eos="</s>"))


def test_warm_up_is_in_steps_where_fractions_are_not_known(tmp_path: Path) -> None:
    made = drawn()
    found = exported(tmp_path / "plan", made)
    steps = -(-len(made.sft) // 4)
    assert found["llamafactory/sft.yaml"]["warmup_steps"] == found["axolotl/sft.yaml"]["warmup_steps"] == -(-steps // 4)
    assert found["trl/sft.yaml"]["warmup_steps"] == 0.25


def test_fine_tuning_goes_on_from_the_pre_trained_model(tmp_path: Path) -> None:
    found = exported(tmp_path / "plan", drawn())
    assert found["trl/cpt.yaml"]["model_name_or_path"] == "../../base"
    assert found["trl/sft.yaml"]["model_name_or_path"] == found["trl/cpt.yaml"]["output_dir"]
    assert found["llamafactory/sft.yaml"]["model_name_or_path"] == found["llamafactory/cpt.yaml"]["output_dir"]
    assert found["axolotl/sft.yaml"]["base_model"] == found["axolotl/cpt.yaml"]["output_dir"]


def test_adapters_are_gone_on_with(tmp_path: Path) -> None:
    found = exported(tmp_path / "plan", drawn(peft=LORA), adapter="../train/main")
    assert found["llamafactory/cpt.yaml"]["adapter_name_or_path"] == "../train/main"
    assert found["llamafactory/sft.yaml"]["adapter_name_or_path"] == found["llamafactory/cpt.yaml"]["output_dir"]
    assert found["axolotl/cpt.yaml"]["lora_model_dir"] == "../train/main"
    assert (
        found["llamafactory/sft.yaml"]["model_name_or_path"] == found["axolotl/sft.yaml"]["base_model"] == "../../base"
    )


def test_rows_that_no_trainer_reads_get_no_settings(tmp_path: Path) -> None:
    assert exported(tmp_path / "plan", drawn(), kind="mixed") == {}
