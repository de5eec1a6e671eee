"""Strategies that add adapters."""
