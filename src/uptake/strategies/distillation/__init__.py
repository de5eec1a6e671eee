"""Strategies that hold the model to what a former model says."""
