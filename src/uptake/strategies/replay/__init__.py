"""Strategies that train rows of earlier stages again."""
