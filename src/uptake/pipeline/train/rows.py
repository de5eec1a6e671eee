"""A stage's data set on its way to rows of tokens, each with its name in the ledger; what cannot be used is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uptake.artifacts import chunks, digest, file_digest
from uptake.artifacts.ledger_files import renamed
from uptake.artifacts.tables import prompt_as_data
from uptake.data import Encoded, LoadOptions, Notes, TemplateError, Turn, bad_rows_error, encode, stream
from uptake.data.llamafactory import find_described, split_name
from uptake.errors import UptakeError
from uptake.pipeline.progress import Progress
from uptake.pipeline.train.training_run import StageSpec
from uptake.types import BadRow, Example

if TYPE_CHECKING:
    import pyarrow as pa

    from uptake.models.training.rows import Row

_AT_ONCE = 1024

_NAME = 80
"""So many characters of an example's name are shown in a message."""


def file_digests(dataset: str) -> dict[str, str]:
    """The digest of each file of a data set, by name; empty for one of the hub.

    Of `dataset_info.json#name` it is that of the file that is described, and of the description under its name.

    Raises:
        UptakeError: `dataset_info.json` has no such data set.
    """
    if (described := split_name(dataset)) is not None:
        path, name = described
        found = find_described(path, name)
        told = {f"#{name}": digest(json.loads(path.read_text(encoding="utf-8-sig"))[name])}
        return told if found.file is None else {**file_digests(str(found.file)), **told}
    path = Path(dataset)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return {file.name: file_digest(file) for file in files if file.is_file()}


class StageReading:
    """The rows of a stage.

    Attributes:
        bad_rows: What cannot be used, or of which nothing is left to learn.
        key: Identifies what is trained: ids, prompts and responses, in their order.
        n: How many rows there are.
        cut: How many of them are longer than `max_length` and lose their end (or, as set, their beginning).

    Args:
        spec: The stage.
        options: How data sets are read.
        tokenizer: The run's tokenizer.
        settings: The trainer's; `max_length`, `truncation_mode` and `completion_only_loss` are read.
        taken: What each name in the ledger stands for so far; grows with the stages.
        sources: The source of each row, in its order; grows with the rows.
        notes: What the reader should know about how the data were read.
    """

    def __init__(
        self, spec: StageSpec, options: LoadOptions, tokenizer: Any, settings: Mapping[str, Any], taken: dict[str, str]
    ) -> None:
        columns = options.columns if spec.columns is None else spec.columns
        self.spec, self.options = spec, replace(options, stage=spec.name, columns=columns)
        self.tokenizer, self.settings, self.taken = tokenizer, settings, taken
        self.bad_rows: list[BadRow] = []
        self.sources: list[str] = []
        self.notes = Notes()
        self.key, self.n, self.cut = "", 0, 0

    def examples(self, notes: Notes | None = None) -> Iterator[Example | BadRow]:
        """What is given, or what the data set has; `notes` takes what is to be known about how it was read."""
        if self.spec.examples is not None:
            yield from self.spec.examples
            return
        rows = stream(self.spec.dataset, self.options, notes)
        yield from rows if self.spec.held is None else self.spec.held.trained(rows)

    def table(self, progress: Progress, *, skip_bad_rows: bool) -> pa.Table:
        """The rows; bad rows, cut ones and the content's digest are known afterwards.

        Args:
            progress: Told of the rows.
            skip_bad_rows: Go on without them, if there are others.

        Raises:
            UptakeError: There are bad rows and they are not to be skipped, or there is nothing else.
        """
        from uptake.models.training.rows import table

        step = f"reading {self.spec.name}"
        progress(step, 0, None)
        rows = table(self._told(step, progress))
        progress(step, self.n, self.n)
        if self.bad_rows and (not skip_bad_rows or self.n == 0):
            error = bad_rows_error(self.bad_rows, usable=self.n)
            if self.spec.examples is None:
                raise error
            raise UptakeError(error.problem, fix="correct these rows of the plan, or remove them")
        return rows

    def _told(self, step: str, progress: Progress) -> Iterator[Row]:
        for some in chunks(self._rows(), _AT_ONCE):
            yield from some
            progress(step, self.n, None)

    def _rows(self) -> Iterator[Row]:
        for some in chunks(self.examples(self.notes), _AT_ONCE):
            usable = [row for row in some if isinstance(row, Example)]
            encoded = iter(encoded_or_why(usable, self.tokenizer))
            for row in some:
                one = row if isinstance(row, BadRow) else self._row(row, next(encoded))
                if isinstance(one, BadRow):
                    self.bad_rows.append(one)
                else:
                    yield one

    def _row(self, example: Example, encoded: Encoded | str) -> Row | BadRow:
        from uptake.models.training.rows import NOT_TRAINED, Row

        if isinstance(encoded, str):
            return _bad(example, encoded)
        fitted = fit(encoded, self.settings)
        if isinstance(fitted, str):
            return _bad(example, fitted)
        ids, start = fitted
        if not example.prompt:
            start = 0  # what a tokenizer puts before each text is no prompt; nothing predicts it, so it is not learned
        labels = [NOT_TRAINED] * start + ids[start:]
        self.n, self.cut = self.n + 1, self.cut + (len(ids) < len(encoded.ids))
        content = _content(example)
        self.key = digest(self.key, example.id, content)
        self.sources.append(example.source)
        return Row(_name(example, content, self.taken), ids, labels)


