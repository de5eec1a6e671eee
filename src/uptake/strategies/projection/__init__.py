"""Strategies that change gradients."""
