"""Searches without a model, for comparison."""
