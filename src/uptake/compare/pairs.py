"""The examples of two diagnoses side by side: matched by id and stage, and only where they are the same example."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from uptake.errors import UptakeError
from uptake.text import counted
from uptake.types import Finding, Key


@dataclass(frozen=True, slots=True)
class Judged:
    """What a diagnosis says of one example, as far as two are compared.

    Attributes:
        id: The example's id.
        stage: The stage that trained it.
        source: The example's source.
        content: Digest of its prompt and response.
        learned: As in `Finding`.
        shallow: As in `Finding`.
        forgotten: As in `Finding`.
        cause: As in `Finding`.
        criterion: What it was judged by: `recall`, `option` or `paper`.
        n_options: Candidates among which it was preferred, or not; None where it was not judged by options.
    """

    id: str
    stage: str
    source: str
    content: bytes
    learned: bool
    shallow: bool | None
    forgotten: bool | None
    cause: str | None
    criterion: str
    n_options: int | None

    @property
    def key(self) -> Key:
        """What it is matched by."""
        return self.id, self.stage


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two diagnoses, example by example.

    Attributes:
        both: The examples that are in both with the same prompt and response, in the order of id and stage.
        differing: In both, but with another prompt or response; they are compared no further.
        only_before: In the earlier diagnosis alone.
        only_after: In the later diagnosis alone.
    """

    both: tuple[tuple[Judged, Judged], ...]
    differing: tuple[Key, ...]
    only_before: tuple[Key, ...]
    only_after: tuple[Key, ...]


def judged(finding: Finding) -> Judged:
    """A finding without what is not compared."""
    text = "\0".join((finding.prompt, finding.response)).encode("utf-8", "surrogatepass")
    criterion, among = finding.evidence.criterion, finding.evidence.options
    return Judged(
        id=finding.id,
        stage=finding.stage,
        source=finding.source,
        content=hashlib.blake2b(text, digest_size=16).digest(),
        learned=finding.learned,
        shallow=finding.shallow,
        forgotten=finding.forgotten,
        cause=finding.cause,
        criterion=criterion,
        n_options=among.n if among is not None and criterion == "option" else None,
    )


def match(before: Iterable[Finding], after: Iterable[Finding]) -> Pairs:
    """Match the examples of two diagnoses.

    Args:
        before: The earlier diagnosis, in any order.
        after: The later one.

    Raises:
        UptakeError: A diagnosis has an example twice, or the two have none in common.
    """
    old, new = _by_key(before), _by_key(after)
    shared = sorted(key for key in old if key in new)
    both = tuple((old[key], new[key]) for key in shared if old[key].content == new[key].content)
    if not both:
        raise UptakeError(
            f"the two diagnoses have {counted(len(shared), 'id')} in common and no example",
            expected="diagnoses of the same training examples: the same id, stage, prompt and response",
            fix="give each example an `id` of its own, and compare diagnoses of the same data",
        )
    return Pairs(
        both=both,
        differing=tuple(key for key in shared if old[key].content != new[key].content),
        only_before=tuple(sorted(key for key in old if key not in new)),
        only_after=tuple(sorted(key for key in new if key not in old)),
    )


def left_out(pairs: Pairs) -> list[str]:
    """What a comparison of these says nothing about, in sentences."""
    told = (
        (pairs.differing, "in both with another prompt or response, and not compared"),
        (pairs.only_before, "in the earlier diagnosis alone"),
        (pairs.only_after, "in the later diagnosis alone"),
    )
    return [f"examples {what}: {len(keys)}" for keys, what in told if keys]


def _by_key(findings: Iterable[Finding]) -> dict[Key, Judged]:
    found: dict[Key, Judged] = {}
    for finding in findings:
        one = judged(finding)
        if found.setdefault(one.key, one) is not one:
            raise UptakeError(
                f"the stage {one.stage!r} of one diagnosis has the id {one.id!r} twice",
                expected="a different id for each example of a stage",
            )
    return found
