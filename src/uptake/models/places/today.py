"""A chat template that is told a certain date, whatever the clock says: numbers then do not differ from day to day."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

_DIRECTIVES = ("A", "B", "H", "I", "M", "S", "Y", "a", "b", "d", "e", "j", "m", "p", "y", "-d", "-m", "F", "D")
"""What a template may ask of a date, as in `strftime`."""


def tell_the_day(tokenizer: Any, day: date) -> None:
    """Make a tokenizer's chat template write this date wherever it asks transformers for that of today.

    The template that is saved with the tokenizer stays as it is. transformers hands a template no function that a
    caller gives it, so the function that it asks (`strftime_now`) is defined in Jinja, before the template's own text.

    Args:
        tokenizer: It is changed.
        day: The date, at midnight.
    """
    told = "".join(f"|replace({json.dumps('%' + one)},{json.dumps(day.strftime('%' + one))})" for one in _DIRECTIVES)
    # the empty expression keeps the white space that the template itself begins with
    own = "{% macro strftime_now(format) %}{{ format" + told + " }}{% endmacro %}{{ '' }}"
    render = tokenizer.apply_chat_template

    def apply(conversation: Any, tools: Any = None, chat_template: str | None = None, **more: Any) -> Any:
        text = tokenizer.get_chat_template(chat_template, tools)
        return render(conversation, tools=tools, chat_template=own + text, **more)

    tokenizer.apply_chat_template = apply
