"""Other losses than the mean negative log-likelihood of the learned tokens."""
