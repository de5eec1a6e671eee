"""Training one stage: rows in, a model folder out, and checkpoints on the way."""
