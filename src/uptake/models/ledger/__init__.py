"""The learning ledger inside a trainer: what each step says of each example."""
