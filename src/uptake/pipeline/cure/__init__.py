"""`uptake cure`: a plan trained and diagnosed."""
