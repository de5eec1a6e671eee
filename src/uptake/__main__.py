"""`python -m uptake` is the command `uptake`."""

from __future__ import annotations

from uptake.cli import main

if __name__ == "__main__":
    main()
