"""A plan trained, and the model that came of it asked: what a pilot, a cure and an experiment share."""
