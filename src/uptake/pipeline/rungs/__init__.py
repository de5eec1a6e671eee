"""`uptake rewrite --compare`: each rung trained, its gain against what is forgotten."""
