"""The oldest versions that pyproject.toml allows, as constraints for pip: `name==floor` of each dependency.

    python tests/lowest.py > constraints.txt

Of torch it takes the version of constraints.txt: its older builds are not everywhere. Of what the tests alone need, the
tools that run them are as new as ever.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOOR = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9][0-9.]*)")


def lowest(requirements: Iterable[str]) -> Iterator[str]:
    """`name==floor` of each requirement that has a floor."""
    for requirement in requirements:
        if (found := FLOOR.match(requirement)) and found[1] != "torch":
            yield f"{found[1]}=={found[2]}"


def main() -> None:
    """Prints the constraints."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [one for some in project["optional-dependencies"].values() for one in some]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    print(
        *lowest([*project["dependencies"], *extras]), *(line for line in pinned if line.startswith("torch==")), sep="\n"
    )


if __name__ == "__main__":
    main()
