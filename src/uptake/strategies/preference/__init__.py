"""Strategies that push down what the model answered before."""
