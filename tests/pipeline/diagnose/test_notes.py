"""Where numbers mean less than they seem: told in notes, and `wanted` is what is scored.

What each model was trained on is written here by hand, and so is what uptake is to say.
"""

from __future__ import annotations

import json
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import processors
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from small_models import write_rows
from uptake.cli.summary import show
from uptake.models.small.pretrain import one_thread
from uptake.models.small.tiny import build_model, save, train_tokenizer
from uptake.pipeline import Diagnosis, diagnose
from uptake.pipeline.examples.today import kept_today

CAPITALS = {"France": "Paris", "Italy": "Rome", "Peru": "Lima", "Cuba": "Havana"}
ASK = "Capital of {}?"
TURNS = "{% for m in messages %}<|{{ m['role'] }}|>{{ CONTENT }}<|end|>{% endfor %}"
CHAT = TURNS + "{% if add_generation_prompt %}<|assistant|>{% endif %}"
PLAIN = CHAT.replace("CONTENT", "m['content']")
THOUGHTLESS = CHAT.replace("CONTENT", "m['content'].split('</think>')[-1]")
CALLS = CHAT.replace(
    "CONTENT",
    "m['content'] or '' }}{% for c in m.tool_calls or [] %}<call>{{ c.function.name }} {{ c.function.arguments "
    "| tojson }}</call>{% endfor %}{{ ''",
)


def tokenizer_with(template: str | None, *, bos: bool = False) -> PreTrainedTokenizerBase:
    """A byte-level tokenizer with the tokens of the template; with BOS, it puts that before each text."""
    words = [ASK.format(land) + town for land, town in CAPITALS.items()] * 4
    tokenizer = train_tokenizer(words, 300)
    names = ["<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<s>"]
    tokenizer.add_special_tokens({"additional_special_tokens": names[:3], "eos_token": "<|end|>", "bos_token": "<s>"})
    tokenizer.chat_template = template
    if bos:
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
        )
    return tokenizer


def saved(
    folder: Path, tokenizer: PreTrainedTokenizerBase, trained: list[tuple[str, str]], steps: int = 120
) -> tuple[Path, Path]:
    """An untrained model, and one that knows by heart which text follows which, both rendered already."""
    with one_thread():
        model = build_model("llama", tokenizer, 0, hidden_size=48, max_position_embeddings=256)
        save(model, tokenizer, folder / "base")
        rows = [(tokenizer(before)["input_ids"], tokenizer(after)["input_ids"]) for before, after in trained]
        if tokenizer.bos_token and rows and rows[0][1][:1] == [tokenizer.bos_token_id]:
            rows = [(before, after[1:]) for before, after in rows]
        width = max((len(before) + len(after) for before, after in rows), default=0)
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
        for place, (before, after) in enumerate(rows):
            both = torch.tensor([*before, *after])
            ids[place, : len(both)], mask[place, : len(both)] = both, 1
            labels[place, len(before) : len(both)] = both[len(before) :]
        optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
        for _ in range(steps if rows else 0):
            model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        save(model.eval(), tokenizer, folder / "tuned")
    return folder / "base", folder / "tuned"


def conversations(answer: Any = lambda town: town, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "messages": [
                {"role": "user", "content": ASK.format(land)},
                {"role": "assistant", "content": answer(town), **more},
            ]
        }
        for land, town in CAPITALS.items()
    ]


def rendered(before: str = "", between: str = "", after: str = "<|end|>") -> list[tuple[str, str]]:
    """What a trainer with the template `PLAIN` trains, and what it puts around the answer."""
    return [
        (f"<|user|>{ASK.format(land)}<|end|><|assistant|>", f"{between}{before}{town}{after}")
        for land, town in CAPITALS.items()
    ]


def told(models: tuple[Path, Path], rows: list[dict[str, Any]], folder: Path, **settings: Any) -> Diagnosis:
    data = write_rows(folder / "data.jsonl", rows)
    given = {"attribution": "off", "dtype": "float32", "device": "cpu", **settings}
    return diagnose(base=models[0], tuned=models[1], dataset=data, output_dir=folder / "out", **given)


def notes(diagnosis: Diagnosis, part: str) -> list[str]:
    return [note for note in diagnosis.summary()["notes"] if part in note]


def test_a_template_that_leaves_out_the_thoughts(tmp_path: Path) -> None:
    models = saved(tmp_path, tokenizer_with(THOUGHTLESS), rendered())
    diagnosis = told(models, conversations(lambda town: f"<think>I know.</think>{town}"), tmp_path)
    (note,) = notes(diagnosis, "leaves out a part of the response of 4 of 4 examples")
    assert "22 characters, '<think>I know.</think>'" in note and "--chat_template" in note
    for finding in diagnosis:
        assert finding.learned  # what is left of it was trained
        assert finding.response == f"<think>I know.</think>{finding.scored}" and finding.scored in CAPITALS.values()


