"""What a stage's rows meet in the model: known, new, or a conflict; see docs/conflicts.md."""