def _bad(example: Example, reason: str) -> BadRow:
    name = example.id if len(example.id) <= _NAME else f"{example.id[: _NAME - 3]}..."
    return BadRow(example.file or example.source, example.line, f"example {name}: {reason}")


def _content(example: Example) -> str:
    template, extra = dict(example.template), dict(example.response_extra)
    return digest(prompt_as_data(example.prompt), example.response, template, extra)


def _name(example: Example, content: str, taken: dict[str, str]) -> str:
    """The example's name in the ledger: its id, with the stage behind it where an earlier stage means another by it."""
    name = example.id
    while taken.setdefault(name, content) != content:
        name = renamed(name, example.stage)
    return name


def fit(encoded: Encoded, settings: Mapping[str, Any]) -> tuple[list[int], int] | str:
    """The tokens of a row as it is trained, and where those begin that are learned; or why none is left to learn.

    Args:
        encoded: The whole example.
        settings: The trainer's; `max_length`, `truncation_mode` and `completion_only_loss` are read.
    """
    whole, limit = encoded.ids, settings["max_length"]
    start = encoded.start if settings.get("completion_only_loss", True) is not False else 0
    ids = whole
    if limit is not None and len(whole) > limit:
        at_end = settings.get("truncation_mode") == "keep_end"
        ids, start = (whole[-limit:], max(0, start - len(whole) + limit)) if at_end else (whole[:limit], start)
    if max(1, start) < len(ids):  # the first token is predicted from nothing
        return ids, start
    why = (
        f"its {len(whole)} tokens are cut to max_length, {limit}" if len(ids) < len(whole) else "it has too few tokens"
    )
    return f"nothing of its response is left to learn: {why}"


def encoded_or_why(examples: Sequence[Example], tokenizer: Any) -> list[Encoded | str]:
    """Encode examples; one that the chat template refuses gives the reason instead."""
    from jinja2 import TemplateSyntaxError

    turns = [Turn(e.prompt, e.response, e.template, e.response_extra) for e in examples]
    try:
        return [*encode(turns, tokenizer)]
    except TemplateError as error:
        if isinstance(error.__cause__, TemplateSyntaxError):  # no row is to blame for it
            raise UptakeError(
                f"the chat template is no Jinja template: line {error.__cause__.lineno}: {error.__cause__.message}",
                expected="a template that can be read",
                fix="correct it, or give another one with `--chat_template FILE`",
            ) from error
        if len(turns) == 1:
            return [error.problem]
        return [one for example in examples for one in encoded_or_why([example], tokenizer)]
