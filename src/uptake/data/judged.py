"""Keys by which somebody judged a row or a turn: what was judged bad is no answer to be learned.

A mark that says so without doubt is against the row; one that may say so is noted.
"""

from __future__ import annotations

from uptake.data.parts import RowError

_WANTED = (
    *("accepted", "is_accepted", "approved", "is_approved", "is_correct", "is_good", "is_wanted", "is_preferred"),
    *("liked", "is_liked", "thumbs_up", "is_chosen"),
)
_WANTED_IF_BOOL = ("correct", "good", "valid", "is_valid", "keep", "include", "included", "usable")
"""Names that hold other things, too: the number of the right option, say."""
_UNWANTED = (
    *("is_rejected", "is_bad", "is_wrong", "incorrect", "is_incorrect", "invalid", "is_invalid", "disliked"),
    *("thumbs_down", "discard", "discarded", "exclude", "excluded", "deleted", "is_deleted"),
)
_PERHAPS = ("verified", "is_verified", "passed", "success", "is_success", "resolved")
_PERHAPS_NOT = ("flagged", "is_flagged", "skip", "toxic", "is_toxic", "spam", "is_spam", "hallucinated", "failed")
_REWARDS = ("reward", "rewards", "reward_score", "advantage", "rating", "quality", "quality_score", "human_score")
_SCORES = ("score", "votes", "upvotes", "vote")
_REMARKS = (
    *("feedback", "user_feedback", "human_feedback", "thumbs", "thumb", "reaction", "verdict", "judgement"),
    *("judgment", "decision", "status", "review_status", "annotation_status", "is_helpful"),
)

JUDGED = (
    *(*_WANTED, *_WANTED_IF_BOOL, *_UNWANTED, *_PERHAPS, *_PERHAPS_NOT),
    *(*_REWARDS, *_SCORES, *_REMARKS),
)
"""All of these keys."""

_NO = ("false", "no", "0", "0.0")
_YES = ("true", "yes", "1", "1.0")
_BAD = (
    *("bad", "wrong", "incorrect", "rejected", "reject", "negative", "dislike", "disliked", "down", "thumbs down"),
    *(
        "thumbsdown",
        "thumb down",
        "👎",
        "-1",
        "discard",
        "discarded",
        "declined",
        "false",
        "unacceptable",
        "unhelpful",
    ),
)
_GOOD = (
    *("good", "right", "correct", "accepted", "accept", "positive", "like", "liked", "up", "thumbs up", "thumbsup"),
    *("👍", "1", "approved", "true", "done", "completed", "final", "published", "helpful", "acceptable", "ok"),
)


def judged(key: str, value: object, answers: tuple[str, ...] = ()) -> str | None:
    """What is to be noted of a judgement on a row; None where it says nothing bad.

    Args:
        key: One of `JUDGED`.
        value: What stands there; not null.
        answers: The row's other texts: beside an answer `no`, a `false` may be the answer.

    Raises:
        RowError: The row was judged bad.
    """
    said = " ".join(str(value).casefold().replace("_", " ").replace("-", " ").split()) if value != -1 else "-1"
    boolean = isinstance(value, bool) or said in ("true", "false")
    is_answer = any(answer.strip().casefold().rstrip(".!") in _NO for answer in answers)
    if key in _WANTED or (key in _WANTED_IF_BOOL and boolean):
        if said in _NO and not is_answer:
            raise RowError(_against(key, value))
    elif key in _UNWANTED:
        if said in _YES:
            raise RowError(_against(key, value))
    elif key in _PERHAPS or key in _PERHAPS_NOT:
        if said in (_NO if key in _PERHAPS else _YES):
            return _doubtful(key, value)
    elif key in _REWARDS or key in _SCORES:
        return _of_number(key, value, said)
    elif key in _REMARKS:
        return _of_remark(key, value, said)
    return None


def _of_number(key: str, value: object, said: str) -> str | None:
    if said in _BAD and not isinstance(value, int | float):
        raise RowError(_against(key, value))
    try:
        number = float(str(value))
    except ValueError:
        return _unread(key) if key in _REWARDS else None
    if number < 0:
        return (
            f"`{key}` is below 0 and not read: if it says that the answer is bad, leave these rows out: such an answer "
            "is no failure to learn"
        )
    return _unread(key) if key in _REWARDS else None


def _of_remark(key: str, value: object, said: str) -> str | None:
    if said in _BAD:
        raise RowError(_against(key, value))
    if value in ("", [], {}) or said in _GOOD or "status" in key:
        return None
    return _unread(key)


def _against(key: str, value: object) -> str:
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return (
        f"`{key}` is {shown}: it marks an answer that was judged bad, which the model should not learn; leave such "
        "rows out, or give the column another name if it means something else"
    )


def _doubtful(key: str, value: object) -> str:
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return (
        f"`{key}` is {shown} and not read: if it says that the answer is bad or was not trained, leave these rows out"
    )


def _unread(key: str) -> str:
    return (
        f"`{key}` is not read: if it says how good the answer is, leave the rows with bad ones out; if it weighed rows "
        "in training (RL), those of little weight were trained little"
    )
