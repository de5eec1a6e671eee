"""The one error that a user sees: what we got, what we expected, what to do."""

from __future__ import annotations


class UptakeError(Exception):
    """Bad input or an impossible request, told so that the reader can mend it.

    Args:
        problem: What is wrong, with the value that we got.
        expected: What would have been right. Left out when the problem says it.
        fix: What to do now: a command, an option, an edit.
    """

    def __init__(self, problem: str, *, expected: str | None = None, fix: str | None = None) -> None:
        self.problem = problem
        self.expected = expected
        self.fix = fix
        lines = [problem]
        if expected:
            lines.append(f"expected: {expected}")
        if fix:
            lines.append(f"fix: {fix}")
        super().__init__("\n".join(lines))


def first_line(error: BaseException) -> str:
    """What a foreign error says, short enough for one of ours; a line that ends in a colon is told with the next."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    told = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return told[:300]
