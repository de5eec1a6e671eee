"""Which files of a folder are the data: those of the split that is asked for, and no text that only describes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from uptake.data.notes import Notes
from uptake.errors import UptakeError

# as in datasets' data_files.py: the word stands between signs, digits or the ends of the name
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_WORDS = {word: split for split, words in _SPLITS.items() for word in words}
_SIGNS = re.compile(r"[-._ 0-9]+")

DESCRIBING = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "config.json", "state.json")
"""Files that describe a data set; `datasets` leaves them out, too."""

_DESCRIBING_TEXTS = ("license", "licence", "readme", "requirements", "notice", "copying", "changelog", "citation")


def split_of(name: str) -> str | None:
    """The split that a file's name speaks of, as `datasets` reads it: train, validation or test; None: none."""
    stem = name.rsplit(".", 1)[0]
    return next((_WORDS[word] for word in _SIGNS.split(stem.lower()) if word in _WORDS), None)


def data_names(names: Sequence[str], folder: Path, split: str, notes: Notes) -> list[str]:
    """The names of the files to be read, in their order; what is left out is noted.

    Args:
        names: The files of the folder that could be read.
        folder: Where they are.
        split: The split that is asked for.
        notes: Takes what is left out, and why.

    Raises:
        UptakeError: The files are of several splits, and the one that is asked for is not among them.
    """
    kept = _without_descriptions(names, folder, notes)
    splits = {name: split_of(name) for name in kept}
    found = sorted({one for one in splits.values() if one is not None})
    word = split.partition("[")[0].lower()  # train[:10%]
    asked = _WORDS.get(word, word)
    if found in ([], [asked]):
        return kept
    if asked == "train" and asked not in found and None in splits.values():
        splits = {name: one or asked for name, one in splits.items()}
    elif asked not in found:
        if len(found) == 1 and None not in splits.values():
            notes.add(f"{folder} has files of the split {found[0]} alone, and these are read")
            return kept
        raise UptakeError(
            f"the files in {folder} are of the splits {', '.join(found)}; the split that is asked for is {split}",
            expected="files of one split",
            fix=f"name a split (--split {found[0]}), or a file",
        )
    chosen = [name for name in kept if splits[name] == asked]
    others = ", ".join(f"{name} ({splits[name] or 'of no split'})" for name in kept if name not in chosen)
    notes.add(
        f"{folder} has files of several splits, and only those of {asked} are read, as by `datasets`; "
        f"left out: {_short(others)}"
    )
    return chosen


def _without_descriptions(names: Sequence[str], folder: Path, notes: Notes) -> list[str]:
    structured = [name for name in names if not name.lower().endswith(".txt") and name not in DESCRIBING]
    if structured:
        kept = structured
        why = "beside data of other kinds"
    else:
        kept = [
            name for name in names if name.lower().split(".")[0] not in _DESCRIBING_TEXTS and name not in DESCRIBING
        ]
        why = "for their names"
    left = [name for name in names if name not in kept]
    if not kept or not left:
        return list(names)
    notes.add(
        f"in {folder} these are left out, {why}, as descriptions: {_short(', '.join(left))}; "
        "what is data all the same, give by its own name or in a folder of its own"
    )
    return kept


def _short(listed: str) -> str:
    return listed if len(listed) <= 300 else f"{listed[:300]}..."
