"""`uptake stream`: stages trained one after the other, all tests read after each, and what became of each."""
