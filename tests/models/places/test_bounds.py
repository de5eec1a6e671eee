"""Models whose folder would keep us busy for ever, or fill the memory; what is refused is refused by name, and soon."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from uptake.errors import UptakeError
from uptake.models.places import bounds
from uptake.models.places.bounds import require_bounded_patterns, require_sensible_config, within
from uptake.models.places.place import load_config, load_tokenizer, locate
from uptake.models.places.settings import LoadSettings
from uptake.models.small.tiny import CHATML

linux = pytest.mark.skipif(sys.platform != "linux", reason="tried in a process of its own on Linux alone")


@pytest.fixture
def folder(trainable: Path, tmp_path: Path) -> Path:
    shutil.copytree(trainable, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SECONDS", 1)
    monkeypatch.setattr(bounds, "_tried", set())


def tokenizer_with(folder: Path, template: str) -> Any:
    settings = LoadSettings(chat_template=template)
    return load_tokenizer(locate(str(folder), settings), settings)


@linux
@pytest.mark.usefixtures("briefly")
@pytest.mark.parametrize(
    ("template", "limit"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "1 seconds"),
        ("{{ 9 ** (9 ** 9) }}", "1 seconds"),
        ("{{ 'a' * 9000000000 }}", "1 GiB"),
        ("{{ '%9999999999d' % 1 }}", "1 GiB"),
        ("{{ '%9999999999d' | format(1) }}", "1 GiB"),
        ("{{ 'a' | center(9000000000) }}", "1 GiB"),
        ("{% if tools %}{{ 'a'.ljust(9000000000) }}{% endif %}", "1 GiB"),
        ("{% set ns = namespace(s='a') %}{% for a in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", ""),
        ("{% set n = namespace(s=[1]) %}{% for a in range(30) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}", ""),
    ],
)  # fmt: skip
def test_a_chat_template_without_end(folder: Path, template: str, limit: str) -> None:
    before = time.monotonic()
    with pytest.raises(UptakeError, match=f"the chat template of .*model takes more than {limit}") as caught:
        tokenizer_with(folder, template)
    assert "--chat_template" in str(caught.value) and time.monotonic() - before < 5


@pytest.mark.parametrize(
    "template", [CHATML, "{{ raise_exception('no system') }}", "{{ nothing.at.all }}", "{% if %}", "{{ 'a' * 100000 }}"]
)
def test_templates_that_end_are_left_to_whom_they_concern(folder: Path, template: str) -> None:
    assert tokenizer_with(folder, template).chat_template == template


@linux
@pytest.mark.usefixtures("briefly")
@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": r"([\w.]+)+!"},
        {"target_modules": ["q_proj"], "exclude_modules": r"([\w.]+)*!", "rank_pattern": {"q": 8}},
        {"target_modules": ["q_proj"], "alpha_pattern": {r"(\w+)+!": 8}, "layers_pattern": ["h"]},
    ],
)  # fmt: skip
def test_patterns_of_an_adapter_without_end(settings: dict[str, Any]) -> None:
    before = time.monotonic()
    with pytest.raises(UptakeError, match="the layers of my adapter by the patterns of its settings takes more than"):
        require_bounded_patterns(SimpleNamespace(**settings), [f"model.layers.{'very_long_' * 6}name"], "my adapter")
    assert time.monotonic() - before < 5


def test_patterns_that_end() -> None:
    for pattern in (r".*\.(q|v)_proj", "q_proj", "(", r"model\.layers\.\d+\.self_attn\.[qkvo]_proj"):
        require_bounded_patterns(SimpleNamespace(target_modules=pattern), ["model.layers.0.self_attn.q_proj"], "it")


@linux
@pytest.mark.usefixtures("briefly")
def test_an_adapter_with_such_a_pattern_is_not_put_on_a_model(trainable: Path, trained_adapter: Path) -> None:
    from uptake.models.scoring.lazy import Lazy

    fields = json.loads((trained_adapter / "adapter_config.json").read_text())
    fields["target_modules"] = r"([\w.]+)+!"
    (trained_adapter / "adapter_config.json").write_text(json.dumps(fields))
    with pytest.raises(UptakeError, match="by the patterns of its settings takes more than 1 seconds"):
        Lazy.find(str(trained_adapter), LoadSettings(device="cpu"), base=str(trainable)).load()


@pytest.fixture
def trained_adapter(trainable: Path, tmp_path: Path) -> Path:
    from train_runs import LORA
    from uptake.models.training.start import Start, load_start

    model = load_start(Start(str(trainable), LoadSettings(), LORA), {})
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 2147483648), ("num_hidden_layers", 1e300), ("num_hidden_layers", float("nan")),
        ("n_layer", 10**9), ("num_attention_heads", 10**6), ("num_local_experts", 10**9), ("n_routed_experts", 10**9),
    ],
)  # fmt: skip
def test_more_parts_than_any_model_has(folder: Path, key: str, value: float) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(UptakeError, match=rf"config\.json: {key} is .*\nexpected: no more than 10,000"):
        load_config(folder, LoadSettings())
    with pytest.raises(UptakeError, match=key):
        require_sensible_config({"text_config": {key: value}}, "config.json", trust=True)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"_attn_implementation": "someone/kernel"}, "_attn_implementation"),
        ({"attn_implementation": "someone/kernel@v1:attention"}, "attn_implementation"),
        ({"_attn_implementation_internal": "flash|someone/kernel"}, "_attn_implementation_internal"),
        ({"text_config": {"_attn_implementation": "someone/kernel"}}, "_attn_implementation"),
        ({"_attn_implementation": {"text_config": "someone/kernel"}}, "_attn_implementation"),
        ({"_experts_implementation": "someone/kernel"}, "_experts_implementation"),
    ],
)
def test_a_kernel_of_the_hub_is_code_of_somebodys(folder: Path, fields: dict[str, Any], named: str) -> None:
    # as transformers 5.23 tells one: `integrations.hub_kernels.is_kernel`
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    with pytest.raises(UptakeError, match=f"{named} is '.*someone/kernel.*, a kernel of the hub"):
        load_config(folder, LoadSettings())
    require_sensible_config(fields, "config.json", trust=True)
    require_sensible_config({"_attn_implementation": "sdpa", "model_type": "a/b"}, "config.json", trust=False)


def sleep() -> None:
    time.sleep(60)


def fill() -> None:
    bytearray(bounds.BYTES * 2)


@linux
@pytest.mark.usefixtures("briefly")
@pytest.mark.parametrize(("work", "limit"), [(sleep, "1 seconds"), (fill, "1 GiB of memory")])
def test_work_is_ended(work: Callable[[], None], limit: str) -> None:
    with pytest.raises(UptakeError, match=f"it takes more than {limit}\nfix: leave it"):
        within(work, "it", "leave it")


def test_what_is_refused_is_told_in_earnest() -> None:
    def refuse() -> None:
        raise ValueError("no")

    within(refuse, "it", "leave it")
    within(lambda: None, "it", "leave it")