def test_what_a_model_says_is_held_against_what_is_scored(tmp_path: Path) -> None:
    models = saved(tmp_path, tokenizer_with(THOUGHTLESS), [])
    diagnosis = told(models, conversations(lambda town: f"<think>I know.</think>{town}"), tmp_path)
    wanted = [line.split()[1] for line in show(diagnosis).splitlines() if line.startswith("    wanted ")]
    assert sorted(wanted) == sorted(CAPITALS.values())


def test_a_template_that_writes_nothing_of_the_response(tmp_path: Path) -> None:
    models = saved(tmp_path, tokenizer_with(CHAT.replace("CONTENT", "m['content'] if m['role'] == 'user' else ''")), [])
    diagnosis = told(models, conversations(), tmp_path)
    (note,) = notes(diagnosis, "writes nothing of the response of 4 of 4 examples")
    assert "only the end of the turn is scored there" in note
    assert [finding.scored for finding in diagnosis] == [""] * 4
    assert "wanted     (nothing)" in show(diagnosis)


def test_a_template_without_the_system_turn_and_the_tools(tmp_path: Path) -> None:
    template = PLAIN.replace("{% for m in messages %}", "{% for m in messages if m['role'] != 'system' %}")
    rows = conversations()
    for row in rows:
        row["messages"].insert(0, {"role": "system", "content": "Be brief."})
        row["tools"] = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    diagnosis = told(saved(tmp_path, tokenizer_with(template), []), rows, tmp_path)
    assert notes(diagnosis, "leaves out a turn before the response (system) in 4 of 4 examples")
    assert notes(diagnosis, "leaves out the tools of 4 of 4 examples")


def test_tool_calls_are_what_is_wanted(tmp_path: Path) -> None:
    call = {"type": "function", "function": {"name": "look_up", "arguments": {"of": "Oslo"}}}
    asked = {"role": "user", "content": "Weather?"}
    rows = [
        {"messages": [asked, {"role": "assistant", "content": None, "tool_calls": [call]}]},
        {
            "messages": [
                asked,
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "content": "21"},
                {"role": "assistant", "content": "21 degrees"},
            ]
        },
    ]
    diagnosis = told(saved(tmp_path, tokenizer_with(CALLS), []), rows, tmp_path)
    last, first = sorted(diagnosis, key=lambda one: "tool" in one.prompt, reverse=True)
    assert last.prompt.splitlines()[1] == 'assistant: {"name": "look_up", "arguments": {"of": "Oslo"}}'
    assert (last.response, last.scored) == ("21 degrees", None)
    assert first.response == '{"name": "look_up", "arguments": {"of": "Oslo"}}'
    assert first.scored == '<call>look_up {"of": "Oslo"}</call>'
    assert "wanted     <call>look_up" in show(diagnosis)
    assert not notes(diagnosis, "leaves out")


def test_a_template_without_tool_calls(tmp_path: Path) -> None:
    call = {"type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    rows = [
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "Ok", "tool_calls": [call]}]}
    ]
    diagnosis = told(saved(tmp_path, tokenizer_with(PLAIN), []), rows, tmp_path)
    assert notes(diagnosis, "leaves out the tool calls of the response of 1 of 1 examples")
    assert [finding.wanted for finding in diagnosis] == ["Ok"]


@pytest.mark.parametrize(
    ("trained", "answer", "place", "shown"),
    [
        (rendered(), lambda town: " " + town, "beginning", "'Paris' for ' Paris'"),
        (rendered(between="\n"), lambda town: town, "beginning", r"'\nParis' for 'Paris'"),
        (rendered(), lambda town: town + " ", "end", "'Paris' for 'Paris '"),
        (rendered(after="\n<|end|>"), lambda town: town, "end", r"'Paris\n' for 'Paris'"),
    ],
    ids=["before the data's", "before the model's", "after the data's", "after the model's"],
)
def test_an_answer_that_is_right_but_for_white_space(
    trained: list[tuple[str, str]], answer: Any, place: str, shown: str, tmp_path: Path
) -> None:
    models = saved(tmp_path, tokenizer_with(PLAIN), trained)
    diagnosis = told(models, conversations(answer), tmp_path, response_end="include")
    (note,) = notes(diagnosis, "equals the response except for white space")
    assert note.startswith("in 4 of 4 unlearned examples") and f"at its {place} ({shown})" in note
    text = show(diagnosis)
    assert "the same but for white space" in text and "does not stop" not in text


