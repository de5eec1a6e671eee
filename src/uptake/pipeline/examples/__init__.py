"""The examples of a run on disk: read, checked, reworded."""
