"""`uptake train`: stages planned, trained, recorded."""
