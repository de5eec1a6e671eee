"""The model card: what it says of a stage, and that nothing that somebody wrote in a setting becomes Markdown."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from train_runs import LORA, one, planned, write_run
from uptake.artifacts import read_json
from uptake.config import RunConfig, load_run
from uptake.pipeline.train.card import model_card
from uptake.pipeline.train.run import Trained

ODD = "a|b `<script>x</script>`\n# head [link](javascript:1) ``two`` https://example.org ![i](x)"


@pytest.fixture
def manifest(trained: tuple[RunConfig, list[Trained]]) -> dict[str, Any]:
    found: dict[str, Any] = read_json(trained[1][1].folder / "manifest.json")
    return found


def test_what_is_written_in_settings_stays_text(trained: tuple[RunConfig, list[Trained]], manifest: dict[str, Any]):
    [_, found] = planned(trained[0])
    manifest["settings"] = {"optim_args": ODD, "lr_scheduler_kwargs": {ODD: 1}, "plain": 3}
    manifest["files"] = {ODD: "0" * 32}
    card = model_card(trained[0].model_name_or_path, found, manifest).split("---\n", 2)[2]
    # as the hub does: CommonMark with GitHub's tables, and bare addresses as links
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(card)
    inside = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in (*tokens, *inside)} & {"html_block", "html_inline", "link_open", "image"} == set()
    headings = [tokens[k + 1].content for k, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings == ["main", "Data", "Training", "Use"]
    rows = "".join({"tr_open": "\n", "td_open": "c"}.get(token.type, "") for token in tokens).split("\n")
    assert set(rows) == {"", "cc"}  # no cell more than there should be
    assert [child.content for child in inside if child.type == "code_inline"].count(ODD.replace("\n", "\\n")) == 2


def test_the_snippet_of_an_adapter_runs_as_python(
    trainable: Path, trained: tuple[RunConfig, list[Trained]], manifest: dict[str, Any], tmp_path: Path
):
    [found] = planned(load_run(write_run(tmp_path, trainable, stages=one(), peft=LORA)))
    for base, named in ((str(trainable), "THE BASE MODEL'S FOLDER"), ('some/"quoted', 'some/"quoted')):
        card = model_card(base, found, manifest)
        front, code = yaml.safe_load(card.split("---")[1]), card.split("```python\n")[1].split("```")[0]
        assert named in [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
        # the hub would look for a folder's name among its models
        assert front.get("base_model") == (None if base == str(trainable) else base)