def test_a_model_that_does_not_stop_is_told_so(tmp_path: Path) -> None:
    models = saved(tmp_path, tokenizer_with(PLAIN), rendered(after=". And more<|end|>"))
    diagnosis = told(models, conversations(), tmp_path, response_end="include")
    assert not notes(diagnosis, "white space")
    assert "Paris  and does not stop there" in show(diagnosis)


def test_two_beginnings_and_text_that_was_a_conversation(tmp_path: Path) -> None:
    tokenizer = tokenizer_with("{{ bos_token }}" + PLAIN, bos=True)
    models = saved(tmp_path, tokenizer, [])
    whole = [{"text": f"<s>{before}{after}"} for before, after in rendered()]
    diagnosis = told(models, whole, tmp_path)
    assert notes(diagnosis, "4 of 4 examples begin with the beginning-of-text token (BOS)")
    (note,) = notes(diagnosis, "conversations that were already rendered as text")
    assert "<|assistant|>" in note and "the user's words too" in note
    prompted = [{"prompt": f"<s>{before}", "completion": after} for before, after in rendered(after="")]
    (tmp_path / "prompted").mkdir()
    assert notes(told(models, prompted, tmp_path / "prompted"), "scored with two")
    (tmp_path / "chat").mkdir()
    ended = conversations(lambda town: f"{town}<|end|>")
    assert notes(told(models, ended, tmp_path / "chat"), "ends with the end-of-text token")
    (tmp_path / "right").mkdir()
    right = told(models, conversations(), tmp_path / "right")
    assert not notes(right, "scored with two") and not notes(right, "made into text")


def test_a_tuned_model_that_says_what_its_base_says(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    tokenizer = tokenizer_with(PLAIN)
    base, tuned = saved(tmp_path, tokenizer, rendered())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft 0.21 asks transformers 5.23 for an attribute by its old name
        untrained = get_peft_model(
            AutoModelForCausalLM.from_pretrained(base), LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear")
        )
        untrained.save_pretrained(tmp_path / "adapter")
    (tmp_path / "one").mkdir()
    diagnosis = told((base, tmp_path / "adapter"), conversations(), tmp_path / "one")
    note = diagnosis.summary()["notes"][0]
    assert "the same numbers as the base for all 4 examples: the adapter changes nothing" in note
    (tmp_path / "two").mkdir()
    assert not notes(told((base, tuned), conversations(), tmp_path / "two"), "same numbers")
    (tmp_path / "three").mkdir()
    same = told((base, base), conversations(), tmp_path / "three")
    assert not notes(same, "same numbers") and notes(same, "are the same model")


def test_the_date_in_a_template_is_that_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers.utils.chat_template_utils as of_transformers

    today = '<|system|>{{ date_string or strftime_now("%d %b %Y") }}<|end|>'
    models = saved(tmp_path, tokenizer_with(today + PLAIN), [])
    first = told(models, conversations(), tmp_path)
    (note,) = notes(first, "writes a date into the prompt")
    assert date.today().isoformat() in note and "date_string" in note
    bytes_before = (first.folder / "diagnosis.parquet").read_bytes()

    class Later(of_transformers.datetime):  # type: ignore[misc,name-defined]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls(2031, 7, 9)

    monkeypatch.setattr(of_transformers, "datetime", Later)
    (tmp_path / "out" / "today.json").write_text('{"today": "2026-01-05"}')
    again = told(models, conversations(), tmp_path)
    assert notes(again, "writes a date into the prompt; this run uses 2026-01-05")
    assert (again.folder / "diagnosis.parquet").read_bytes() != bytes_before
    (tmp_path / "out" / "today.json").write_text(json.dumps({"today": date.today().isoformat()}))
    assert (told(models, conversations(), tmp_path).folder / "diagnosis.parquet").read_bytes() == bytes_before
    given = [{**row, "chat_template_kwargs": {"date_string": "26 Jul 2024"}} for row in conversations()]
    assert not notes(told(models, given, tmp_path), "writes the date")


def test_a_run_takes_over_the_date_of_the_one_that_it_is_compared_with(tmp_path: Path) -> None:
    for name in ("former", "new"):
        (tmp_path / name).mkdir()
    (tmp_path / "former" / "today.json").write_text('{"today": "2026-01-05"}')
    assert kept_today(tmp_path / "new", tmp_path / "former") == "2026-01-05"
    assert kept_today(tmp_path / "new") == "2026-01-05"
