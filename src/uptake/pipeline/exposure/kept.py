"""What a shard gave, on disk: two files, whole or not there, under a key that says of what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from uptake.artifacts import digest, write_json, write_table
from uptake.artifacts.checked import damaged, read_record
from uptake.artifacts.checked_tables import read_table
from uptake.artifacts.schemas.exposure import HITS_FILE, SAYS, SHARD, ShardData
from uptake.errors import UptakeError
from uptake.exposure import Scanned
from uptake.exposure.judge import Says
from uptake.exposure.ranking import Hit
from uptake.pipeline.exposure.readers import ShardReport, told_of
from uptake.pipeline.exposure.shards import Shard

_ANEW = "delete it and run the same command again: the shard is read anew"


@dataclass(frozen=True)
class ShardFiles:
    """The two files of a shard.

    Attributes:
        folder: Where those of all shards lie.
        shard: The shard.
        key: Identifies what they depend on: the facts, how rows are read, the shard.
    """

    folder: Path
    shard: Shard
    key: str

    @property
    def counts(self) -> Path:
        """What was counted; written last."""
        return self.folder / f"{digest(self.shard.name)[:16]}.json"

    @property
    def hits(self) -> Path:
        """The documents that are kept."""
        return self.counts.with_suffix(".parquet")

    def data(self) -> ShardData | None:
        """What was counted; None where the shard was not read yet, or under another key."""
        if not self.counts.exists():
            return None
        try:
            found = read_record(self.counts, SHARD, _ANEW)
        except UptakeError:
            return None  # it is written anew
        return found if found.key == self.key and self.hits.exists() else None

    def write(self, found: Scanned, report: ShardReport) -> None:
        """Write both; raises UptakeError where the place cannot be written."""
        import pyarrow as pa

        rows = [
            {**{name: getattr(hit, name) for name in HITS_FILE.columns.names}, "counts": list(hit.counts)}
            for fact in sorted(found.hits)
            for hit in found.hits[fact]
        ]
        write_table(self.hits, pa.Table.from_pylist(rows, schema=HITS_FILE.columns))
        write_json(self.counts, self._counted(found, report))

    def _counted(self, found: Scanned, report: ShardReport) -> Mapping[str, Any]:
        return {
            "key": self.key,
            "name": self.shard.name,
            "size": self.shard.size,
            "read": min(report.read, self.shard.size),
            "whole": report.whole,
            "bad": report.bad,
            "notes": told_of(report),
            "documents": found.documents,
            "words": found.words,
            "holding": {word.decode("utf-8", "replace"): n for word, n in sorted(found.holding.items())},
            "tallies": [
                {"fact": fact, "source": source, "counts": [tally[cast(Says, name)] for name in SAYS]}
                for (fact, source), tally in sorted(found.tallies.items())
            ],
            "others": [
                {"fact": fact, "answer": answer, "n": n}
                for fact, others in sorted(found.others.items())
                for answer, n in sorted(others.items())
            ],
        }

    def counted(self, data: ShardData, words: Mapping[int, int]) -> Scanned:
        """What was counted in the shard; its documents are read by `documents`.

        Args:
            data: What was counted.
            words: For each fact that is looked for, by how many words its documents are ranked.

        Raises:
            UptakeError: The file is damaged.
        """
        known = [tally.fact for tally in data.tallies] + [other.fact for other in data.others]
        if any(fact not in words for fact in known):
            raise damaged(self.counts, "it tells of a fact that is not looked for", _ANEW)
        found = Scanned(data.documents, data.words)
        found.holding = Counter({word.encode(): n for word, n in data.holding.items()})
        for tally in data.tallies:
            counted = dict(zip(SAYS, tally.counts, strict=True))
            found.tallies[tally.fact, tally.source].update({cast(Says, name): n for name, n in counted.items() if n})
        for other in data.others:
            found.others[other.fact][other.answer] = other.n
        return found

    def documents(self, words: Mapping[int, int]) -> Iterator[Hit]:
        """The documents that are kept of the shard; arguments and errors as of `counted`."""
        for row in read_table(self.hits, HITS_FILE, _ANEW).to_pylist():
            if len(row["counts"]) != words.get(row["fact"]):
                raise damaged(self.hits, f"row {row['row']} has counts of other words", _ANEW)
            yield Hit(shard=self.shard.name, **{**row, "counts": tuple(row["counts"])})
