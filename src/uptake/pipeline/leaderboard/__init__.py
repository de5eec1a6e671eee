"""`uptake stream compare`: strategies side by side on one stream, at equal cost, each tuned with as many trials."""
