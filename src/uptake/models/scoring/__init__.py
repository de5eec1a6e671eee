"""The scoring engine: token rows to log-probabilities, on a model in memory."""
