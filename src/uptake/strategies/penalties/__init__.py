"""Strategies that hold weights near what they were."""
