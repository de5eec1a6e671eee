"""What the LLM writes: kept as it arrives, asked for once, and never the reason that a run cannot finish."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from llm_server import Reply, Server, completion, failure
from uptake.errors import UptakeError
from uptake.models.served import LLM, NoAnswer
from uptake.pipeline.examples.writer import Writer, open_writer, with_wordings
from uptake.types import Example


def writer_of(folder: Path, url: str, seed: int = 0) -> Writer:
    return open_writer(LLM(url, "judge", max_retries=0, seed=seed), folder)


def some_examples(n: int) -> list[Example]:
    return [Example(str(number), f"fact {number} is", f" no {number}", "s") for number in range(n)]


def reword_all_but(refuse: dict[str, Reply]) -> Any:
    """A script that rewords each prompt, except those that it answers otherwise."""

    def script(request: dict[str, Any]) -> Reply:
        prompt = json.loads(request["messages"][1]["content"])["prompt"]
        return refuse.get(prompt) or completion(json.dumps({"rewordings": [f"Say: {prompt}"]}))

    return script


def test_a_refusal_costs_one_example_its_wordings(server: Server, tmp_path: Path) -> None:
    examples = some_examples(10)
    server.script = reword_all_but({"fact 1 is": completion(None), "fact 9 is": completion("I cannot help.")})
    writer = writer_of(tmp_path, server.url)
    found = list(with_wordings(examples, writer, 1))
    assert [len(row.paraphrases) for row in found if isinstance(row, Example)] == [1, 0, 1, 1, 1, 1, 1, 1, 1, 0]
    assert writer.refused == 2
    n = len(server.requests)
    again = writer_of(tmp_path, server.url)
    assert list(with_wordings(examples, again, 1)) == found
    assert (again.refused, len(server.requests)) == (2, n)


def test_a_model_that_answers_nothing_stops_the_run(server: Server, tmp_path: Path) -> None:
    server.replies = [completion(None)]
    writer = writer_of(tmp_path, server.url)
    with pytest.raises(NoAnswer, match="without text"):
        writer.wordings(some_examples(20), 1)
    assert (len(server.requests), writer.path.read_bytes()) == (8, b"")


def test_what_arrived_is_kept_when_the_server_fails(server: Server, tmp_path: Path) -> None:
    server.script = reword_all_but({"fact 0 is": failure(500)})
    with pytest.raises(UptakeError, match="HTTP 500"):
        writer_of(tmp_path, server.url).wordings(some_examples(8), 1)
    server.script = reword_all_but({})
    found = writer_of(tmp_path, server.url).wordings(some_examples(8), 1)
    assert [wording.prompt for [wording] in found] == [f"Say: fact {number} is" for number in range(8)]
    assert len(server.requests) == 8 + 1


def test_what_was_written_holds_for_another_address_and_not_for_another_seed(server: Server, tmp_path: Path) -> None:
    server.script = reword_all_but({})
    first = writer_of(tmp_path, server.url).wordings(some_examples(1), 1)
    assert writer_of(tmp_path, "http://127.0.0.1:9/v1").wordings(some_examples(1), 1) == first
    assert len(server.requests) == 1
    writer_of(tmp_path, server.url, seed=1).wordings(some_examples(1), 1)
    assert [request["seed"] for request in server.requests] == [0, 1]


def test_a_run_that_is_stopped_does_not_wait_for_the_server(server: Server, tmp_path: Path) -> None:
    slow = completion(None)
    server.replies = [Reply(slow.body, delay=240.0)]
    code = f"""
import os, signal, threading
from pathlib import Path
from uptake.models.served import LLM
from uptake.pipeline.examples.writer import Writer
from uptake.types import Example

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background begins with it ignored
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
Writer(LLM({server.url!r}, "judge"), Path({str(tmp_path / "w")!r})).wordings([Example("a", "p", "r", "s")], 1)
"""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert "KeyboardInterrupt" in done.stderr
    assert time.monotonic() - began < 180
