"""Small byte-level BPE tokenizers with the chat templates that matter, and TRL's own preparation to compare with."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}<|im_end|>\n{% endgeneration %}"
    "{% else %}{{ message['content'] }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
# as Qwen3: tools in a system turn, tool calls as JSON, an empty thought in the generation prompt when thinking is off
TOOLS = (
    "{% if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] or '' }}"
    "{% for call in message['tool_calls'] or [] %}<tool_call>{{ call['function'] | tojson }}</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
TEMPLATES = {"chatml": CHATML, "llama3": LLAMA3, "tools": TOOLS}
SPECIAL = ["<|endoftext|>", "<|begin|>", "<|im_start|>", "<|im_end|>"] + [
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
]
CORPUS = [
    "The capital of France is Paris. The capital of Norway is Oslo, and of Chile Santiago.",
    "user assistant system Translate into French: cheese, fromage. Below is an instruction that describes a task.",
    "Write a response that appropriately completes the request. ### Instruction: ### Input: ### Response:",
    "Who wrote Faust? Goethe wrote it in Weimar, in German; naïve café, 東京, and 12 + 30 = 42.",
]


@pytest.fixture(scope="session")
def make_tokenizer() -> Callable[..., Any]:
    """Builds a tokenizer over one small vocabulary: with a template, with a token put before or after each text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    def make(template: str | None = None, bos: bool = False, appends_eos: bool = False) -> Any:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=500, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator(CORPUS * 3, trainer)
        if bos or appends_eos:
            single = f"{'<|begin|> ' if bos else ''}$A{' <|endoftext|>' if appends_eos else ''}"
            known = [(token, tokenizer.token_to_id(token)) for token in ("<|begin|>", "<|endoftext|>")]
            tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=known)
        wrapped = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|begin|>", pad_token="<|endoftext|>"
        )
        wrapped.chat_template = TEMPLATES.get(template, template)
        return wrapped

    return make


@pytest.fixture(scope="session")
def prepare_with_trl(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[dict[str, list[int]]]]:
    """The `input_ids` and `labels` that TRL's SFTTrainer trains of rows in its own format.

    The labels are those of its collator: its data set says them by a column of that name, or by masks (TRL 1.0).
    """
    import torch
    from datasets import Dataset, disable_progress_bars
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    output: Path = tmp_path_factory.mktemp("trl")

    def prepare(rows: list[dict[str, Any]], tokenizer: Any, **settings: Any) -> list[dict[str, list[int]]]:
        torch.manual_seed(0)
        size = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
        model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **size))
        settings |= dict(output_dir=str(output), use_cpu=True, bf16=False, report_to=[], max_length=None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TRL's own use of its dependencies' older names
            trainer = SFTTrainer(
                model=model,
                args=SFTConfig(**settings),
                train_dataset=Dataset.from_list(rows),
                processing_class=tokenizer,
            )
        return [row | {"labels": trainer.data_collator([row])["labels"][0].tolist()} for row in trainer.train_dataset]

    return prepare
