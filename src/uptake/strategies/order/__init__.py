"""Strategies that arrange the order of rows, and when a stage ends."""
